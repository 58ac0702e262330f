-- One row per SKU and node that has ever held or moved it: the first business day. Days before the window cannot change, so it looks no further back.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('first_date') }}") }}

with seen as (
    select sku_id, node_id, min(stock_date) as first_date
    from {{ ref('int_stock_movements_daily') }}
    where stock_date >= {{ changed_from() }}
    group by all
    union all
    select sku_id, node_id, min(stock_date)
    from {{ ref('int_stock_counts_daily') }}
    where stock_date >= {{ changed_from() }}
    group by all
)

select sku_id, node_id, min(first_date) as first_date
from seen
{% if is_incremental() %} anti join {{ this }} as known using (sku_id, node_id) {% endif %}
group by all
order by first_date, sku_id, node_id
