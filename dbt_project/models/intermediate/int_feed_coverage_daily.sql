-- One row per feed, node (empty: the whole feed) and business day since the node's first delivery: complete, unverified (nobody vouches
-- for the file), partial, missing or closed.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('coverage_date') }}") }}

with by_file as (
    select 'pos_sales' as feed, node_id, business_date as coverage_date, ledger_sequence, count(*) as lines
    from {{ ref('stg_pos__sales') }}
    where sold_at >= {{ changed_from() }} - interval 30 day
    group by all
    union all
    select 'ecom_orders', '', business_date, ledger_sequence, count(*)
    from {{ ref('int_orders_current') }}
    where ordered_at >= {{ changed_from() }} - interval 30 day
    group by all
),

lines as (
    select feed, node_id, coverage_date, sum(lines)::bigint as lines, bool_and(files.is_verified) as is_verified
    from by_file
    inner join {{ ref('stg_ops__delivered_files') }} as files using (feed, ledger_sequence)
    group by all
),

first_seen as (
    select feed, node_id, min(coverage_date) as first_date
    from (
        select feed, node_id, coverage_date from lines
        {% if is_incremental() %}
            union all
            select feed, node_id, coverage_date from {{ this }}
            where status in ('complete', 'unverified', 'partial')
        {% endif %}
    )
    group by all
),

days as (
    select
        feed,
        node_id,
        unnest(generate_series(
            greatest(first_date, {{ changed_from() }} - interval 28 day), {{ as_of_date() }}, interval 1 day
        ))::date as coverage_date
    from first_seen
),

measured as (
    select
        days.feed,
        days.node_id,
        days.coverage_date,
        coalesce(lines.lines, 0) as lines,
        lines.is_verified,
        median(lines.lines) over (
            partition by days.feed, days.node_id order by days.coverage_date
            range between interval 28 day preceding and interval 1 day preceding
        ) as usual_lines
    from days
    left join lines using (feed, node_id, coverage_date)
)

select
    measured.feed,
    measured.node_id,
    measured.coverage_date,
    measured.lines,
    case
        when measured.lines = 0 and contains(
            coalesce(nodes.closed_weekdays, ''), lower(left(dayname(measured.coverage_date), 3))
        ) then 'closed'
        when measured.lines = 0 then 'missing'
        when measured.lines < {{ var('partial_share') }} * measured.usual_lines and measured.usual_lines >= 20 then 'partial'
        when measured.is_verified then 'complete'
        else 'unverified'
    end as status
from measured
left join {{ ref('stg_master__nodes') }} as nodes on measured.node_id = nodes.node_id
where measured.coverage_date >= {{ changed_from() }}
order by feed, node_id, coverage_date
