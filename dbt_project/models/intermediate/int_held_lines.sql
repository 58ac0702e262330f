-- One row per delivered line that names a SKU, node or region nobody has declared; it waits in raw until a master file brings it.
-- noqa: disable=LT02
{% set events = {
    'pos_sales': ['node_id'], 'ecom_orders': [], 'returns': ['node_id'], 'inventory_snapshots': ['node_id'],
    'shipments': ['origin_node_id', 'destination_node_id'], 'supplier_orders': ['destination_node_id']
} %}
with unknown as (
    {% for feed, node_columns in events.items() %}
    select
        '{{ feed }}' as feed,
        source_file_hash,
        source_line_number,
        case
            when sku_id not in (select sku_id from {{ ref('stg_master__skus') }}) then 'sku_id:unknown'
            {% for column in node_columns %}
            when {{ column }} not in (select node_id from {{ ref('stg_master__nodes') }}) then '{{ column }}:unknown'
            {% endfor %}
            {% if feed == 'ecom_orders' %}
            when ship_to_region_id not in (select region_id from {{ ref('stg_master__regions') }}) then 'ship_to_region_id:unknown'
            when
                ship_to_region_id is null and not coalesce(list_bool_or(list_transform(
                    (select flatten(list(string_split(postal_prefixes, '|'))) from {{ ref('stg_master__regions') }}),
                    lambda prefix: starts_with(postal_code, prefix)
                )), false)
                then 'ship_to_region_id:not_located'
            {% endif %}
        end as reason,
        json_object(
            'sku_id', sku_id
            {% for column in node_columns %}, '{{ column }}', {{ column }}{% endfor %}
        )::varchar as delivered
    from {{ source('raw', feed) }}
    {% if not loop.last %} union all {% endif %}
    {% endfor %}
)

select * from unknown
where reason is not null
