-- One row per SKU, node and count, up to the day of the plan; a count before 06:00 closes the day before.
with source as (
    select * from {{ source('raw', 'inventory_snapshots') }}
),

nodes as (
    select * from {{ ref('stg_master__nodes') }}
),

dated as (
    select
        source.*,
        {{ business_date("(source.snapshot_at - interval 6 hour)", 'nodes.time_zone') }} as business_date
    from source
    inner join nodes on source.node_id = nodes.node_id
    where source.sku_id in (select sku_id from {{ ref('stg_master__skus') }})
)

select
    snapshot_at,
    business_date,
    node_id,
    sku_id,
    on_hand_units,
    reserved_units,
    stockout_share
from dated
where {{ by_the_day('snapshot_at', 'business_date') }}
