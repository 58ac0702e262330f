-- One row per region with its place in the order of ids: a small whole number that large joins of one run use in its stead.
select
    region_id,
    (row_number() over (order by region_id))::int as region_number
from {{ ref('stg_master__regions') }}
