"""What is free to promise at a node, this moment: the stock of the last published day less what our own ledgers promised and sent since.

Belongs here: one definition of available, for reservations, routing and the re-check before a transfer is issued. Does not: those acts.

available = on hand - max(reserved by the WMS, held by our reservation ledger) - shipped for orders since the cut - transfers out

Of a transfer out counts what is still to leave, or has left since the cut, whatever became of it at its destination. The cut is the moment that the
stock is of: the end of its day, and never before the stock that it replaced was published.
"""

import datetime as dt
import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import pandas as pd

_SQL = """
with cut as (select max(cut_at) as at from stock_day),
moved as (
    select o.transfer_id, max(e.units) filter (where e.state in ('shipped', 'received')) as left_units,
        max(e.units) filter (where e.state in ('shipped', 'received') and e.at <= (select at from cut)) as left_before,
        max(e.units) filter (where e.state in ('issued', 'shipped')) as most_units
    from transfer_orders o join transfer_events e on e.transfer_id = o.transfer_id
    where o.origin_node_id is not null and {origins} group by 1
),
promised as (
    select t.sku_id, t.origin_node_id as node_id, sum(max(case
        when t.state in ('approved', 'issued') then t.units
        when t.state = 'shipped' then m.most_units
        else coalesce(m.left_units, 0) end - coalesce(m.left_before, 0), 0)) as units
    from transfer_states t join moved m on m.transfer_id = t.transfer_id
    where t.origin_node_id is not null and {origins} and t.transfer_id not in (select value from json_each(?))
    group by 1, 2
)
select p.sku_id, p.node_id, p.on_hand_units, p.presentation_units, p.unit_value, p.recorded_at,
    p.on_hand_units - max(p.reserved_units, coalesce(r.held, 0)) - coalesce(r.gone, 0) - coalesce(promised.units, 0) as available_units
from stock_positions p
left join (
    select sku_id, node_id, sum(units) as held, sum(case when reason = 'shipped' and at > (select at from cut) then -units else 0 end) as gone
    from reservations where {pairs} group by 1, 2
) r using (sku_id, node_id)
left join promised using (sku_id, node_id)
where {pairs}
"""


@dataclass(frozen=True, slots=True)
class Available:
    """Stock of a SKU at a node that nobody has been promised."""

    sku_id: str
    node_id: str
    on_hand_units: int
    presentation_units: int
    unit_value: float
    recorded_at: str
    available_units: int


def available(store: sqlite3.Connection, sku_id: str, node_id: str = "", *, without_transfers: Iterable[str] = ()) -> list[Available]:
    """What is free of a SKU, at one node or at all that carry it, in order of node; transfers that are about to be issued do not count themselves."""
    pairs, origins, values = "sku_id = ?", "sku_id = ?", [sku_id]
    if node_id:
        pairs, origins, values = "sku_id = ? and node_id = ?", "sku_id = ? and origin_node_id = ?", [sku_id, node_id]
    rows = store.execute(
        _SQL.format(pairs=pairs, origins=origins) + " order by node_id",
        (*values, *values, json.dumps(list(without_transfers)), *values, *values),
    )
    return [Available(*row) for row in rows]


def cut_of(store: sqlite3.Connection, *, as_of_date: str, at: str, time_zone: str) -> str:
    """The moment that the stock of a day is of, when it is recorded at ``at``; recording the same day again does not move it."""
    before = store.execute("select as_of_date, recorded_at, cut_at from stock_day").fetchone()
    if before and before[0] == as_of_date and before[2]:
        return str(before[2])
    midnight = dt.datetime.combine(dt.date.fromisoformat(as_of_date) + dt.timedelta(days=1), dt.time(), ZoneInfo(time_zone))
    end = midnight.astimezone(dt.UTC).isoformat(timespec="milliseconds")
    return min(at, max(end, before[1] if before else ""))


def record_stock(
    store: sqlite3.Connection, positions: pd.DataFrame, zones: pd.DataFrame, *, as_of_date: str, at: str, time_zone: str = "UTC"
) -> None:
    """Replace the stock of the day before, and what a unit costs from each node to each region.

    Parameters
    ----------
    positions : DataFrame
        sku_id, node_id, on_hand_units, reserved_units, presentation_units, unit_value; counted ones only.
    zones : DataFrame
        node_id, region_id, unit_cost, delivery_days.
    as_of_date, at : str
        Day of the stock, and the moment it is recorded.
    time_zone : str
        In which the day ends.
    """
    if not store.in_transaction:
        store.execute("begin immediate")
    cut = cut_of(store, as_of_date=as_of_date, at=at, time_zone=time_zone)
    for table in ("stock_positions", "stock_day", "service_zones"):
        store.execute(f"delete from {table}")
    store.execute("insert into stock_day (as_of_date, recorded_at, cut_at) values (?, ?, ?)", (as_of_date, at, cut))
    for table, rows in (("stock_positions", positions.assign(recorded_at=at)), ("service_zones", zones)):
        names = ", ".join(rows.columns)
        store.executemany(
            f"insert into {table} ({names}) values ({', '.join('?' * len(rows.columns))})",
            rows.astype(object).itertuples(index=False, name=None),
        )
