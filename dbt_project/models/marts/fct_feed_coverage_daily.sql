-- One row per feed, node (empty: the whole feed) and business day: complete, unverified, partial, missing or closed.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('coverage_date') }}") }}

select
    feed,
    node_id,
    coverage_date,
    lines as line_count,
    status
from {{ ref('int_feed_coverage_daily') }}
where coverage_date >= {{ changed_from() }}
order by feed, node_id, coverage_date
