-- One row per planner's rule, as last delivered.
select * exclude (source_file_hash, source_line_number, ledger_sequence)
from {{ source('raw', 'policies') }}
{{ newest('abc_class, xyz_class, demand_class, node_type, sku_id, node_id') }}
