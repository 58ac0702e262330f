-- One row per region and month: the share of e-commerce units that were served, and from the region's first node.
with ordered as (
    select
        region_id,
        date_trunc('month', demand_date)::date as month,
        sum(ecom_units)::bigint as ordered_units,
        sum(cancelled_units)::bigint as cancelled_units
    from {{ ref('int_demand_events_daily') }}
    group by all
),

shipped as (
    select
        shipments.destination_region_id as region_id,
        date_trunc('month', shipments.shipped_date)::date as month,
        sum(shipments.shipped_units)::bigint as shipped_units,
        sum(shipments.shipped_units) filter (where zones.priority = 1)::bigint as own_node_units
    from {{ ref('int_shipments_current') }} as shipments
    left join {{ ref('stg_master__service_zones') }} as zones
        on shipments.destination_region_id = zones.region_id and shipments.origin_node_id = zones.node_id
    where shipments.kind = 'customer' and shipments.destination_region_id is not null
    group by all
)

select
    ordered.region_id,
    ordered.month,
    ordered.ordered_units,
    ordered.cancelled_units,
    coalesce(shipped.shipped_units, 0) as shipped_units,
    round(1 - ordered.cancelled_units / nullif(ordered.ordered_units, 0), 6) as unit_fill_rate,
    round(coalesce(shipped.own_node_units, 0) / nullif(shipped.shipped_units, 0), 6) as own_node_share
from ordered
left join shipped using (region_id, month)
where ordered.ordered_units > 0
order by ordered.region_id, ordered.month
