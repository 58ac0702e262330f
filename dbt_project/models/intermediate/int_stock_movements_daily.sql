-- One row per SKU, node and business day on which units came or went.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('stock_date') }}") }}

with shipped as (
    select * from {{ ref('int_shipments_current') }}
    where shipped_date >= {{ changed_from() }} and origin_node_id is not null
),

delivered as (
    select * from {{ ref('int_shipments_current') }}
    where delivered_date >= {{ changed_from() }} and destination_node_id is not null
),

moves as (
    select sku_id, node_id, business_date as stock_date, sold_units as sold, 0 as received, 0 as returned, 0 as moved_in, 0 as moved_out
    from {{ ref('stg_pos__sales') }}
    where {{ in_window('sold_at', 'business_date') }}
    union all
    select sku_id, origin_node_id, shipped_date, shipped_units, 0, 0, 0, 0 from shipped
    where kind = 'customer'
    union all
    select sku_id, origin_node_id, shipped_date, 0, 0, 0, 0, shipped_units from shipped
    where kind = 'transfer'
    union all
    select sku_id, destination_node_id, delivered_date, 0, 0, 0, coalesce(received_units, shipped_units), 0 from delivered
    where kind = 'transfer'
    union all
    select sku_id, destination_node_id, delivered_date, 0, coalesce(received_units, shipped_units), 0, 0, 0 from delivered
    where kind = 'supplier'
    union all
    select sku_id, node_id, business_date, 0, 0, returned_units, 0, 0 from {{ ref('stg_wms__returns') }}
    where condition = 'saleable' and {{ in_window('returned_at', 'business_date') }}
),

summed as (
    select
        skus.sku_number,
        nodes.node_number,
        moves.stock_date,
        sum(moves.sold)::bigint as sold_units,
        sum(moves.received)::bigint as received_units,
        sum(moves.returned)::bigint as returned_units,
        sum(moves.moved_in)::bigint as transferred_in_units,
        sum(moves.moved_out)::bigint as transferred_out_units
    from moves
    inner join {{ ref('int_skus_numbered') }} as skus on moves.sku_id = skus.sku_id
    inner join {{ ref('int_nodes_numbered') }} as nodes on moves.node_id = nodes.node_id
    group by all
)

select
    skus.sku_id,
    nodes.node_id,
    summed.* exclude (sku_number, node_number)
from summed
inner join {{ ref('int_skus_numbered') }} as skus on summed.sku_number = skus.sku_number
inner join {{ ref('int_nodes_numbered') }} as nodes on summed.node_number = nodes.node_number
order by summed.stock_date, summed.sku_number, summed.node_number
