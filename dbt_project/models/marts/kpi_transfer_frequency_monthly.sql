-- One row per origin, destination and month: how often and how much was moved between nodes.
select
    origin_node_id,
    destination_node_id,
    date_trunc('month', shipped_date)::date as month,
    count(distinct shipment_id)::bigint as transfer_count,
    count(*)::bigint as line_count,
    sum(shipped_units)::bigint as shipped_units,
    sum(freight_cost)::decimal(18, 4) as freight_cost
from {{ ref('int_shipments_current') }}
where kind = 'transfer' and origin_node_id is not null and destination_node_id is not null
group by all
order by origin_node_id, destination_node_id, month
