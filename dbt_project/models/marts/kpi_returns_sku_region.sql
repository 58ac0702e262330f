-- One row per SKU and region that asked in the last half year: how much came back, how late, in what state, and what is still on its way back.
-- Units on their way back are expected ones: what was sold lately times the return rate (shrunk to the category's), less the share of
-- returns that has come by that age. They stand at no node: nobody may promise them.
with sold as (
    select
        sku_id, region_id, demand_date,
        pos_units + ecom_units - cancelled_units as sold_units
    from {{ ref('int_demand_events_daily') }}
    where demand_date > {{ as_of_date() }} - {{ var('class_days') }}
),

returned as (
    select * from {{ ref('fct_returns') }}
    where returned_date > {{ as_of_date() }} - {{ var('class_days') }} and region_id is not null
),

lags as (  -- of all returns that name their order: the share that has come by an age
    select
        return_lag_days,
        (sum(units) over (order by return_lag_days) / sum(units) over ())::decimal(9, 6) as arrived_share
    from (
        select greatest(return_lag_days, 0) as return_lag_days, sum(returned_units) as units
        from returned
        where return_lag_days is not null
        group by all
    )
),

by_pair as (
    select
        sold.sku_id,
        sold.region_id,
        skus.category,
        sum(sold.sold_units)::bigint as sold_units,
        coalesce(any_value(back.returned_units), 0)::bigint as returned_units,
        any_value(back.return_lag_days) as return_lag_days,
        any_value(back.saleable_units) as saleable_units,
        any_value(back.refurbish_units) as refurbish_units,
        any_value(back.scrap_units) as scrap_units,
        sum(sold.sold_units * (1 - coalesce(lags.arrived_share, 0))) filter (
            where {{ as_of_date() }} - sold.demand_date < (select max(longest.return_lag_days) from lags as longest)
        ) as open_units
    from sold
    inner join {{ ref('stg_master__skus') }} as skus on sold.sku_id = skus.sku_id
    asof left join lags on {{ as_of_date() }} - sold.demand_date >= lags.return_lag_days
    left join (
        select
            sku_id, region_id, sum(returned_units) as returned_units,
            sum(return_lag_days * returned_units) / sum(returned_units) filter (where return_lag_days is not null) as return_lag_days,
            sum(returned_units) filter (where condition = 'saleable') as saleable_units,
            sum(returned_units) filter (where condition = 'refurbish') as refurbish_units,
            sum(returned_units) filter (where condition = 'scrap') as scrap_units
        from returned
        group by all
    ) as back on sold.sku_id = back.sku_id and sold.region_id = back.region_id
    group by sold.sku_id, sold.region_id, skus.category
),

rated as (
    select
        *,
        (returned_units + {{ var('share_prior_units') }} * coalesce(
            sum(returned_units) over (partition by category) / nullif(sum(sold_units) over (partition by category), 0), 0
        )) / (sold_units + {{ var('share_prior_units') }}) as return_rate
    from by_pair
)

select
    sku_id,
    region_id,
    sold_units,
    returned_units,
    round(return_rate, 6) as return_rate,
    round(return_lag_days, 4) as return_lag_days,
    coalesce(saleable_units, 0)::bigint as saleable_units,
    coalesce(refurbish_units, 0)::bigint as refurbish_units,
    coalesce(scrap_units, 0)::bigint as scrap_units,
    round(coalesce(open_units, 0) * return_rate, 4) as expected_return_units
from rated
order by sku_id, region_id
