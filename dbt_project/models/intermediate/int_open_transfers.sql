-- One row per transfer or replenishment that is approved, issued or on its way by our own ledger, and that no shipment speaks of yet.
select
    orders.transfer_id,
    orders.order_kind,
    orders.sku_id,
    orders.origin_node_id,
    orders.destination_node_id,
    orders.mode,
    orders.ship_date,
    orders.transfer_units,
    orders.state
from {{ ref('stg_ops__transfer_states') }} as orders
where
    orders.state in ('approved', 'issued', 'shipped')
    and orders.transfer_id not in (
        select transfer_id from {{ ref('int_shipments_current') }}
        where transfer_id is not null
    )
    and orders.transfer_id not in (select supplier_order_id from {{ ref('int_supplier_orders_current') }})
