-- One row per SKU and node that carries it: for each limit the most specific policy that sets it.
with carried as (
    select sku_id, node_id from {{ ref('int_sku_nodes_carried') }}
    where is_active
)

select
    carried.sku_id,
    carried.node_id,
    arg_min(rules.cycle_service_level, rules.rank) filter (where rules.cycle_service_level is not null) as cycle_service_level,
    arg_min(rules.review_period_days, rules.rank) filter (where rules.review_period_days is not null) as review_period_days,
    arg_min(rules.penalty_cost_per_unit, rules.rank) filter (where rules.penalty_cost_per_unit is not null) as penalty_cost_per_unit,
    arg_min(rules.min_units, rules.rank) filter (where rules.min_units is not null) as min_units,
    arg_min(rules.max_units, rules.rank) filter (where rules.max_units is not null) as max_units
from carried
inner join {{ ref('dim_sku') }} as skus on carried.sku_id = skus.sku_id
inner join (
    select
        *,
        (sku_id is null)::int * 4 + (node_id is null)::int * 2 + (abc_class is null)::int as rank
    from {{ ref('stg_master__policies') }}
) as rules
    on
        coalesce(rules.sku_id = carried.sku_id, true)
        and coalesce(rules.node_id = carried.node_id, true)
        and coalesce(rules.abc_class = skus.abc_class, true)
group by all
