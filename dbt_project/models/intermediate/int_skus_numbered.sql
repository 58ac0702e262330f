-- One row per SKU with its place in the order of ids: a small whole number that large joins of one run use in its stead.
select
    sku_id,
    (row_number() over (order by sku_id))::int as sku_number
from {{ ref('stg_master__skus') }}
