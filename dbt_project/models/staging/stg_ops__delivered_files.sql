-- One row per delivered file that was loaded: whether its sender's manifest vouched for it.
select
    feed,
    source_file_hash,
    is_verified
from {{ source('raw', 'delivered_files') }}
