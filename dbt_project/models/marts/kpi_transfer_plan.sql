-- One row per day of the plan and reason: how many lines, what they cost, what they are expected to gain.
select
    as_of_date,
    reason_code,
    count(*)::bigint as line_count,
    sum(transfer_units)::bigint as transfer_units,
    round(sum(transfer_cost::decimal(38, 6))::double, 4) as transfer_cost,
    round(sum(expected_gain::decimal(38, 6))::double, 4) as expected_gain,
    round(sum(net_gain::decimal(38, 6))::double, 4) as net_gain
from {{ source('plan', 'transfers') }}
where as_of_date = {{ as_of_date() }}
group by all
order by reason_code
