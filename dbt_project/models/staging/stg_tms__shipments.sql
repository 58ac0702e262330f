-- One row per version of a shipment line that the day knew.
with source as (
    select * from {{ source('raw', 'shipments') }}
    where coalesce(updated_at, shipped_at) < {{ as_of_date() }} + interval 2 day
),

nodes as (
    select * from {{ ref('stg_master__nodes') }}
),

placed as (
    select
        source.*,
        coalesce(origins.time_zone, destinations.time_zone, {{ default_time_zone() }}) as shipped_time_zone,
        coalesce(destinations.time_zone, regions.time_zone, {{ default_time_zone() }}) as delivered_time_zone
    from source
    left join nodes as origins on source.origin_node_id = origins.node_id
    left join nodes as destinations on source.destination_node_id = destinations.node_id
    left join {{ ref('stg_master__regions') }} as regions on source.destination_region_id = regions.region_id
    where
        source.sku_id in (select sku_id from {{ ref('stg_master__skus') }})
        and (source.origin_node_id is null or origins.node_id is not null)
        and (source.destination_node_id is null or destinations.node_id is not null)
),

dated as (
    select
        *,
        {{ business_date('shipped_at', 'shipped_time_zone') }} as shipped_date,
        {{ business_date('delivered_at', 'delivered_time_zone') }} as delivered_date,
        {{ business_date('coalesce(updated_at, shipped_at)', 'shipped_time_zone') }} as known_date
    from placed
)

select
    shipment_id,
    line_number,
    kind,
    mode,
    origin_node_id,
    destination_node_id,
    destination_region_id,
    sku_id,
    shipped_units,
    received_units,
    shipped_date,
    promised_date,
    delivered_date,
    freight_cost,
    transfer_id,
    order_id,
    updated_at,
    ledger_sequence,
    source_line_number,
    key_first_at
from dated
where
    shipped_date <= {{ as_of_date() }}
    and known_date <= {{ as_of_date() }}
    and coalesce(delivered_date <= {{ as_of_date() }}, true)
