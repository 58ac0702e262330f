-- One row per node.
select
    node_id,
    name,
    node_type,
    region_id,
    latitude,
    longitude,
    time_zone,
    capacity_m3,
    inbound_units_per_day,
    outbound_units_per_day,
    handling_cost_per_unit,
    holding_cost_rate_per_year,
    is_holding_cost_assumed,
    fixed_cost_per_year,
    is_pilot,
    opened_date,
    closed_date,
    replenished_from_node_id,
    closed_weekdays
from {{ ref('stg_master__nodes') }}
order by node_id
