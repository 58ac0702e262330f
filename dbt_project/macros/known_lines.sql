{# Lines of an event feed whose SKU and node are known, with the node's region and the business day of the event. Lines of
   unknown masters wait in raw until a master file brings them. #}
{% macro known_lines(feed, moment) -%}
    select
        source.*,
        nodes.region_id,
        {{ business_date('source.' ~ moment, 'nodes.time_zone') }} as business_date
    from {{ source('raw', feed) }} as source
    inner join {{ ref('stg_master__nodes') }} as nodes on source.node_id = nodes.node_id
    where source.sku_id in (select sku_id from {{ ref('stg_master__skus') }})
{%- endmacro %}
