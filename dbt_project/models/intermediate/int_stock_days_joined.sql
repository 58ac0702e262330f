-- One row per SKU, node and business day of the window it is carried: what came, what went, what was counted.
{{ config(materialized='view') }}

with spine as (
    select
        sku_id,
        node_id,
        unnest(generate_series(greatest(first_date, {{ changed_from() }}), last_date, interval 1 day))::date as stock_date
    from {{ ref('int_sku_nodes_carried') }}
    where last_date >= {{ changed_from() }}
    union
    select sku_id, node_id, stock_date from {{ ref('int_stock_movements_daily') }}
    where stock_date >= {{ changed_from() }}
    union
    select sku_id, node_id, stock_date from {{ ref('int_stock_counts_daily') }}
    where stock_date >= {{ changed_from() }}
)

select
    spine.*,
    coalesce(moves.sold_units, 0) as sold_units,
    coalesce(moves.received_units, 0) as received_units,
    coalesce(moves.returned_units, 0) as returned_units,
    coalesce(moves.transferred_in_units, 0) as transferred_in_units,
    coalesce(moves.transferred_out_units, 0) as transferred_out_units,
    coalesce(transit.in_transit_units, 0) as in_transit_units,
    counts.counted_units,
    counts.reserved_units as counted_reserved_units
from spine
left join {{ ref('int_stock_movements_daily') }} as moves
    on
        spine.sku_id = moves.sku_id and spine.node_id = moves.node_id and spine.stock_date = moves.stock_date
        and moves.stock_date >= {{ changed_from() }}
left join {{ ref('int_stock_counts_daily') }} as counts
    on
        spine.sku_id = counts.sku_id and spine.node_id = counts.node_id and spine.stock_date = counts.stock_date
        and counts.stock_date >= {{ changed_from() }}
left join {{ ref('int_transit_daily') }} as transit
    on
        spine.sku_id = transit.sku_id and spine.node_id = transit.node_id and spine.stock_date = transit.stock_date
        and transit.stock_date >= {{ changed_from() }}
