-- One row per SKU, region and business day of the SKU's life in the region; null demand where a delivery is missing.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('demand_date') }}") }}

with spans as (
    select
        asked.sku_id,
        asked.region_id,
        (row_number() over (order by asked.sku_id, asked.region_id))::int as pair_number,
        asked.first_date,
        least(skus.retired_date, {{ as_of_date() }}) as last_date
    from {{ ref('int_sku_regions_first_asked') }} as asked
    inner join {{ ref('stg_master__skus') }} as skus on asked.sku_id = skus.sku_id
),

events as (
    select spans.pair_number, spans.last_date, happened.*
    from {{ ref('int_demand_events_daily') }} as happened
    inner join spans on happened.sku_id = spans.sku_id and happened.region_id = spans.region_id
    where happened.demand_date >= {{ changed_from() }}
),

spine as (
    select
        pair_number,
        unnest(generate_series(greatest(first_date, {{ changed_from() }}), last_date, interval 1 day))::date as demand_date
    from spans
    where last_date >= {{ changed_from() }}
    union all
    select pair_number, demand_date from events
    where demand_date > last_date
),

stocked_out as (
    select spans.pair_number, days.demand_date, days.is_censored, days.open_share
    from {{ ref('int_regions_stocked_out_daily') }} as days
    inner join spans on days.sku_id = spans.sku_id and days.region_id = spans.region_id
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
    spans.sku_id,
    spans.region_id,
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
    stocked_out.pair_number is not null as is_stocked_out,
    coalesce(stocked_out.is_censored, false) as is_censored,
    case when stocked_out.is_censored then stocked_out.open_share end as open_share
from spine
inner join spans on spine.pair_number = spans.pair_number
left join events on spine.pair_number = events.pair_number and spine.demand_date = events.demand_date
left join silent on spans.region_id = silent.region_id and spine.demand_date = silent.demand_date
left join stocked_out on spine.pair_number = stocked_out.pair_number and spine.demand_date = stocked_out.demand_date
order by spine.demand_date, spine.pair_number
