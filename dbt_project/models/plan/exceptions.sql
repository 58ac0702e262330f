-- One row per thing that somebody should look at, ranked by the money it costs; what nobody can price stands at the end.
with found as (
    select * from {{ ref('int_stock_exceptions_found') }}
    union all
    select * from {{ ref('int_movement_exceptions_found') }}
    union all
    select * from {{ ref('int_transfer_exceptions_found') }}
    union all
    select * from {{ ref('int_delivery_exceptions_found') }}
)

select
    {{ as_of_date() }} as as_of_date,
    row_number() over (order by at_stake_cost desc nulls last, exception_code, sku_id, node_id, what) as exception_rank,
    exception_code,
    sku_id,
    node_id,
    at_stake_units,
    at_stake_cost::decimal(18, 4) as at_stake_cost,
    what,
    remedy
from found
order by exception_rank
