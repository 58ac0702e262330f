-- One row per SKU, node, direction and days since, of transfers between peers in the last two months and of those that are open.
with moves as (
    select sku_id, origin_node_id, destination_node_id, shipped_date as moved_date
    from {{ ref('int_shipments_current') }}
    where kind = 'transfer' and shipped_date > {{ as_of_date() }} - 60
    union all
    select sku_id, origin_node_id, destination_node_id, {{ as_of_date() }} from {{ ref('int_open_transfers') }}
    where order_kind = 'transfer'
),

parents as (
    select node_id, replenished_from_node_id from {{ ref('stg_master__nodes') }}
),

between_peers as (  -- what a node's own parent sends it is its replenishment
    select moves.*
    from moves
    left join parents on moves.destination_node_id = parents.node_id
    where parents.replenished_from_node_id is distinct from moves.origin_node_id
)

select distinct sku_id, destination_node_id as node_id, true as is_in, {{ as_of_date() }} - moved_date as days from between_peers
union all
select distinct sku_id, origin_node_id, false, {{ as_of_date() }} - moved_date from between_peers
