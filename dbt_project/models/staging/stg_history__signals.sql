-- One row per region, day and signal that the day knew of.
select
    region_id,
    signal_date,
    signal_name,
    signal_value
from {{ source('raw', 'external_signals') }}
where coalesce(known_from_date, signal_date) <= {{ as_of_date() }}
{{ newest('region_id, signal_date, signal_name') }}
