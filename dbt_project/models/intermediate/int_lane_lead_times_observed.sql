-- One row per lane (origin, destination, mode) and number of days that its transfers of the last half year took, with how many took them.
with lanes as (
    select
        origin_node_id,
        destination_node_id,
        min(mode) as only_mode,
        count(*) as mode_count
    from {{ ref('stg_master__lanes') }}
    group by all
)

select
    shipments.origin_node_id,
    shipments.destination_node_id,
    coalesce(shipments.mode, if(lanes.mode_count = 1, lanes.only_mode, '')) as mode,  -- empty: several modes, and nobody told which
    (shipments.delivered_date - shipments.shipped_date)::int as lead_time_days,
    count(*) as shipment_count,
    count(*) filter (where shipments.promised_date is not null) as promised_count,
    count(*) filter (where shipments.delivered_date <= shipments.promised_date) as on_time_count
from {{ ref('int_shipments_current') }} as shipments
inner join lanes using (origin_node_id, destination_node_id)
where
    shipments.kind = 'transfer' and shipments.delivered_date is not null
    and shipments.shipped_date > {{ as_of_date() }} - {{ var('lead_time_days_window') }}
group by all
order by all
