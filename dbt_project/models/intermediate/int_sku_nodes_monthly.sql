-- One row per SKU, node and month of the stock facts: unit days and flows, so that KPIs are priced without reading every day again.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_months('month') }}") }}

select
    sku_id,
    node_id,
    date_trunc('month', stock_date)::date as month,
    count(*)::bigint as day_count,
    sum(greatest(on_hand_units, 0))::bigint as on_hand_unit_days,
    sum(sold_units)::bigint as sold_units,
    sum(abs(adjustment_units))::bigint as adjusted_units,
    count(*) filter (where is_stocked_out)::bigint as stocked_out_day_count
from {{ ref('fct_sku_node_daily') }}
where stock_date >= date_trunc('month', {{ changed_from() }})
group by all
order by month, sku_id, node_id
