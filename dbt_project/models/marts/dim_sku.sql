-- One row per SKU, with its ABC, XYZ and demand class over the last half year.
select
    skus.sku_id,
    skus.name,
    skus.category,
    skus.unit_cost,
    skus.unit_price,
    skus.volume_m3,
    skus.weight_kg,
    skus.case_pack_units,
    skus.is_bulky,
    skus.is_pilot,
    skus.supplier_lead_time_days,
    skus.supplier_lead_time_std_days,
    skus.is_supplier_lead_time_assumed,
    skus.launched_date,
    skus.retired_date,
    classes.abc_class,
    classes.xyz_class,
    classes.demand_class
from {{ ref('stg_master__skus') }} as skus
inner join {{ ref('int_skus_classified') }} as classes on skus.sku_id = classes.sku_id
order by skus.sku_id
