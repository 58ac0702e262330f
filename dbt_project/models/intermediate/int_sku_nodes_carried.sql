-- One row per SKU and node that has ever held or moved it: from its first day until some weeks after its end.
with seen as (
    select sku_id, node_id, min(stock_date) as first_date
    from {{ ref('int_stock_movements_daily') }}
    group by all
    union all
    select sku_id, node_id, min(stock_date)
    from {{ ref('int_stock_counts_daily') }}
    group by all
),

spans as (
    select sku_id, node_id, min(first_date) as first_date
    from seen
    group by all
)

select
    spans.sku_id,
    spans.node_id,
    spans.first_date,
    least(
        {{ as_of_date() }}, skus.retired_date + {{ var('days_after_end') }}, nodes.closed_date + {{ var('days_after_end') }}
    ) as last_date,
    coalesce(skus.retired_date >= {{ as_of_date() }}, true)
    and coalesce(nodes.closed_date > {{ as_of_date() }}, true)
    and coalesce(nodes.opened_date <= {{ as_of_date() }}, true) as is_active
from spans
inner join {{ ref('stg_master__skus') }} as skus on spans.sku_id = skus.sku_id
inner join {{ ref('stg_master__nodes') }} as nodes on spans.node_id = nodes.node_id
