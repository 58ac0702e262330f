-- One row per SKU, region and business day on which anything was asked for, cancelled or returned.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('demand_date') }}") }}

with pos as (
    select
        sku_id,
        region_id,
        business_date as demand_date,
        sum(sold_units)::bigint as pos_units
    from {{ ref('stg_pos__sales') }}
    where {{ in_window('sold_at', 'business_date') }} and region_id is not null
    group by all
),

ecom as (
    select
        sku_id,
        region_id,
        business_date as demand_date,
        sum(ordered_units)::bigint as ecom_units,
        sum(ordered_units) filter (where status = 'cancelled')::bigint as cancelled_units
    from {{ ref('int_orders_current') }}
    where business_date >= {{ changed_from() }}
    group by all
),

returned as (
    select
        sku_id,
        region_id,
        business_date as demand_date,
        sum(returned_units)::bigint as returned_units
    from {{ ref('stg_wms__returns') }}
    where {{ in_window('returned_at', 'business_date') }} and region_id is not null
    group by all
)

select
    sku_id,
    region_id,
    demand_date,
    coalesce(pos.pos_units, 0) as pos_units,
    coalesce(ecom.ecom_units, 0) as ecom_units,
    coalesce(ecom.cancelled_units, 0) as cancelled_units,
    coalesce(returned.returned_units, 0) as returned_units
from pos
full join ecom using (sku_id, region_id, demand_date)
full join returned using (sku_id, region_id, demand_date)
order by demand_date, sku_id, region_id
