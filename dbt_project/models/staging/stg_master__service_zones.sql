-- One row per node and region it serves, as last delivered.
{{ config(materialized='table') }}  -- small, read by most models: a table tells the planner how small
select
    node_id,
    region_id,
    priority,
    coalesce(final_mile_cost_per_unit, 0) as final_mile_cost_per_unit,
    delivery_days
from {{ source('raw', 'service_zones') }}
{{ newest('node_id, region_id') }}
