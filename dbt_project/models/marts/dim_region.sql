-- One row per demand region.
select
    region_id,
    name,
    latitude,
    longitude,
    time_zone
from {{ ref('stg_master__regions') }}
order by region_id
