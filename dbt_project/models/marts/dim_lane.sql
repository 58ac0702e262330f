-- One row per directed pair of nodes and mode, with what its shipments of the last half year really took.
with observed as (
    select
        origin_node_id,
        destination_node_id,
        count(*) as observed_shipment_count,
        avg(delivered_date - shipped_date) as observed_lead_time_days,
        stddev_samp(delivered_date - shipped_date) as observed_lead_time_std_days,
        avg((delivered_date <= promised_date)::int) as on_time_rate
    from {{ ref('int_shipments_current') }}
    where
        kind = 'transfer' and delivered_date is not null
        and shipped_date > {{ as_of_date() }} - {{ var('lead_time_days_window') }}
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
    coalesce(observed.observed_shipment_count, 0) as observed_shipment_count,
    round(observed.observed_lead_time_days, 6) as observed_lead_time_days,
    round(observed.observed_lead_time_std_days, 6) as observed_lead_time_std_days,
    round(observed.on_time_rate, 6) as on_time_rate
from {{ ref('stg_master__lanes') }} as lanes
left join observed using (origin_node_id, destination_node_id)
order by lanes.origin_node_id, lanes.destination_node_id, lanes.mode
