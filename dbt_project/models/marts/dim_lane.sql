-- One row per directed pair of nodes and mode, with what its shipments of the last half year really took.
with by_mode as (
    select * from {{ ref('int_lane_lead_times_observed') }}
),

observed as (  -- shipments that tell no mode speak for every mode of their pair
    select
        lanes.origin_node_id,
        lanes.destination_node_id,
        lanes.mode,
        sum(by_mode.shipment_count) as shipment_count,
        sum(by_mode.shipment_count * by_mode.lead_time_days) / sum(by_mode.shipment_count) as mean_days,
        sum(by_mode.shipment_count * by_mode.lead_time_days * by_mode.lead_time_days) as square_days,
        sum(by_mode.on_time_count) / nullif(sum(by_mode.promised_count), 0) as on_time_rate
    from {{ ref('stg_master__lanes') }} as lanes
    inner join by_mode
        on
            lanes.origin_node_id = by_mode.origin_node_id and lanes.destination_node_id = by_mode.destination_node_id
            and by_mode.mode in (lanes.mode, '')
    group by all
)

select
    lanes.origin_node_id,
    lanes.destination_node_id,
    lanes.mode,
    lanes.lead_time_days,
    lanes.lead_time_std_days,
    lanes.cost_per_unit,
    lanes.cost_per_kg,
    lanes.fixed_cost_per_shipment,
    lanes.capacity_units_per_day,
    lanes.min_units,
    lanes.departs_on,
    lanes.is_open,
    lanes.serves_bonded,
    coalesce(observed.shipment_count, 0)::bigint as observed_shipment_count,
    round(observed.mean_days, 6) as observed_lead_time_days,
    round(sqrt(greatest(
        observed.square_days - observed.shipment_count * observed.mean_days * observed.mean_days, 0
    ) / nullif(observed.shipment_count - 1, 0)), 6) as observed_lead_time_std_days,
    round(observed.on_time_rate, 6) as on_time_rate
from {{ ref('stg_master__lanes') }} as lanes
left join observed using (origin_node_id, destination_node_id, mode)
order by lanes.origin_node_id, lanes.destination_node_id, lanes.mode
