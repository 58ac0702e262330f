-- One row per transfer or replenishment of an earlier plan open when the day begins, and per transfer of two months that somebody decided on.
select * from {{ source('raw', 'transfer_states') }}
