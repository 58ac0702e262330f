-- One row per region, category and day of history that was kept only in aggregate.
select
    region_id,
    category,
    demand_date,
    demand_units
from {{ source('raw', 'aggregate_history') }}
where demand_date <= {{ as_of_date() }}
{{ newest('region_id, category, demand_date') }}
