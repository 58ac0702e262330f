-- One row per promotion, SKU or category, and region (empty: all) that the day knew of.
select
    promotion_id,
    sku_id,
    category,
    region_id,
    start_date,
    end_date,
    coalesce(kind, 'promotion') as kind,
    discount_rate,
    coalesce(known_from_date, start_date) as known_from_date
from {{ source('raw', 'marketing_calendar') }}
where coalesce(known_from_date, start_date) <= {{ as_of_date() }}
{{ newest('promotion_id, sku_id, category, region_id') }}
