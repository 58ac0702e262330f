-- One row per node, as last delivered, with a time zone.
{{ config(materialized='table') }}  -- small, read by most models: a table tells the planner how small
with source as (
    select * from {{ source('raw', 'nodes') }}
    {{ newest('node_id') }}
),

regions as (
    select * from {{ ref('stg_master__regions') }}
)

select
    source.node_id,
    source.node_type,
    source.region_id,
    coalesce(source.name, source.node_id) as name,
    source.latitude,
    source.longitude,
    coalesce(source.time_zone, regions.time_zone, {{ default_time_zone() }}) as time_zone,
    source.capacity_m3,
    source.inbound_units_per_day,
    source.outbound_units_per_day,
    coalesce(source.handling_cost_per_unit, 0) as handling_cost_per_unit,
    coalesce(source.holding_cost_rate_per_year, 0.25) as holding_cost_rate_per_year,
    source.holding_cost_rate_per_year is null as is_holding_cost_assumed,
    source.fixed_cost_per_year,
    coalesce(source.is_pilot, false) as is_pilot,
    source.opened_date,
    source.closed_date,
    source.replenished_from_node_id,
    source.closed_weekdays
from source
left join regions on source.region_id = regions.region_id
