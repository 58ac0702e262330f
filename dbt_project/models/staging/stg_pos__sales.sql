-- One row per line of a till receipt whose SKU and node are known, up to the day of the plan.
with source as (
    select * from {{ source('raw', 'pos_sales') }}
),

nodes as (
    select * from {{ ref('stg_master__nodes') }}
),

dated as (
    select
        source.*,
        nodes.region_id,
        {{ business_date('source.sold_at', 'nodes.time_zone') }} as business_date
    from source
    inner join nodes on source.node_id = nodes.node_id
    where source.sku_id in (select sku_id from {{ ref('stg_master__skus') }})
)

select
    receipt_id,
    line_number,
    sold_at,
    business_date,
    node_id,
    region_id,
    sku_id,
    sold_units,
    unit_price
from dated
where business_date <= {{ as_of_date() }}
