"""What is free to promise at a node, this moment: yesterday's stock less what our own ledgers promised since.

Belongs here: one definition of available, for reservations, routing and the re-check before a transfer is issued. Does not: those acts.

available = on hand - max(reserved by the WMS, held by our reservation ledger) - shipped for orders since the stock was published
            - approved or issued transfers out - transfers out shipped since the stock was published
"""

import sqlite3
from dataclasses import dataclass

import pandas as pd

_SQL = """
select p.sku_id, p.node_id, p.on_hand_units, p.presentation_units, p.unit_value, p.recorded_at,
    p.on_hand_units - max(p.reserved_units, coalesce(r.held, 0)) - coalesce(r.gone, 0) - coalesce(t.promised, 0) as available_units
from stock_positions p
left join (
    select sku_id, node_id, sum(units) as held, sum(case when reason = 'shipped' and at > (select recorded_at from stock_day) then -units else 0 end) as gone
    from reservations where {pairs} group by 1, 2
) r using (sku_id, node_id)
left join (
    select sku_id, origin_node_id as node_id, sum(units) as promised from transfer_states
    where origin_node_id is not null and {origins} and transfer_id <> ?
      and (state in ('approved', 'issued') or (state = 'shipped' and at > (select recorded_at from stock_day)))
    group by 1, 2
) t using (sku_id, node_id)
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


def available(store: sqlite3.Connection, sku_id: str, node_id: str = "", *, without_transfer: str = "") -> list[Available]:
    """What is free of a SKU, at one node or at all that carry it, in order of node; a transfer that is about to be issued does not count itself."""
    pairs, origins, values = "sku_id = ?", "sku_id = ?", [sku_id]
    if node_id:
        pairs, origins, values = "sku_id = ? and node_id = ?", "sku_id = ? and origin_node_id = ?", [sku_id, node_id]
    rows = store.execute(_SQL.format(pairs=pairs, origins=origins) + " order by node_id", (*values, *values, without_transfer, *values))
    return [Available(*row) for row in rows]


def record_stock(store: sqlite3.Connection, positions: pd.DataFrame, zones: pd.DataFrame, *, as_of_date: str, at: str) -> None:
    """Replace the stock of the day before, and what a unit costs from each node to each region.

    Parameters
    ----------
    positions : DataFrame
        sku_id, node_id, on_hand_units, reserved_units, presentation_units, unit_value; counted ones only.
    zones : DataFrame
        node_id, region_id, unit_cost, delivery_days.
    as_of_date, at : str
        Day of the stock, and the moment it is recorded.
    """
    if not store.in_transaction:
        store.execute("begin immediate")
    for table in ("stock_positions", "stock_day", "service_zones"):
        store.execute(f"delete from {table}")
    store.execute("insert into stock_day values (?, ?)", (as_of_date, at))
    for table, rows in (("stock_positions", positions.assign(recorded_at=at)), ("service_zones", zones)):
        names = ", ".join(rows.columns)
        store.executemany(
            f"insert into {table} ({names}) values ({', '.join('?' * len(rows.columns))})",
            rows.astype(object).itertuples(index=False, name=None),
        )
