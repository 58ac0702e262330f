-- One row per transfer or replenishment of an earlier plan that is open when the day begins, and per transfer of two months on which somebody decided.
select * from {{ source('raw', 'transfer_states') }}
