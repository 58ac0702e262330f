-- One row per e-commerce order line of the last two months that is placed and of which units have not been shipped.
with shipped as (
    select order_id, sku_id, sum(shipped_units)::bigint as shipped_units
    from {{ ref('int_shipments_current') }}
    where kind = 'customer' and order_id is not null
    group by all
),

ordered as (
    select
        orders.*,
        coalesce(sum(orders.ordered_units) over (
            partition by orders.order_id, orders.sku_id order by orders.line_number rows between unbounded preceding and 1 preceding
        ), 0) as units_before  -- what was shipped fills the lines of a SKU in their order
    from {{ ref('int_orders_current') }} as orders
    where orders.status = 'placed' and orders.business_date > {{ as_of_date() }} - 60
)

select
    ordered.order_id,
    ordered.line_number,
    ordered.sku_id,
    ordered.region_id,
    ordered.business_date as ordered_date,
    ordered.promised_date,
    (ordered.ordered_units - greatest(least(coalesce(shipped.shipped_units, 0) - ordered.units_before, ordered.ordered_units), 0))::bigint
        as open_units
from ordered
left join shipped using (order_id, sku_id)
where coalesce(shipped.shipped_units, 0) - ordered.units_before < ordered.ordered_units
