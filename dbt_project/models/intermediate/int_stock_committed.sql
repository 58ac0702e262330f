-- One row per SKU and node with units on their way or promised away, or that transfers touched lately.
with moves as (
    select sku_id, destination_node_id as node_id, shipped_units as inbound_units, null as promised_units
    from {{ ref('int_shipments_current') }}
    where kind = 'transfer' and delivered_date is null
    union all
    select sku_id, destination_node_id, greatest(ordered_units - received_units, 0), null
    from {{ ref('int_supplier_orders_current') }}
    union all
    select sku_id, destination_node_id, transfer_units, null from {{ ref('int_open_transfers') }}
    union all
    select sku_id, origin_node_id, null, transfer_units from {{ ref('int_open_transfers') }}
    where origin_node_id is not null
),

units as (
    select
        sku_id,
        node_id,
        coalesce(sum(inbound_units), 0)::bigint as inbound_units,
        coalesce(sum(promised_units), 0)::bigint as promised_units
    from moves
    group by all
),

lately as (
    select
        sku_id,
        node_id,
        min(days) filter (where is_in)::int as transferred_in_days,
        min(days) filter (where not is_in)::int as transferred_out_days
    from {{ ref('int_transfers_lately') }}
    group by all
)

select
    sku_id,
    node_id,
    units.inbound_units,
    units.promised_units,
    lately.transferred_in_days,
    lately.transferred_out_days
from units
full outer join lately using (sku_id, node_id)
