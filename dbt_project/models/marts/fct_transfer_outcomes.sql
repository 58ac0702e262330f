-- One row per transfer of the last two months on which somebody decided and that should have arrived: what was decided, and what that was worth.
with states as (
    select
        *,
        case
            when state in ('shipped', 'received', 'closed') then 'executed'
            when state in ('approved', 'issued') then 'open'
            else state
        end as decision,
        least(arrival_date + {{ var('outcome_days') }} - 1, {{ as_of_date() }}) as last_date
    from {{ ref('stg_ops__transfer_states') }}
    where order_kind = 'transfer' and arrival_date <= {{ as_of_date() }}
),

per_day as (
    select sku_id, node_id, demand_mean_units / nullif(protection_days, 0) as units_per_day
    from {{ source('plan', 'stock_targets') }}
    where as_of_date = {{ as_of_date() }}
),

lived as (  -- both ends, from the arrival on: the least that stood there, and what was asked for on days with nothing
    select
        states.transfer_id,
        ends.is_destination,
        min(greatest(facts.on_hand_units - facts.reserved_units, 0)) as least_units,
        sum(case when facts.is_stocked_out then coalesce(per_day.units_per_day, 0) else 0 end) as short_units
    from states
    cross join (values (true), (false)) as ends (is_destination)
    inner join {{ ref('fct_sku_node_daily') }} as facts
        on
            states.sku_id = facts.sku_id
            and facts.node_id = case when ends.is_destination then states.destination_node_id else states.origin_node_id end
            and facts.stock_date between states.arrival_date and states.last_date
    left join per_day
        on facts.sku_id = per_day.sku_id and facts.node_id = per_day.node_id
    group by all
),

judged as (
    select
        states.*,
        states.net_gain as estimated_net_gain,
        (skus.unit_price - skus.unit_cost)::double as margin,
        case when states.decision = 'executed' then coalesce(states.received_units, 0) else 0 end as moved_units,
        there.least_units as there_least,
        coalesce(there.short_units, 0) as there_short,
        here.least_units as here_least,
        coalesce(here.short_units, 0) as here_short
    from states
    inner join {{ ref('dim_sku') }} as skus on states.sku_id = skus.sku_id
    left join lived as there on states.transfer_id = there.transfer_id and there.is_destination
    left join lived as here on states.transfer_id = here.transfer_id and not here.is_destination
)

select
    transfer_id, as_of_date, sku_id, origin_node_id, destination_node_id, decision, actor, reason, planned_units, moved_units,
    coalesce(approved_units <> planned_units, false) as is_overridden,
    (last_date - arrival_date + 1)::bigint as window_days,
    arrival_date + {{ var('outcome_days') }} - 1 <= {{ as_of_date() }} as is_final,
    estimated_net_gain,
    greatest(moved_units - coalesce(there_least, moved_units), 0)::bigint as needed_units,
    round(
        margin * (greatest(moved_units - coalesce(there_least, moved_units), 0) - least(moved_units, here_short))
        - transfer_cost * moved_units / planned_units, 6
    ) as realised_gain,
    round(case
        when decision <> 'open'
            then
                margin * (
                    least(planned_units - least(moved_units, planned_units), there_short)
                    - greatest(planned_units - least(moved_units, planned_units) - coalesce(here_least, planned_units), 0)
                )
                - transfer_cost * (1 - least(moved_units, planned_units) / planned_units)
    end, 6) as forgone_gain
from judged
order by transfer_id
