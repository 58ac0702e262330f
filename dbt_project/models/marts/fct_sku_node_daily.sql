-- One row per SKU, node and business day it is carried: what came, what went, what is there, and what nobody can explain.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('stock_date') }}") }}

with opened as (  -- the evening before the window is a count like any other
    select *, false as is_before_window from {{ ref('int_stock_days_joined') }}
    {% if is_incremental() %}
        union all
        select
            sku_id, node_id, stock_date, 0, 0, 0, 0, 0, 0, on_hand_units, reserved_units, true
        from {{ this }}
        where stock_date = {{ changed_from() }} - 1
    {% endif %}
),

flowed as (
    select
        *,
        received_units + returned_units + transferred_in_units - sold_units - transferred_out_units as net_units,
        sum(received_units + returned_units + transferred_in_units - sold_units - transferred_out_units) over days as flow_units
    from opened
    window days as (partition by sku_id, node_id order by stock_date)
),

rolled as (
    select
        *,
        flow_units + last_value(counted_units - flow_units ignore nulls) over so_far as on_hand_units,
        flow_units + last_value(counted_units - flow_units ignore nulls) over before_today as expected_units,
        coalesce(last_value(counted_reserved_units ignore nulls) over so_far, 0) as reserved_units
    from flowed
    window
        so_far as (partition by sku_id, node_id order by stock_date),
        before_today as (partition by sku_id, node_id order by stock_date rows between unbounded preceding and 1 preceding)
)

select
    sku_id,
    node_id,
    stock_date,
    sold_units::bigint as sold_units,
    received_units::bigint as received_units,
    returned_units::bigint as returned_units,
    transferred_in_units::bigint as transferred_in_units,
    transferred_out_units::bigint as transferred_out_units,
    coalesce(on_hand_units - expected_units, 0)::bigint as adjustment_units,
    on_hand_units::bigint as on_hand_units,
    reserved_units::bigint as reserved_units,
    in_transit_units::bigint as in_transit_units,
    coalesce(on_hand_units - reserved_units <= 0, false) as is_stocked_out
from rolled
where not is_before_window
order by stock_date, sku_id, node_id
