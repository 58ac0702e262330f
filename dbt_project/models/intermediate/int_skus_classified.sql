-- One row per SKU with the classes of its demand over the last half year: ABC by value, XYZ by week-to-week variation, shape.
with demand as (
    select
        sku_id,
        demand_date,
        sum(pos_units + ecom_units - cancelled_units)::bigint as demand_units
    from {{ ref('int_demand_events_daily') }}
    where demand_date > {{ as_of_date() }} - {{ var('class_days') }}
    group by all
),

sizes as (
    select
        skus.sku_id,
        {{ as_of_date() }} - coalesce(min(demand.demand_date), {{ as_of_date() }}) + 1 as day_count,
        count(*) filter (where demand.demand_units > 0) as demand_day_count,
        coalesce(sum(demand.demand_units), 0) as demand_units,
        avg(demand.demand_units) filter (where demand.demand_units > 0) as mean_when_asked,
        stddev_pop(demand.demand_units) filter (where demand.demand_units > 0) as std_when_asked
    from {{ ref('stg_master__skus') }} as skus
    left join demand on skus.sku_id = demand.sku_id
    group by skus.sku_id
),

weeks as (
    select
        sku_id,
        ({{ as_of_date() }} - demand_date) // 7 as week,
        sum(demand_units) as week_units
    from demand
    group by all
),

variation as (  -- weeks without demand count as zero
    select
        weeks.sku_id,
        sum(weeks.week_units) / ceil(any_value(sizes.day_count) / 7.0) as week_mean,
        sum(weeks.week_units * weeks.week_units) / ceil(any_value(sizes.day_count) / 7.0) as week_square
    from weeks
    inner join sizes on weeks.sku_id = sizes.sku_id
    group by weeks.sku_id
),

ranked as (
    select
        sizes.*,
        sizes.demand_units * skus.unit_price as value,
        sum(value) over (order by value desc, skus.sku_id rows between unbounded preceding and 1 preceding) as value_above,
        sum(value) over () as value_total,
        sqrt(greatest(variation.week_square - variation.week_mean * variation.week_mean, 0))
        / nullif(variation.week_mean, 0) as week_variation
    from {{ ref('stg_master__skus') }} as skus
    inner join sizes on skus.sku_id = sizes.sku_id
    left join variation on skus.sku_id = variation.sku_id
)

select
    sku_id,
    case
        when value = 0 then 'C'
        when coalesce(value_above, 0) < {{ var('abc_a_share') }} * value_total then 'A'
        when value_above < {{ var('abc_b_share') }} * value_total then 'B'
        else 'C'
    end as abc_class,
    case
        when week_variation <= {{ var('xyz_x_variation') }} then 'X'
        when week_variation <= {{ var('xyz_y_variation') }} then 'Y'
        else 'Z'
    end as xyz_class,
    case
        when demand_day_count = 0 then 'none'
        when day_count / demand_day_count < {{ var('intermittent_interval') }}
            then case when pow(std_when_asked / mean_when_asked, 2) < {{ var('lumpy_variation') }} then 'smooth' else 'erratic' end
        when pow(std_when_asked / mean_when_asked, 2) < {{ var('lumpy_variation') }} then 'intermittent'
        else 'lumpy'
    end as demand_class
from ranked
order by sku_id
