-- One row per transfer or replenishment of our own ledger of which units are still to leave or to arrive, and that no shipment speaks of yet.
with remaining as (
    select
        transfer_id,
        order_kind,
        sku_id,
        origin_node_id,
        destination_node_id,
        mode,
        ship_date,
        case
            when state = 'received' then issued_units - shipped_units  -- the half that has not left
            else transfer_units - coalesce(received_units, 0)
        end as transfer_units,
        state
    from {{ ref('stg_ops__transfer_states') }}
    where state in ('approved', 'issued', 'shipped', 'received')
)

select * from remaining
where
    transfer_units > 0
    and transfer_id not in (
        select transfer_id from {{ ref('int_shipments_current') }}
        where transfer_id is not null
    )
    and transfer_id not in (select supplier_order_id from {{ ref('int_supplier_orders_current') }})
