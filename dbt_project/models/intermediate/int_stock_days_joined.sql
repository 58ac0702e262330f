-- One row per SKU, node (as one pair number) and business day of the window it is carried: what came, what went, what was counted.
{{ config(materialized='view') }}

with carried as (
    select * from {{ ref('int_sku_nodes_carried') }}
),

moves as (
    select carried.pair_number, carried.last_date, moved.*
    from {{ ref('int_stock_movements_daily') }} as moved
    inner join carried on moved.sku_id = carried.sku_id and moved.node_id = carried.node_id
    where moved.stock_date >= {{ changed_from() }}
),

counts as (
    select carried.pair_number, carried.last_date, counted.*
    from {{ ref('int_stock_counts_daily') }} as counted
    inner join carried on counted.sku_id = carried.sku_id and counted.node_id = carried.node_id
    where counted.stock_date >= {{ changed_from() }}
),

transit as (
    select carried.pair_number, under_way.stock_date, under_way.in_transit_units
    from {{ ref('int_transit_daily') }} as under_way
    inner join carried on under_way.sku_id = carried.sku_id and under_way.node_id = carried.node_id
    where under_way.stock_date >= {{ changed_from() }}
),

spine as (
    select
        pair_number,
        unnest(generate_series(greatest(first_date, {{ changed_from() }}), last_date, interval 1 day))::date as stock_date
    from carried
    where last_date >= {{ changed_from() }}
    union all
    (  -- what still moves or is counted after its end
        select pair_number, stock_date from moves
        where stock_date > last_date
        union
        select pair_number, stock_date from counts
        where stock_date > last_date
    )
)

select
    spine.pair_number,
    spine.stock_date,
    coalesce(moves.sold_units, 0) as sold_units,
    coalesce(moves.received_units, 0) as received_units,
    coalesce(moves.returned_units, 0) as returned_units,
    coalesce(moves.transferred_in_units, 0) as transferred_in_units,
    coalesce(moves.transferred_out_units, 0) as transferred_out_units,
    coalesce(transit.in_transit_units, 0) as in_transit_units,
    counts.counted_units,
    counts.reserved_units as counted_reserved_units,
    counts.stockout_share
from spine
left join moves on spine.pair_number = moves.pair_number and spine.stock_date = moves.stock_date
left join counts on spine.pair_number = counts.pair_number and spine.stock_date = counts.stock_date
left join transit on spine.pair_number = transit.pair_number and spine.stock_date = transit.stock_date
