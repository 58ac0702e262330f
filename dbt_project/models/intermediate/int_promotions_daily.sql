-- One row per SKU, region and business day of the window under promotion, at its deepest discount.
{{ config(materialized='view') }}

with promoted as (
    select
        skus.sku_id,
        regions.region_id,
        promotions.discount_rate,
        unnest(generate_series(
            greatest(promotions.start_date, {{ changed_from() }}), least(promotions.end_date, {{ as_of_date() }}), interval 1 day
        ))::date as demand_date
    from {{ ref('stg_marketing__promotions') }} as promotions
    inner join {{ ref('stg_master__skus') }} as skus on coalesce(promotions.sku_id = skus.sku_id, promotions.category = skus.category, true)
    inner join {{ ref('stg_master__regions') }} as regions on coalesce(promotions.region_id = regions.region_id, true)
    where promotions.end_date >= {{ changed_from() }} and promotions.start_date <= {{ as_of_date() }}
)

select
    sku_id,
    region_id,
    demand_date,
    max(discount_rate) as discount_rate
from promoted
group by all
