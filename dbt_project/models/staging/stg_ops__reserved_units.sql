-- One row per SKU and node of which our own ledger holds units reserved for orders when the day begins.
select * from {{ source('raw', 'reserved_units') }}
