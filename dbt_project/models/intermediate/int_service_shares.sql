-- One row per SKU, region and node that carries it and serves the region: the share of the region's demand that reaches it.
with observed as (
    select sku_id, region_id, node_id, sum(units)::bigint as units
    from (
        select sku_id, region_id, node_id, sold_units as units
        from {{ ref('stg_pos__sales') }}
        where sold_at >= {{ as_of_date() }} - interval {{ var('share_days') }} day and region_id is not null
        union all
        select sku_id, destination_region_id, origin_node_id, shipped_units
        from {{ ref('int_shipments_current') }}
        where
            kind = 'customer' and destination_region_id is not null and origin_node_id is not null
            and shipped_date > {{ as_of_date() }} - {{ var('share_days') }}
    )
    group by all
),

declared as (  -- halves with each step down in priority
    select region_id, node_id, pow(0.5, priority) as weight
    from {{ ref('stg_master__service_zones') }}
    union all
    select region_id, node_id, 0.5
    from {{ ref('stg_master__nodes') }}
    where node_type = 'store' and region_id is not null
),

region_node as (
    select
        region_id,
        node_id,
        coalesce(sum(units), 0) as units,
        coalesce(max(weight), 0) as weight
    from (
        select region_id, node_id, units, 0 as weight from observed
        union all
        select region_id, node_id, 0, weight from declared
    )
    group by all
),

expected as (
    select
        region_id,
        node_id,
        (units + {{ var('share_prior_units') }} * weight / nullif(sum(weight) over (partition by region_id), 0))
        / (sum(units) over (partition by region_id) + {{ var('share_prior_units') }}) as share
    from region_node
),

carried as (
    select sku_id, node_id from {{ ref('int_sku_nodes_carried') }}
    where is_active
),

shrunk as (
    select
        carried.sku_id,
        expected.region_id,
        expected.node_id,
        coalesce(observed.units, 0) + {{ var('share_prior_units') }} * expected.share as weight
    from carried
    inner join expected on carried.node_id = expected.node_id
    left join observed
        on
            carried.sku_id = observed.sku_id and expected.region_id = observed.region_id
            and expected.node_id = observed.node_id
)

select
    sku_id,
    region_id,
    node_id,
    round(weight / sum(weight) over (partition by sku_id, region_id), 9) as demand_share
from shrunk
where weight > 0
qualify demand_share >= 0.001
order by sku_id, region_id, node_id
