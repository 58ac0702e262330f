"""Holds of orders that a transfer carries, and that stay at its origin when it does not leave.

Belongs here: the rows of `reservations` that moved with a transfer. Does not: moving them (`reservations.py`), a transfer's states (`transfer_ledger.py`).
"""

import sqlite3
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Carried:
    """Units of an order's line that a transfer brings to its destination, as far as they are held there still."""

    reservation_key: str
    order_id: str
    line_number: int
    sku_id: str
    destination_node_id: str
    units: int


_CARRIED = """
select m.reservation_key, m.order_id, m.line_number, m.sku_id, m.node_id, min(m.units - coalesce((
    select sum(b.units) from reservations b
    where b.units > 0 and substr(b.entry_key, 1, length(m.entry_key) + 1) = 'back:' || substr(m.entry_key, 6) || ':'
), 0), (
    select sum(h.units) from reservations h
    where h.reservation_key = m.reservation_key and h.line_number = m.line_number and h.node_id = m.node_id
)) as units, m.entry_key
from reservations m where m.reason = 'moved' and m.units > 0 and substr(m.entry_key, 1, length(?1)) = ?1 order by m.entry
"""


def carried_by(store: sqlite3.Connection, transfer_id: str) -> list[Carried]:
    """What it carries, in the order in which it was loaded."""
    return [Carried(*row[:6]) for row in store.execute(_CARRIED, (f"move:{transfer_id}:",)) if row[5] > 0]


def give_back(store: sqlite3.Connection, transfer_id: str, origin_node_id: str, *, kept_units: int, at: str) -> None:
    """Hold at the origin again what no longer travels: all beyond the units that still do, last loaded first; in the caller's transaction."""
    room = kept_units
    for row in store.execute(_CARRIED, (f"move:{transfer_id}:",)).fetchall():
        key, order_id, line_number, sku_id, destination, units, entry = row
        back = max(units - max(room, 0), 0)
        room -= units
        for node, moved in ((destination, -back), (origin_node_id, back)):
            if back > 0:
                entry_count = store.execute("select max(entry) from reservations").fetchone()[0]
                store.execute(
                    "insert into reservations (reservation_key, order_id, line_number, sku_id, node_id, units, reason, at, entry_key) values (?, ?, ?, ?, ?, ?, 'moved', ?, ?)",
                    (key, order_id, line_number, sku_id, node, moved, at, f"back:{entry[5:]}:{entry_count}"),
                )
