-- One row per SKU, as last delivered.
{{ config(materialized='table') }}  -- small, read by most models: a table tells the planner how small
select
    sku_id,
    coalesce(name, sku_id) as name,
    coalesce(category, 'unknown') as category,
    unit_cost,
    unit_price,
    volume_m3,
    coalesce(weight_kg, 0) as weight_kg,
    coalesce(case_pack_units, 1) as case_pack_units,
    coalesce(is_bulky, false) as is_bulky,
    coalesce(is_pilot, true) as is_pilot,
    coalesce(supplier_lead_time_days, 14) as supplier_lead_time_days,
    supplier_lead_time_days is null as is_supplier_lead_time_assumed,
    coalesce(supplier_lead_time_std_days, 0) as supplier_lead_time_std_days,
    launched_date,
    retired_date
from {{ source('raw', 'skus') }}
{{ newest('sku_id') }}
