-- One row per version of an e-commerce order line that the day knew, with the region it ships to.
with source as (
    select * from {{ source('raw', 'ecom_orders') }}
    where coalesce(updated_at, ordered_at) < {{ as_of_date() }} + interval 2 day
),

regions as (
    select * from {{ ref('stg_master__regions') }}
),

prefixes as (
    select
        region_id,
        unnest(string_split(postal_prefixes, '|')) as prefix
    from regions
    where postal_prefixes is not null
),

located as (
    select
        source.*,
        coalesce(source.ship_to_region_id, prefixes.region_id) as demand_region_id,
        length(prefixes.prefix) as prefix_length
    from source
    left join prefixes
        on source.ship_to_region_id is null and starts_with(source.postal_code, prefixes.prefix)
    where source.sku_id in (select sku_id from {{ ref('stg_master__skus') }})
    qualify row_number() over (
        partition by source.source_file_hash, source.source_line_number order by prefix_length desc nulls last, prefixes.region_id
    ) = 1
),

dated as (
    select
        located.*,
        {{ business_date('located.ordered_at', 'regions.time_zone') }} as business_date,
        {{ business_date('coalesce(located.updated_at, located.ordered_at)', 'regions.time_zone') }} as known_date
    from located
    inner join regions on located.demand_region_id = regions.region_id
)

select
    order_id,
    line_number,
    ordered_at,
    business_date,
    sku_id,
    demand_region_id as region_id,
    ordered_units,
    unit_price,
    status,
    promised_date,
    updated_at,
    ledger_sequence,
    source_file_hash,
    source_line_number,
    key_first_at
from dated
where business_date <= {{ as_of_date() }} and known_date <= {{ as_of_date() }}
