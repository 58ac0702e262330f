-- Closing stock = opening stock + receipts + returns + transfers in - sales - transfers out + adjustment, every day of the window.
{{ config(meta={'dagster': {'ref': {'name': 'fct_sku_node_daily'}}}) }}
with days as (
    select
        *,
        lag(on_hand_units) over (partition by sku_id, node_id order by stock_date) as opening_units,
        lag(stock_date) over (partition by sku_id, node_id order by stock_date) as opening_date
    from {{ ref('fct_sku_node_daily') }}
    where stock_date >= {{ changed_from() }} - 1
)

select *
from days
where
    opening_date = stock_date - 1
    and opening_units is not null
    and on_hand_units
    <> opening_units + received_units + returned_units + transferred_in_units
    - sold_units - transferred_out_units + adjustment_units
