-- One row per line of a return, up to the day of the plan.
with dated as (
    {{ known_lines('returns', 'returned_at') }}
)

select
    return_id,
    line_number,
    returned_at,
    business_date,
    node_id,
    region_id,
    sku_id,
    returned_units,
    condition,
    order_id
from dated
where {{ by_the_day('returned_at', 'business_date') }}
