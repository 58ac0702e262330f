-- One row per shipment line, in the newest version the day knew.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_documents() }}") }}

select * exclude (updated_at, ledger_sequence, source_line_number)
from {{ ref('stg_tms__shipments') }}
where {{ key_in_window() }}
{{ newest_version('shipment_id, line_number') }}
order by key_first_at, shipment_id, line_number
