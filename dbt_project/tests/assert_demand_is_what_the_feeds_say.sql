-- Units asked for in the window are the units of the till receipts and order lines of the window, no more and no less.
{{ config(meta={'dagster': {'ref': {'name': 'int_demand_events_daily'}}}) }}
with facts as (
    select
        sum(pos_units)::bigint as pos_units,
        sum(ecom_units)::bigint as ecom_units
    from {{ ref('int_demand_events_daily') }}
    where demand_date >= {{ changed_from() }}
),

pos as (
    select sum(sold_units)::bigint as units
    from {{ ref('stg_pos__sales') }}
    where business_date >= {{ changed_from() }} and region_id is not null
),

ecom as (
    select sum(ordered_units)::bigint as units
    from {{ ref('int_orders_current') }}
    where business_date >= {{ changed_from() }}
)

select *
from facts
cross join pos
cross join ecom
where coalesce(facts.pos_units, 0) <> coalesce(pos.units, 0) or coalesce(facts.ecom_units, 0) <> coalesce(ecom.units, 0)
