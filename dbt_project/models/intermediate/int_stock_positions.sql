-- One row per SKU and node that carries it, at the end of the day of the plan: what is there, what is coming, what governs it.
with carried as (
    select sku_id, node_id from {{ ref('int_sku_nodes_carried') }}
    where is_active
),

today as (
    select * from {{ ref('fct_sku_node_daily') }}
    where stock_date = {{ as_of_date() }}
),

lead as (  -- the cheapest open lane from the parent, else the supplier
    select
        nodes.node_id,
        lanes.lead_time_days,
        lanes.lead_time_std_days
    from {{ ref('stg_master__nodes') }} as nodes
    inner join {{ ref('stg_master__lanes') }} as lanes
        on nodes.replenished_from_node_id = lanes.origin_node_id and nodes.node_id = lanes.destination_node_id
    where lanes.is_open
    qualify row_number() over (partition by nodes.node_id order by lanes.cost_per_unit, lanes.lead_time_days, lanes.mode) = 1
)

select
    carried.sku_id,
    carried.node_id,
    greatest(coalesce(today.on_hand_units, 0), 0) as on_hand_units,
    today.on_hand_units is null as is_stock_unknown,
    greatest(coalesce(today.reserved_units, 0), coalesce(reserved.reserved_units, 0))
    + coalesce(committed.promised_units, 0) as reserved_units,
    coalesce(committed.inbound_units, 0) as inbound_units,
    skus.unit_cost,
    skus.unit_price,
    skus.weight_kg,
    skus.case_pack_units,
    skus.abc_class,
    skus.is_bulky,
    nodes.node_type,
    nodes.holding_cost_rate_per_year,
    nodes.handling_cost_per_unit,
    skus.volume_m3,
    nodes.capacity_m3,
    nodes.inbound_units_per_day,
    nodes.outbound_units_per_day,
    committed.transferred_in_days,
    committed.transferred_out_days,
    case when skus.retired_date is not null then greatest(skus.retired_date - {{ as_of_date() }}, 0) end as remaining_season_days,
    skus.is_pilot and nodes.is_pilot as is_pilot,
    coalesce(ruled.presentation_units, 0) as presentation_units,
    ruled.* exclude (sku_id, node_id, presentation_units),
    skus.supplier_lead_time_days,
    skus.supplier_lead_time_std_days,
    coalesce(lead.lead_time_days, skus.supplier_lead_time_days) as lead_time_days,
    coalesce(lead.lead_time_std_days, skus.supplier_lead_time_std_days) as lead_time_std_days,
    case when lead.node_id is not null then nodes.replenished_from_node_id end as replenished_from_node_id
from carried
inner join {{ ref('dim_sku') }} as skus on carried.sku_id = skus.sku_id
inner join {{ ref('dim_node') }} as nodes on carried.node_id = nodes.node_id
left join today on carried.sku_id = today.sku_id and carried.node_id = today.node_id
left join {{ ref('int_stock_committed') }} as committed on carried.sku_id = committed.sku_id and carried.node_id = committed.node_id
left join {{ ref('stg_ops__reserved_units') }} as reserved on carried.sku_id = reserved.sku_id and carried.node_id = reserved.node_id
left join {{ ref('int_policies_resolved') }} as ruled on carried.sku_id = ruled.sku_id and carried.node_id = ruled.node_id
left join lead on carried.node_id = lead.node_id
order by carried.sku_id, carried.node_id
