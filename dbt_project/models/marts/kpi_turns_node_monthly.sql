-- One row per node and month: cost of goods that left, average stock at cost, turns a year, stocked-out share.
with days as (
    select
        node_id,
        month,
        max(day_count) as day_count
    from {{ ref('int_sku_nodes_monthly') }}
    group by all
)

select
    facts.node_id,
    facts.month,
    sum(facts.sold_units * skus.unit_cost)::decimal(18, 4) as sold_cost,
    round((sum(facts.on_hand_unit_days * skus.unit_cost) / any_value(days.day_count))::double, 4) as average_stock_cost,
    round(
        365.0 * sum(facts.sold_units * skus.unit_cost)::double
        / nullif(sum(facts.on_hand_unit_days * skus.unit_cost)::double, 0), 6
    ) as turns_per_year,
    round(sum(facts.stocked_out_day_count) / sum(facts.day_count), 6) as stocked_out_share,
    sum(facts.adjusted_units)::bigint as adjusted_units
from {{ ref('int_sku_nodes_monthly') }} as facts
inner join days on facts.node_id = days.node_id and facts.month = days.month
inner join {{ ref('stg_master__skus') }} as skus on facts.sku_id = skus.sku_id
group by facts.node_id, facts.month
order by facts.node_id, facts.month
