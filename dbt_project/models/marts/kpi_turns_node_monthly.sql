-- One row per node and month: cost of goods that left, average stock at cost, turns a year, stocked-out share.
select
    facts.node_id,
    date_trunc('month', facts.stock_date)::date as month,
    sum(facts.sold_units * skus.unit_cost)::decimal(18, 4) as sold_cost,
    round((sum(greatest(facts.on_hand_units, 0) * skus.unit_cost) / count(distinct facts.stock_date))::double, 4) as average_stock_cost,
    round(
        365.0 * sum(facts.sold_units * skus.unit_cost)::double
        / nullif(sum(greatest(facts.on_hand_units, 0) * skus.unit_cost)::double, 0), 6
    ) as turns_per_year,
    round(avg(facts.is_stocked_out::int), 6) as stocked_out_share,
    sum(abs(facts.adjustment_units))::bigint as adjusted_units
from {{ ref('fct_sku_node_daily') }} as facts
inner join {{ ref('stg_master__skus') }} as skus on facts.sku_id = skus.sku_id
group by all
order by facts.node_id, month
