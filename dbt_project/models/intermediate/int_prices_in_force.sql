-- One row per SKU, region and first day of a price that the prices feed puts in force there; of several of one day the local one counts.
{{ config(materialized='view') }}

with placed as (
    select
        prices.sku_id,
        coalesce(prices.region_id, nodes.region_id) as region_id,
        prices.node_id,
        prices.effective_date,
        prices.unit_price
    from {{ ref('stg_marketing__prices') }} as prices
    left join {{ ref('stg_master__nodes') }} as nodes on prices.node_id = nodes.node_id
    where prices.effective_date <= {{ as_of_date() }}
)

select
    placed.sku_id,
    regions.region_id,
    placed.effective_date,
    arg_max(placed.unit_price, (placed.region_id is not null, coalesce(placed.node_id, ''))) as unit_price
from placed
inner join {{ ref('stg_master__regions') }} as regions on coalesce(placed.region_id = regions.region_id, true)
group by placed.sku_id, regions.region_id, placed.effective_date
