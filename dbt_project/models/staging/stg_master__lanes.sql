-- One row per directed pair of nodes and mode, as last delivered.
select
    origin_node_id,
    destination_node_id,
    mode,
    lead_time_days,
    coalesce(lead_time_std_days, 0) as lead_time_std_days,
    cost_per_unit,
    coalesce(cost_per_kg, 0) as cost_per_kg,
    coalesce(fixed_cost_per_shipment, 0) as fixed_cost_per_shipment,
    capacity_units_per_day,
    coalesce(min_units, 1) as min_units,
    coalesce(departs_on, 'daily') as departs_on,
    coalesce(is_open, true) as is_open,
    coalesce(serves_bonded, false) as serves_bonded
from {{ source('raw', 'lanes') }}
{{ newest('origin_node_id, destination_node_id, mode') }}
