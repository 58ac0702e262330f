-- One row per SKU and region that ever asked for it: the first business day. Days before the window cannot change, so it looks no further back.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('first_date') }}") }}

select sku_id, region_id, min(demand_date) as first_date
from {{ ref('int_demand_events_daily') }}
{% if is_incremental() %} anti join {{ this }} as known using (sku_id, region_id) {% endif %}
where demand_date >= {{ changed_from() }}
group by all
order by first_date, sku_id, region_id
