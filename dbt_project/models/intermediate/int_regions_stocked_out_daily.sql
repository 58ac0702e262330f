-- One row per SKU, region and business day of the window on which the region could not buy: sales are a lower bound of demand.
{{ config(materialized='view') }}

with stock as (
    select sku_id, node_id, stock_date, is_stocked_out
    from {{ ref('fct_sku_node_daily') }}
    where stock_date >= {{ changed_from() }}
),

sells as (  -- nodes that serve a region, over the counter or by parcel
    select distinct node_id, region_id from {{ ref('stg_master__service_zones') }}
    union
    select node_id, region_id from {{ ref('stg_master__nodes') }}
    where node_type = 'store'
)

select
    stock.sku_id,
    sells.region_id,
    stock.stock_date as demand_date
from stock
inner join sells on stock.node_id = sells.node_id
inner join {{ ref('stg_master__nodes') }} as nodes on stock.node_id = nodes.node_id
group by all
having
    bool_and(stock.is_stocked_out)
    or coalesce(bool_or(stock.is_stocked_out) filter (where nodes.node_type = 'store'), false)
