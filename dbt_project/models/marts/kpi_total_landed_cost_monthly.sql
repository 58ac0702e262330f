-- One row per month: carrying + transfer + final mile cost of what was sold, lost margin of cancelled units apart.
with carrying as (
    select
        facts.month,
        sum(facts.on_hand_unit_days * skus.unit_cost * nodes.holding_cost_rate_per_year / 365) as carrying_cost,
        sum(facts.sold_units)::bigint as sold_units
    from {{ ref('int_sku_nodes_monthly') }} as facts
    inner join {{ ref('stg_master__skus') }} as skus on facts.sku_id = skus.sku_id
    inner join {{ ref('stg_master__nodes') }} as nodes on facts.node_id = nodes.node_id
    group by all
),

freight as (
    select
        date_trunc('month', shipped_date)::date as month,
        sum(freight_cost) filter (where kind = 'transfer') as transfer_cost,
        sum(freight_cost) filter (where kind = 'customer') as final_mile_cost
    from {{ ref('int_shipments_current') }}
    group by all
),

lost as (
    select
        date_trunc('month', events.demand_date)::date as month,
        sum(events.cancelled_units * (skus.unit_price - skus.unit_cost)) as lost_margin
    from {{ ref('int_demand_events_daily') }} as events
    inner join {{ ref('stg_master__skus') }} as skus on events.sku_id = skus.sku_id
    group by all
)

select
    carrying.month,
    carrying.sold_units,
    round(carrying.carrying_cost::double, 4) as carrying_cost,
    coalesce(freight.transfer_cost, 0)::decimal(18, 4) as transfer_cost,
    coalesce(freight.final_mile_cost, 0)::decimal(18, 4) as final_mile_cost,
    round(
        carrying.carrying_cost::double + coalesce(freight.transfer_cost, 0)::double + coalesce(freight.final_mile_cost, 0)::double, 4
    ) as total_landed_cost,
    round(
        (carrying.carrying_cost::double + coalesce(freight.transfer_cost, 0)::double + coalesce(freight.final_mile_cost, 0)::double)
        / nullif(carrying.sold_units, 0), 6
    ) as total_landed_cost_per_unit,
    coalesce(lost.lost_margin, 0)::decimal(18, 4) as lost_margin
from carrying
left join freight using (month)
left join lost using (month)
order by carrying.month
