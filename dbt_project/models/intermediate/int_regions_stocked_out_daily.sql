-- One row per SKU, region and business day of the window on which a node that serves the region ran out; censored when the region could not buy,
-- so that sales are a lower bound of demand.
{{ config(materialized='view') }}

with stock as (
    select sku_id, node_id, stock_date, is_stocked_out, stockout_share
    from {{ ref('fct_sku_node_daily') }}
    where stock_date >= {{ changed_from() }}
),

short as (  -- on most days nothing is out anywhere
    select distinct sku_id, stock_date from stock
    where is_stocked_out
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
    stock.stock_date as demand_date,
    bool_and(stock.is_stocked_out)
    or coalesce(bool_or(stock.is_stocked_out) filter (where nodes.node_type = 'store'), false) as is_censored,
    case when count(*) = 1 then 1 - max(stock.stockout_share) end as open_share  -- of several nodes nobody knows what each would have sold
from stock
semi join short on stock.sku_id = short.sku_id and stock.stock_date = short.stock_date
inner join sells on stock.node_id = sells.node_id
inner join {{ ref('stg_master__nodes') }} as nodes on stock.node_id = nodes.node_id
group by stock.sku_id, sells.region_id, stock.stock_date
having bool_or(stock.is_stocked_out)
