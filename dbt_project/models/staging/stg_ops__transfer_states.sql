-- One row per transfer or replenishment of an earlier plan that our own ledger holds open when the day begins, or that was rejected lately.
select * from {{ source('raw', 'transfer_states') }}
