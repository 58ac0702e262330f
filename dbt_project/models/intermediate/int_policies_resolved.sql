-- One row per SKU and node that carries it: each limit by the rule of lowest priority that sets it, then by the most specific one.
with carried as (
    select sku_id, node_id from {{ ref('int_sku_nodes_carried') }}
    where is_active
),

ranked as (
    select
        *,
        coalesce(priority, 1001) * 64
        + (sku_id is null)::int * 32 + (node_id is null)::int * 16 + (demand_class is null)::int * 8
        + (xyz_class is null)::int * 4 + (abc_class is null)::int * 2 + (node_type is null)::int as rank,
        struct_pack(  -- method, level and fill rate of one rule belong together
            method := target_method, level := cycle_service_level, fill := fill_rate_target, reason := reason
        ) as service,
        coalesce(target_method is not null or cycle_service_level is not null or fill_rate_target is not null, false) as sets_service
    from {{ ref('stg_master__policies') }}
),

resolved as (
    select
        carried.sku_id,
        carried.node_id,
        arg_min(rules.service, rules.rank) filter (where rules.sets_service) as service,
        arg_min(rules.review_period_days, rules.rank) filter (where rules.review_period_days is not null) as review_period_days,
        arg_min(rules.penalty_cost_per_unit, rules.rank) filter (where rules.penalty_cost_per_unit is not null) as penalty_cost_per_unit,
        arg_min(rules.min_units, rules.rank) filter (where rules.min_units is not null) as min_units,
        arg_min(rules.max_units, rules.rank) filter (where rules.max_units is not null) as max_units,
        arg_min(rules.min_days, rules.rank) filter (where rules.min_days is not null) as min_days,
        arg_min(rules.max_days, rules.rank) filter (where rules.max_days is not null) as max_days,
        arg_min(rules.presentation_units, rules.rank) filter (where rules.presentation_units is not null) as presentation_units,
        arg_min(rules.most_service_days, rules.rank) filter (where rules.most_service_days is not null) as most_service_days
    from carried
    inner join {{ ref('dim_sku') }} as skus on carried.sku_id = skus.sku_id
    inner join {{ ref('stg_master__nodes') }} as nodes on carried.node_id = nodes.node_id
    inner join ranked as rules
        on
            coalesce(rules.sku_id = carried.sku_id, true)
            and coalesce(rules.node_id = carried.node_id, true)
            and coalesce(rules.abc_class = skus.abc_class, true)
            and coalesce(rules.xyz_class = skus.xyz_class, true)
            and coalesce(rules.demand_class = skus.demand_class, true)
            and coalesce(rules.node_type = nodes.node_type, true)
    group by all
)

select
    * exclude (service),
    service.level as cycle_service_level,
    service.fill as fill_rate_target,
    coalesce(service.method, case when service.level is null and service.fill is not null then 'fill rate' end) as target_method,
    service.reason
from resolved
