-- One row per node: what is available against what is expected to be asked for, at the end of the day of the plan.
with supply as (
    select
        targets.node_id,
        targets.sku_id,
        greatest(stock.on_hand_units - stock.reserved_units, 0) as available_units,
        targets.demand_mean_units / nullif(targets.protection_days, 0) as demand_units_per_day,
        greatest(stock.on_hand_units - stock.reserved_units, 0) < targets.safety_stock_units as is_below_safety_stock,
        skus.unit_cost
    from {{ source('plan', 'stock_targets') }} as targets
    inner join {{ ref('fct_sku_node_daily') }} as stock
        on
            targets.sku_id = stock.sku_id and targets.node_id = stock.node_id
            and stock.stock_date = {{ as_of_date() }}
    inner join {{ ref('stg_master__skus') }} as skus on targets.sku_id = skus.sku_id
    where targets.as_of_date = {{ as_of_date() }}
)

select
    node_id,
    {{ as_of_date() }} as as_of_date,
    count(*)::bigint as sku_count,
    sum(available_units)::bigint as available_units,
    sum(available_units * unit_cost)::decimal(18, 4) as available_cost,
    round(sum(available_units * unit_cost)::double / nullif(sum(demand_units_per_day * unit_cost), 0), 4) as days_of_supply,
    round(avg((available_units = 0)::int), 6) as stocked_out_share,
    round(avg(is_below_safety_stock::int), 6) as below_safety_stock_share
from supply
group by node_id
order by node_id
