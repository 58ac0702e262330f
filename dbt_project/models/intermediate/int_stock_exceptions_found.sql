-- One row per SKU, node and thing that is wrong with its stock: unexplained, below nothing, or sold out while it is asked for.
with recent as (
    select
        facts.*,
        skus.unit_cost,
        skus.unit_price
    from {{ ref('fct_sku_node_daily') }} as facts
    inner join {{ ref('stg_master__skus') }} as skus on facts.sku_id = skus.sku_id
    where facts.stock_date > {{ as_of_date() }} - 28
),

summed as (
    select
        sku_id,
        node_id,
        any_value(unit_cost) as unit_cost,
        any_value(unit_price) as unit_price,
        sum(adjustment_units) filter (where stock_date > {{ as_of_date() }} - 7)::bigint as adjustment_units,
        sum(abs(adjustment_units)) filter (where stock_date > {{ as_of_date() }} - 7)::bigint as unexplained_units,
        arg_max(on_hand_units, stock_date) as on_hand_units,
        arg_max(is_stocked_out, stock_date) as is_stocked_out,
        sum(sold_units)::bigint as sold_units
    from recent
    group by all
)

select
    'unexplained_stock' as exception_code,
    sku_id,
    node_id,
    adjustment_units as at_stake_units,
    unexplained_units * unit_cost as at_stake_cost,
    'counts of the last 7 days differ from the movements by ' || unexplained_units || ' units' as what,
    'count again, and look for movements that nobody delivered' as remedy
from summed
where unexplained_units > 0
union all
select
    'stock_below_zero',
    sku_id,
    node_id,
    on_hand_units,
    -on_hand_units * unit_cost,
    'movements leave ' || on_hand_units || ' units',
    'count the stock, or deliver the receipts that are missing'
from summed
where on_hand_units < 0
union all
select
    'stocked_out',
    sku_id,
    node_id,
    round(sold_units / 28.0, 0)::bigint,
    greatest(round(sold_units / 28.0, 4), 0)::decimal(18, 4) * (unit_price - unit_cost),
    'sold out; it sells ' || round(sold_units / 28.0, 1) || ' units a day',
    'see plan.transfers and plan.replenishments'
from summed
where is_stocked_out and sold_units > 0
