-- One row per SKU, node and business day on which units came or went.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('stock_date') }}") }}

with shipments as (
    select * from {{ ref('int_shipments_current') }}
),

moves as (
    select sku_id, node_id, business_date as stock_date, 'sold' as movement, sold_units as units
    from {{ ref('stg_pos__sales') }}
    where {{ in_window('sold_at', 'business_date') }}
    union all
    select sku_id, origin_node_id, shipped_date, 'sold', shipped_units
    from shipments
    where kind = 'customer' and origin_node_id is not null and shipped_date >= {{ changed_from() }}
    union all
    select sku_id, origin_node_id, shipped_date, 'transferred_out', shipped_units
    from shipments
    where kind = 'transfer' and origin_node_id is not null and shipped_date >= {{ changed_from() }}
    union all
    select sku_id, destination_node_id, delivered_date, 'transferred_in', coalesce(received_units, shipped_units)
    from shipments
    where kind = 'transfer' and destination_node_id is not null and delivered_date >= {{ changed_from() }}
    union all
    select sku_id, destination_node_id, delivered_date, 'received', coalesce(received_units, shipped_units)
    from shipments
    where kind = 'supplier' and destination_node_id is not null and delivered_date >= {{ changed_from() }}
    union all
    select sku_id, node_id, business_date, 'returned', returned_units
    from {{ ref('stg_wms__returns') }}
    where condition = 'saleable' and {{ in_window('returned_at', 'business_date') }}
)

select
    sku_id,
    node_id,
    stock_date,
    coalesce(sum(units) filter (where movement = 'sold'), 0)::bigint as sold_units,
    coalesce(sum(units) filter (where movement = 'received'), 0)::bigint as received_units,
    coalesce(sum(units) filter (where movement = 'returned'), 0)::bigint as returned_units,
    coalesce(sum(units) filter (where movement = 'transferred_in'), 0)::bigint as transferred_in_units,
    coalesce(sum(units) filter (where movement = 'transferred_out'), 0)::bigint as transferred_out_units
from moves
group by all
order by stock_date, sku_id, node_id
