-- One row per line of a till receipt whose SKU and node are known, up to the day of the plan.
with dated as (
    {{ known_lines('pos_sales', 'sold_at') }}
)

select
    receipt_id,
    line_number,
    sold_at,
    business_date,
    node_id,
    region_id,
    sku_id,
    sold_units,
    unit_price,
    ledger_sequence
from dated
where {{ by_the_day('sold_at', 'business_date') }}
