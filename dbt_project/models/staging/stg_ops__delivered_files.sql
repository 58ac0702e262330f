-- One row per delivered file that was loaded: whether its sender's manifest vouched for it.
select
    feed,
    source_file_hash,
    ledger_sequence,
    is_verified
from {{ source('raw', 'delivered_files') }}
