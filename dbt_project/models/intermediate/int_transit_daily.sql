-- One row per SKU, destination node and business day with transferred units under way at the end of the day.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('stock_date') }}") }}

with under_way as (
    select
        sku_id,
        destination_node_id as node_id,
        shipped_units,
        greatest(shipped_date, {{ changed_from() }}) as first_date,
        least(coalesce(delivered_date - 1, {{ as_of_date() }}), {{ as_of_date() }}) as last_date
    from {{ ref('int_shipments_current') }}
    where kind = 'transfer' and destination_node_id is not null
)

select
    sku_id,
    node_id,
    stock_date,
    sum(shipped_units)::bigint as in_transit_units
from (
    select
        sku_id,
        node_id,
        shipped_units,
        unnest(generate_series(first_date, last_date, interval 1 day))::date as stock_date
    from under_way
    where last_date >= first_date
)
group by all
order by stock_date, sku_id, node_id
