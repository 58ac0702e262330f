-- One row per supplier order line, in the newest version the day knew.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_documents() }}") }}

select * exclude (updated_at, ledger_sequence, source_line_number)
from {{ ref('stg_erp__supplier_orders') }}
where {{ key_in_window() }}
{{ newest_version('supplier_order_id, line_number') }}
order by key_first_at, supplier_order_id, line_number
