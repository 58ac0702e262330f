"""The published day enters the operational store: its lines as orders, the stock they were planned on, and what shipments say of earlier ones.

Belongs here: from the warehouse to `ops.sqlite`, once a day is published. Does not: the ledger's rules (`transfer_ledger.py`).
"""

import hashlib

import duckdb
import pandas as pd

from orchestration import availability, receipts, transfer_ledger
from orchestration.deployment import Deployment
from orchestration.run_day import RunDay
from orchestration.settings import AutoApproval, Settings

_TRANSFERS = """
select t.transfer_id, 'transfer' as order_kind, t.as_of_date::varchar as as_of_date, t.sku_id, t.origin_node_id, t.destination_node_id, t.mode,
    t.transfer_units as planned_units, p.case_pack_units, t.ship_date::varchar as ship_date, t.arrival_date::varchar as arrival_date,
    t.transfer_cost, t.expected_gain, t.net_gain, t.reason_code, t.explanation, t.status = 'shadow' as is_shadow
from plan.transfers t join intermediate.int_stock_positions p on p.sku_id = t.sku_id and p.node_id = t.origin_node_id
where t.as_of_date = $day order by t.transfer_id
"""
_REPLENISHMENTS = """
with lanes as (
    select * from intermediate.int_open_lanes
    qualify row_number() over (partition by origin_node_id, destination_node_id order by cost_per_unit, lead_time_days, mode) = 1
)
select r.sku_id, r.node_id as destination_node_id, r.source, r.as_of_date::varchar as as_of_date, r.ordered_units as planned_units,
    p.case_pack_units, coalesce(l.mode, 'supplier') as mode, coalesce(l.ship_date, r.as_of_date + 1)::varchar as ship_date,
    r.expected_date::varchar as arrival_date, r.reason_code, r.status = 'shadow' as is_shadow
from plan.replenishments r
join intermediate.int_stock_positions p on p.sku_id = r.sku_id and p.node_id = r.node_id
left join lanes l on l.origin_node_id = r.source and l.destination_node_id = r.node_id
where r.as_of_date = $day and r.ordered_units > 0 order by r.sku_id, r.node_id
"""
_POSITIONS = """
select p.sku_id, p.node_id, p.on_hand_units, coalesce(f.reserved_units, 0) as reserved_units, p.presentation_units,
    coalesce(v.give_cost_per_unit, 0.0) as unit_value
from intermediate.int_stock_positions p
left join marts.fct_sku_node_daily f on f.sku_id = p.sku_id and f.node_id = p.node_id and f.stock_date = $day
left join plan.marginal_values v on v.sku_id = p.sku_id and v.node_id = p.node_id and v.as_of_date = $day
where not p.is_stock_unknown order by 1, 2
"""
_ZONES = """
select z.node_id, z.region_id, (z.final_mile_cost_per_unit + n.handling_cost_per_unit)::double as unit_cost, coalesce(z.delivery_days, 1) as delivery_days
from staging.stg_master__service_zones z join marts.dim_node n using (node_id) order by 1, 2
"""


def enter_plan(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> dict[str, int]:
    """Record shipments and receipts of earlier transfers, the stock, and the day's lines; approve what the policy's band allows.

    Doing it twice changes nothing.
    """
    orders = plan_orders(warehouse, deployment.settings, day)
    positions, zones = warehouse.execute(_POSITIONS, {"day": day.as_of_date}).df(), warehouse.execute(_ZONES).df()
    with deployment.ops() as store:
        at, zone = transfer_ledger.now(), deployment.settings.time_zone
        cut = availability.cut_of(store, as_of_date=day.day, at=at, time_zone=zone)
        moved = receipts.reconcile_shipments(store, warehouse, at=cut)
        counts = transfer_ledger.record_plan(store, orders, as_of_date=day.day)
        availability.record_stock(store, positions, zones, as_of_date=day.day, at=at, time_zone=zone)
        store.commit()
        band = deployment.settings.governance.auto_approve
        approved = _approve_band(deployment, orders, band) if band else 0
    return {**counts, "moved_count": moved, "auto_approved_count": approved}


def plan_orders(warehouse: duckdb.DuckDBPyConnection, settings: Settings, day: RunDay) -> pd.DataFrame:
    """Transfers and replenishments of a day as rows of `transfer_orders`."""
    transfers = warehouse.execute(_TRANSFERS, {"day": day.as_of_date}).df()
    lines = warehouse.execute(_REPLENISHMENTS, {"day": day.as_of_date}).df()
    is_supplier = lines["source"] == "supplier"
    names = zip(lines["as_of_date"], lines["sku_id"], lines["destination_node_id"], lines["source"], lines["planned_units"], strict=True)
    lines = lines.assign(
        transfer_id=[hashlib.sha256("|".join(("replenishment", *map(str, name))).encode()).hexdigest()[:16] for name in names],
        order_kind=is_supplier.map({True: "supplier_order", False: "replenishment"}),
        origin_node_id=lines["source"].where(~is_supplier, None),
        transfer_cost=None,
        expected_gain=None,
        net_gain=None,
        explanation=[
            f"{units:,} of {sku} for {node} from {source}: {reason.replace('_', ' ')}"
            for units, sku, node, source, reason in zip(
                lines["planned_units"], lines["sku_id"], lines["destination_node_id"], lines["source"], lines["reason_code"], strict=True
            )
        ],
    )
    columns = list(transfers.columns)
    orders = pd.DataFrame(
        [*transfers.astype(object).to_dict("records"), *lines[columns].astype(object).to_dict("records")], columns=columns
    )
    orders["is_shadow"] = orders["is_shadow"].astype(bool) | settings.governance.shadow
    orders["is_shadow"] = orders["is_shadow"].astype(int)
    return orders


def _approve_band(deployment: Deployment, orders: pd.DataFrame, band: AutoApproval) -> int:
    """Approve the day's proposals that lie inside the band; the ledger says that the policy did."""
    net, cost = orders["net_gain"].astype(float), orders["transfer_cost"].astype(float)
    inside = orders["order_kind"].isin(band.kinds) & (orders["planned_units"].astype(int) <= band.max_units)
    inside &= (cost.isna() | (cost <= band.max_cost)) & (net.isna() | (net >= band.min_net_gain))
    with deployment.ops() as store:
        waiting = {t.transfer_id for t in transfer_ledger.find(store, states=(transfer_ledger.PROPOSED,))}
        ids = [one for one in orders.loc[inside, "transfer_id"] if one in waiting]
        transfer_ledger.decide(store, ids, transfer_ledger.APPROVED, actor="policy", reason="inside the band of governance.auto_approve")
    return len(ids)
