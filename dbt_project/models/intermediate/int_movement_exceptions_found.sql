-- One row per shipment or supplier order line that is overdue, or whose receipt differs from what was shipped.
with shipments as (
    select
        moved.*,
        skus.unit_cost
    from {{ ref('int_shipments_current') }} as moved
    inner join {{ ref('stg_master__skus') }} as skus on moved.sku_id = skus.sku_id
),

orders as (
    select
        ordered.*,
        ordered.ordered_units - ordered.received_units as open_units,
        skus.unit_cost
    from {{ ref('int_supplier_orders_current') }} as ordered
    inner join {{ ref('stg_master__skus') }} as skus on ordered.sku_id = skus.sku_id
)

select
    'transfer_overdue' as exception_code,
    sku_id,
    destination_node_id as node_id,
    shipped_units as at_stake_units,
    shipped_units * unit_cost as at_stake_cost,
    'shipment ' || shipment_id || ' from ' || origin_node_id || ' was promised for ' || promised_date as what,
    'ask the carrier; confirm what arrived' as remedy
from shipments
where kind = 'transfer' and delivered_date is null and promised_date < {{ as_of_date() }}
union all
select
    'receipt_differs',
    sku_id,
    destination_node_id,
    received_units - shipped_units,
    abs(received_units - shipped_units) * unit_cost,
    'shipment ' || shipment_id || ': ' || shipped_units || ' units left, ' || received_units || ' arrived on ' || delivered_date,
    'claim the difference, or correct the receipt'
from shipments
where kind in ('transfer', 'supplier') and received_units <> shipped_units and delivered_date > {{ as_of_date() }} - 7
union all
select
    'supplier_order_overdue',
    sku_id,
    destination_node_id,
    open_units,
    open_units * unit_cost,
    'order ' || supplier_order_id || ' was expected on ' || expected_date,
    'ask the supplier for a new date, and deliver it'
from orders
where open_units > 0 and expected_date < {{ as_of_date() }}
