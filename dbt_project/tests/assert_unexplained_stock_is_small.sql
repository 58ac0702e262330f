-- What counts of the last week say beyond the movements stays a small share of the stock that was there and went.
{{ config(meta={'dagster': {'ref': {'name': 'fct_sku_node_daily'}}}) }}
with week as (
    select
        sum(abs(adjustment_units)) as unexplained_units,
        sum(greatest(on_hand_units, 0)) filter (where stock_date = {{ as_of_date() }}) + sum(sold_units) as handled_units
    from {{ ref('fct_sku_node_daily') }}
    where stock_date > {{ as_of_date() }} - 7
)

select *
from week
where unexplained_units > {{ var('max_unexplained_share') }} * handled_units
