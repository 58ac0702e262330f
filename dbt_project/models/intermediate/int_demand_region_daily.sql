-- One row per SKU, region and business day of the SKU's life in the region; null demand where a delivery is missing.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('demand_date') }}") }}

with spans as (
    select
        events.sku_id,
        events.region_id,
        min(events.demand_date) as first_date,
        any_value(skus.retired_date) as retired_date
    from {{ ref('int_demand_events_daily') }} as events
    inner join {{ ref('stg_master__skus') }} as skus on events.sku_id = skus.sku_id
    group by all
),

spine as (
    select
        sku_id,
        region_id,
        unnest(generate_series(
            greatest(first_date, {{ changed_from() }}),
            least(coalesce(retired_date, {{ as_of_date() }}), {{ as_of_date() }}),
            interval 1 day
        ))::date as demand_date
    from spans
    union
    select sku_id, region_id, demand_date from {{ ref('int_demand_events_daily') }}
    where demand_date >= {{ changed_from() }}
),

silent as (  -- region-days on which somebody did not deliver
    select nodes.region_id, coverage.coverage_date as demand_date
    from {{ ref('int_feed_coverage_daily') }} as coverage
    inner join {{ ref('stg_master__nodes') }} as nodes on coverage.node_id = nodes.node_id
    where coverage.status in ('missing', 'partial') and coverage.coverage_date >= {{ changed_from() }}
    union
    select regions.region_id, coverage.coverage_date
    from {{ ref('int_feed_coverage_daily') }} as coverage
    cross join {{ ref('stg_master__regions') }} as regions
    where
        coverage.feed = 'ecom_orders' and coverage.status in ('missing', 'partial') and coverage.coverage_date >= {{ changed_from() }}
)

select
    spine.sku_id,
    spine.region_id,
    spine.demand_date,
    case when silent.region_id is null then coalesce(events.pos_units, 0) end as pos_units,
    case when silent.region_id is null then coalesce(events.ecom_units, 0) end as ecom_units,
    case when silent.region_id is null then coalesce(events.cancelled_units, 0) end as cancelled_units,
    coalesce(events.returned_units, 0) as returned_units,
    case
        when silent.region_id is null
            then coalesce(events.pos_units, 0) + coalesce(events.ecom_units, 0) - coalesce(events.cancelled_units, 0)
    end as demand_units,
    silent.region_id is null as is_complete,
    stocked_out.sku_id is not null as is_censored
from spine
left join {{ ref('int_demand_events_daily') }} as events
    on
        spine.sku_id = events.sku_id and spine.region_id = events.region_id and spine.demand_date = events.demand_date
        and events.demand_date >= {{ changed_from() }}
left join silent on spine.region_id = silent.region_id and spine.demand_date = silent.demand_date
left join {{ ref('int_regions_stocked_out_daily') }} as stocked_out
    on
        spine.sku_id = stocked_out.sku_id and spine.region_id = stocked_out.region_id
        and spine.demand_date = stocked_out.demand_date
order by spine.demand_date, spine.sku_id, spine.region_id
