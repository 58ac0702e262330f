-- One row per SKU, region and business day of the SKU's life in the region: what was asked for, what would have been, and under what conditions.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_window('demand_date') }}") }}

select
    demand.sku_id,
    demand.region_id,
    demand.demand_date,
    demand.pos_units,
    demand.ecom_units,
    demand.cancelled_units,
    demand.returned_units,
    demand.demand_units,
    demand.is_complete,
    demand.is_stocked_out,
    demand.is_censored,
    coalesce(
        unconstrained.unconstrained_demand_units, demand.demand_units
    )::decimal(18, 4) as unconstrained_demand_units,
    promotions.sku_id is not null as is_promoted,
    promotions.discount_rate,
    prices.unit_price
from {{ ref('int_demand_region_daily') }} as demand
left join {{ source('forecast', 'unconstrained_demand') }} as unconstrained
    on
        demand.sku_id = unconstrained.sku_id and demand.region_id = unconstrained.region_id
        and demand.demand_date = unconstrained.demand_date
        and unconstrained.demand_date >= {{ changed_from() }}
left join {{ ref('int_promotions_daily') }} as promotions
    on
        demand.sku_id = promotions.sku_id and demand.region_id = promotions.region_id
        and demand.demand_date = promotions.demand_date
asof left join {{ ref('int_prices_in_force') }} as prices
    on
        demand.sku_id = prices.sku_id and demand.region_id = prices.region_id
        and demand.demand_date >= prices.effective_date
where demand.demand_date >= {{ changed_from() }}
order by demand.demand_date, demand.sku_id, demand.region_id
