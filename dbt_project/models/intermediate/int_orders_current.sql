-- One row per e-commerce order line, in the newest version the day knew.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='fail', pre_hook="{{ clear_documents() }}") }}

select * exclude (updated_at, source_line_number)
from {{ ref('stg_ecom__orders') }}
where {{ key_in_window() }}
{{ newest_version('order_id, line_number') }}
order by key_first_at, order_id, line_number
