-- One row per feed, node and day that did not come whole in the last week, and per reason for which lines are held; nobody knows what they cost.
select
    'delivery_' || status as exception_code,
    null::varchar as sku_id,
    nullif(node_id, '') as node_id,
    null::bigint as at_stake_units,
    null::decimal(18, 4) as at_stake_cost,
    feed || ' of ' || coverage_date || ' is ' || status as what,
    'deliver the day again, whole' as remedy
from {{ ref('int_feed_coverage_daily') }}
where status in ('missing', 'partial') and coverage_date > {{ as_of_date() }} - 7
union all
select
    'lines_held',
    null,
    null,
    null,
    null,
    count(*) || ' lines of ' || feed || ' wait: ' || reason || ', first ' || min(delivered),
    'deliver the master row they name (see ops.quarantine)'
from {{ ref('int_held_lines') }}
group by feed, reason
