-- One row per node and region it serves, as last delivered.
select
    node_id,
    region_id,
    priority,
    coalesce(final_mile_cost_per_unit, 0) as final_mile_cost_per_unit,
    delivery_days
from {{ source('raw', 'service_zones') }}
{{ newest('node_id, region_id') }}
