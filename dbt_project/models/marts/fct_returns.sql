-- One row per line of a return: where it came from, what became of it, and how long after its order it came back.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('returned_date') }}") }}

with returned as (
    select * from {{ ref('stg_wms__returns') }}
    where {{ in_window('returned_at', 'business_date') }}
),

ordered as (  -- an order may hold a SKU on several lines; its first counts
    select
        order_id,
        sku_id,
        min(business_date) as ordered_date,
        arg_min(region_id, line_number) as region_id
    from {{ ref('int_orders_current') }}
    where order_id in (select order_id from returned)
    group by all
)

select
    returned.return_id,
    returned.line_number,
    returned.sku_id,
    returned.node_id,
    coalesce(ordered.region_id, returned.region_id) as region_id,
    returned.business_date as returned_date,
    ordered.ordered_date,
    (returned.business_date - ordered.ordered_date)::double as return_lag_days,
    returned.condition,
    returned.returned_units
from returned
left join ordered on returned.order_id = ordered.order_id and returned.sku_id = ordered.sku_id
order by returned.business_date, returned.return_id, returned.line_number
