-- One row per demand region, as last delivered.
{{ config(materialized='table') }}  -- small, read by most models: a table tells the planner how small
select
    region_id,
    coalesce(name, region_id) as name,
    latitude,
    longitude,
    coalesce(time_zone, {{ default_time_zone() }}) as time_zone,
    postal_prefixes
from {{ source('raw', 'regions') }}
{{ newest('region_id') }}
