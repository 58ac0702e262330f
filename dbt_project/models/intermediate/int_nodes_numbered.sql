-- One row per node with its place in the order of ids: a small whole number that large joins of one run use in its stead.
select
    node_id,
    (row_number() over (order by node_id))::int as node_number
from {{ ref('stg_master__nodes') }}
