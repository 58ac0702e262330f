-- One row per kind of shipment, destination (region or node) and month: the share delivered by the promised day.
select
    kind,
    coalesce(destination_region_id, destination_node_id) as destination_id,
    date_trunc('month', delivered_date)::date as month,
    count(*)::bigint as delivered_count,
    round(avg((delivered_date <= promised_date)::int), 6) as on_time_rate,
    round(avg(delivered_date - shipped_date), 6) as transit_days
from {{ ref('int_shipments_current') }}
where delivered_date is not null and promised_date is not null and coalesce(destination_region_id, destination_node_id) is not null
group by all
order by kind, destination_id, month
