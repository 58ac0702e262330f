-- One row per SKU, node and business day it is carried: what came, what went, what is there, and what nobody can explain.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('stock_date') }}") }}

with carried as (
    select * from {{ ref('int_sku_nodes_carried') }}
),

opened as (  -- the evening before the window is a count like any other
    select *, false as is_before_window from {{ ref('int_stock_days_joined') }}
    {% if is_incremental() %}
        union all
        select
            carried.pair_number, before.stock_date, 0, 0, 0, 0, 0, 0, before.on_hand_units, before.reserved_units, null, true
        from {{ this }} as before
        inner join carried on before.sku_id = carried.sku_id and before.node_id = carried.node_id
        where before.stock_date = {{ changed_from() }} - 1
    {% endif %}
),

flowed as (
    select
        *,
        (sum(received_units + returned_units + transferred_in_units - sold_units - transferred_out_units) over so_far)::bigint as flow_units,
        coalesce(last_value(counted_reserved_units ignore nulls) over so_far, 0) as reserved_units
    from opened
    window so_far as (partition by pair_number order by stock_date rows unbounded preceding)
),

rolled as (
    select
        *,
        flow_units + last_value(counted_units - flow_units ignore nulls) over so_far as on_hand_units,
        flow_units + last_value(counted_units - flow_units ignore nulls) over before_today as expected_units
    from flowed
    window
        so_far as (partition by pair_number order by stock_date rows unbounded preceding),
        before_today as (partition by pair_number order by stock_date rows between unbounded preceding and 1 preceding)
)

select
    carried.sku_id,
    carried.node_id,
    rolled.stock_date,
    rolled.sold_units::bigint as sold_units,
    rolled.received_units::bigint as received_units,
    rolled.returned_units::bigint as returned_units,
    rolled.transferred_in_units::bigint as transferred_in_units,
    rolled.transferred_out_units::bigint as transferred_out_units,
    coalesce(rolled.on_hand_units - rolled.expected_units, 0)::bigint as adjustment_units,
    rolled.on_hand_units::bigint as on_hand_units,
    rolled.reserved_units::bigint as reserved_units,
    rolled.in_transit_units::bigint as in_transit_units,
    coalesce(rolled.on_hand_units - rolled.reserved_units <= 0, false) or coalesce(rolled.stockout_share > 0, false) as is_stocked_out,
    rolled.stockout_share
from rolled
inner join carried on rolled.pair_number = carried.pair_number
where not rolled.is_before_window
order by rolled.stock_date, rolled.pair_number
