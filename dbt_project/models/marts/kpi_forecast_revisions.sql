-- One row per SKU and region whose forecast moved most in value since the last plan: by how much, worth what, and why.
select
    r.as_of_date,
    r.previous_date,
    r.sku_id,
    r.region_id,
    s.category,
    r.previous_units,
    r.revised_units,
    r.revised_units - r.previous_units as revision_units,
    (r.revised_units - r.previous_units) * s.unit_price::double as revision_value,
    r.main_driver
from {{ source('forecast', 'revisions') }} as r
inner join {{ ref('dim_sku') }} as s on r.sku_id = s.sku_id
where r.as_of_date = {{ as_of_date() }}
order by abs((r.revised_units - r.previous_units) * s.unit_price::double) desc, r.sku_id, r.region_id
