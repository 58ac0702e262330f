-- One row per SKU and node that has ever held or moved it: from its first day until some weeks after its end.
select
    seen.sku_id,
    seen.node_id,
    (row_number() over (order by seen.sku_id, seen.node_id))::int as pair_number,  -- stands for the pair in large joins of one run
    seen.first_date,
    least(
        {{ as_of_date() }}, skus.retired_date + {{ var('days_after_end') }}, nodes.closed_date + {{ var('days_after_end') }}
    ) as last_date,
    coalesce(skus.retired_date >= {{ as_of_date() }}, true)
    and coalesce(nodes.closed_date > {{ as_of_date() }}, true)
    and coalesce(nodes.opened_date <= {{ as_of_date() }}, true) as is_active
from {{ ref('int_sku_nodes_first_seen') }} as seen
inner join {{ ref('stg_master__skus') }} as skus on seen.sku_id = skus.sku_id
inner join {{ ref('stg_master__nodes') }} as nodes on seen.node_id = nodes.node_id
