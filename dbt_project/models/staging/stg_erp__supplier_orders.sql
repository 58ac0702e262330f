-- One row per version of a supplier order line that the day knew.
with source as (
    select * from {{ source('raw', 'supplier_orders') }}
    where coalesce(updated_at, ordered_at) < {{ as_of_date() }} + interval 2 day
),

nodes as (
    select * from {{ ref('stg_master__nodes') }}
),

dated as (
    select
        source.*,
        {{ business_date('source.ordered_at', 'nodes.time_zone') }} as business_date,
        {{ business_date('coalesce(source.updated_at, source.ordered_at)', 'nodes.time_zone') }} as known_date
    from source
    inner join nodes on source.destination_node_id = nodes.node_id
    where source.sku_id in (select sku_id from {{ ref('stg_master__skus') }})
)

select
    supplier_order_id,
    line_number,
    sku_id,
    destination_node_id,
    ordered_units,
    coalesce(received_units, 0) as received_units,
    ordered_at,
    business_date,
    expected_date,
    updated_at,
    ledger_sequence,
    source_line_number,
    key_first_at
from dated
where business_date <= {{ as_of_date() }} and known_date <= {{ as_of_date() }}
