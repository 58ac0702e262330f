-- One row per SKU, node or region (empty: all) and first day of a price that the day knew of.
select
    sku_id,
    node_id,
    region_id,
    effective_date,
    unit_price
from {{ source('raw', 'prices') }}
where coalesce(known_from_date, effective_date) <= {{ as_of_date() }}
{{ newest('sku_id, node_id, region_id, effective_date') }}
