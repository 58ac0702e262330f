-- One row per directed pair of nodes and mode that can be used within a week: its next departure and the one after it.
with lanes as (
    select lanes.*
    from {{ ref('stg_master__lanes') }} as lanes
    inner join {{ ref('stg_master__nodes') }} as origins on lanes.origin_node_id = origins.node_id
    inner join {{ ref('stg_master__nodes') }} as destinations on lanes.destination_node_id = destinations.node_id
    where
        lanes.is_open
        and (lanes.serves_bonded or (origins.node_type <> 'bonded' and destinations.node_type <> 'bonded'))
        and coalesce(origins.closed_date > {{ as_of_date() }}, true)
        and coalesce(destinations.closed_date > {{ as_of_date() }}, true)
),

days as (
    select unnest(generate_series({{ as_of_date() }} + 1, {{ as_of_date() }} + 14, interval 1 day))::date as ship_date
),

departures as (
    select
        lanes.origin_node_id,
        lanes.destination_node_id,
        lanes.mode,
        list_sort(list(days.ship_date)) as ship_dates
    from lanes
    inner join days
        on lanes.departs_on = 'daily' or contains(lanes.departs_on, lower(left(dayname(days.ship_date), 3)))
    group by all
)

select
    lanes.origin_node_id,
    lanes.destination_node_id,
    lanes.mode,
    lanes.lead_time_days,
    lanes.cost_per_unit,
    lanes.cost_per_kg,
    lanes.fixed_cost_per_shipment,
    lanes.min_units,
    departures.ship_dates[1] as ship_date,
    departures.ship_dates[2] as next_ship_date,
    lanes.capacity_units_per_day
from lanes
inner join departures using (origin_node_id, destination_node_id, mode)
order by lanes.origin_node_id, lanes.destination_node_id, lanes.mode
