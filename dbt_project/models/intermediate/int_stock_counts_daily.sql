-- One row per SKU, node and business day on which the stock was counted: the last count of the day.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('stock_date') }}") }}

select
    sku_id,
    node_id,
    business_date as stock_date,
    arg_max(on_hand_units, snapshot_at) as counted_units,
    arg_max(coalesce(reserved_units, 0), snapshot_at) as reserved_units,
    max(stockout_share) as stockout_share
from {{ ref('stg_wms__inventory_snapshots') }}
where {{ in_window('snapshot_at', 'business_date') }}
group by all
order by stock_date, sku_id, node_id
