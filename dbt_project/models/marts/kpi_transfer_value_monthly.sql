-- One row per month of planning and decision: what transfers promised, what they were worth, and how much of them was not needed.
select
    date_trunc('month', as_of_date)::date as month,
    decision,
    count(*)::bigint as line_count,
    count(*) filter (where is_final)::bigint as final_count,
    sum(planned_units)::bigint as planned_units,
    sum(moved_units)::bigint as moved_units,
    round(sum(estimated_net_gain::decimal(38, 6))::double, 4) as estimated_net_gain,
    round(sum(realised_gain::decimal(38, 6))::double, 4) as realised_gain,
    round(sum(forgone_gain::decimal(38, 6))::double, 4) as forgone_gain,
    round(sum(moved_units - needed_units) filter (where is_final) / nullif(sum(moved_units) filter (where is_final), 0), 6) as regret_share
from {{ ref('fct_transfer_outcomes') }}
group by all
order by month, decision
