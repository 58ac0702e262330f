-- One row per transfer or replenishment of our own ledger that waits too long for its next step, or of which other units arrived than left.
with orders as (
    select
        states.*,
        skus.unit_cost,
        coalesce(states.origin_node_id, 'the supplier') || ' to ' || states.destination_node_id as lane
    from {{ ref('stg_ops__transfer_states') }} as states
    inner join {{ ref('stg_master__skus') }} as skus on states.sku_id = skus.sku_id
)

select
    'transfer_waits' as exception_code,
    sku_id,
    destination_node_id as node_id,
    transfer_units as at_stake_units,
    transfer_units * unit_cost as at_stake_cost,
    replace(order_kind, '_', ' ') || ' ' || transfer_id || ' from ' || lane || ' is ' || state || ' since ' || state_date || ', was to '
    || case when state = 'shipped' then 'arrive on ' || arrival_date else 'leave on ' || ship_date end as what,
    case state
        when 'approved' then 'issue it, or cancel it'
        when 'issued' then 'ask the node that ships; confirm what left, or cancel it'
        else 'ask the carrier; confirm what arrived, or close it with a reason'
    end as remedy
from orders
where
    (state in ('approved', 'issued') and ship_date + {{ var('transfer_alert_days') }} < {{ as_of_date() }})
    or (state = 'shipped' and arrival_date + {{ var('transfer_alert_days') }} < {{ as_of_date() }})
union all
select
    'transfer_differs',
    sku_id,
    destination_node_id,
    abs(received_units - coalesce(shipped_units, issued_units)),
    abs(received_units - coalesce(shipped_units, issued_units)) * unit_cost,
    'transfer ' || transfer_id || ' from ' || lane || ': '
    || coalesce(shipped_units, issued_units) || ' units left, ' || received_units || ' arrived',
    'find out, then close it with a reason'
from orders
where state = 'received' and received_units <> coalesce(shipped_units, issued_units)
