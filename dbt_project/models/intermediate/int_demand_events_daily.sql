-- One row per SKU, region and business day on which anything was asked for, cancelled or returned.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('demand_date') }}") }}

with events as (
    select sku_id, region_id, business_date as demand_date, sold_units as pos, 0 as ecom, 0 as cancelled, 0 as returned
    from {{ ref('stg_pos__sales') }}
    where {{ in_window('sold_at', 'business_date') }}
    union all
    select sku_id, region_id, business_date, 0, ordered_units, if(status = 'cancelled', ordered_units, 0), 0
    from {{ ref('int_orders_current') }}
    where business_date >= {{ changed_from() }}
    union all
    select sku_id, region_id, business_date, 0, 0, 0, returned_units
    from {{ ref('stg_wms__returns') }}
    where {{ in_window('returned_at', 'business_date') }}
),

summed as (
    select
        skus.sku_number,
        regions.region_number,
        events.demand_date,
        sum(events.pos)::bigint as pos_units,
        sum(events.ecom)::bigint as ecom_units,
        sum(events.cancelled)::bigint as cancelled_units,
        sum(events.returned)::bigint as returned_units
    from events
    inner join {{ ref('int_skus_numbered') }} as skus on events.sku_id = skus.sku_id
    inner join {{ ref('int_regions_numbered') }} as regions on events.region_id = regions.region_id
    group by all
)

select
    skus.sku_id,
    regions.region_id,
    summed.* exclude (sku_number, region_number)
from summed
inner join {{ ref('int_skus_numbered') }} as skus on summed.sku_number = skus.sku_number
inner join {{ ref('int_regions_numbered') }} as regions on summed.region_number = regions.region_number
order by summed.demand_date, summed.sku_number, summed.region_number
