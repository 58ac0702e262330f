"""Units held for orders, so that nothing is sold twice: an append-only ledger per node in `ops.sqlite`.

Belongs here: holding, confirming, moving, shipping and freeing units, each in one immediate transaction. Does not: which node is best
(`planning/routing.py`), what is free (`availability.py`), HTTP (`api.py`).

A hold is a row of so many units; whatever ends it is a row of as many units less, so the rows of a closed order sum to zero. A hold that nobody
confirms in time is freed by whoever looks next.
"""

import datetime as dt
import sqlite3
from dataclasses import dataclass

from orchestration import carried_holds, transfer_ledger
from orchestration.availability import available
from orchestration.settings import RoutingSettings
from planning.routing import Asked, Option, RoutingRules, route_one

HELD, MOVED, SHIPPED, RELEASED, EXPIRED = "held", "moved", "shipped", "released", "expired"


class ReservationError(ValueError):
    """What was asked cannot be done; nothing was changed."""


class NotEnoughError(ReservationError):
    """There are fewer units free than were asked for."""


@dataclass(frozen=True)
class Line:
    """A line of an order: a SKU, how many, and the node if the caller chose it already."""

    line_number: int
    sku_id: str
    units: int
    node_id: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Units held for a line at a node."""

    reservation_key: str
    order_id: str
    line_number: int
    sku_id: str
    node_id: str
    units: int


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _text(moment: dt.datetime) -> str:
    return moment.isoformat(timespec="milliseconds")


def holds(store: sqlite3.Connection, *, key: str = "", order_id: str = "") -> list[Hold]:
    """What is held now under a key or for an order, by line and node."""
    rows = store.execute(
        """select reservation_key, order_id, line_number, sku_id, node_id, sum(units) from reservations
           where (? = '' or reservation_key = ?) and (? = '' or order_id = ?) group by 1, 2, 3, 4, 5 having sum(units) <> 0 order by 3, 5""",
        (key, key, order_id, order_id),
    )
    return [Hold(*row) for row in rows]


def options_for(store: sqlite3.Connection, line: Line, region_id: str) -> tuple[Option, ...]:
    """Nodes that could ship a line to a region, with what a unit from each costs and how many are free."""
    zones = {
        node: (cost, days)
        for node, cost, days in store.execute(
            "select node_id, unit_cost, delivery_days from service_zones where region_id = ?", (region_id,)
        )
    }
    found = []
    for there in available(store, line.sku_id, line.node_id):
        cost, days = zones.get(there.node_id, (0.0, 1))
        refused = "" if there.node_id in zones or line.node_id or not region_id else "does not serve the region"
        found.append(Option(there.node_id, cost + there.unit_value, there.available_units, days, refused))
    return tuple(found)


def reserve(
    store: sqlite3.Connection, *, key: str, order_id: str, region_id: str, lines: list[Line], settings: RoutingSettings, rules: RoutingRules
) -> list[Hold]:
    """Route an order to the best nodes and hold its units there, all of it or none; the same key again gives the same holds.

    Raises
    ------
    NotEnoughError
        Naming the lines that nobody can ship.
    ReservationError
        The key stands for another order or for holds that have ended, a SKU stands twice or units are below 1.
    """
    if len({line.sku_id for line in lines}) != len(lines) or len({line.line_number for line in lines}) != len(lines):
        raise ReservationError(f"{order_id}: a SKU or a line number stands twice; add their units up")
    if any(line.units < 1 for line in lines) or not lines:
        raise ReservationError(f"{order_id}: every line needs at least one unit")
    store.execute("begin immediate")
    try:
        _free_expired(store)
        known = store.execute("select order_id from reservations where reservation_key = ? limit 1", (key,)).fetchone()
        if known:
            if known[0] != order_id:
                raise ReservationError(f"{key} stands for order {known[0]}, not {order_id}; use another key")
            found = holds(store, key=key)
            store.commit()
            if not found:
                raise ReservationError(f"{key}: nothing is held under it any more: expired, shipped or released; use another key")
            return found
        routes, short = route_one([Asked(line.line_number, line.units, options_for(store, line, region_id)) for line in lines], rules)
        if short:
            sku = {line.line_number: line.sku_id for line in lines}
            said = ", ".join(f"{units} of {sku[number]}" for number, units in short)
            raise NotEnoughError(f"{order_id}: {said} cannot be shipped from any node that serves {region_id or 'it'}")
        at, until = _now(), _now() + dt.timedelta(minutes=settings.hold_minutes)
        by_line = {line.line_number: line.sku_id for line in lines}
        store.executemany(
            "insert into reservations (reservation_key, order_id, line_number, sku_id, node_id, units, reason, at, expires_at, entry_key) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [(key, order_id, n, by_line[n], node, units, HELD, _text(at), _text(until), f"{key}:{n}:{node}") for n, node, units in routes],
        )
        store.commit()
    except BaseException:  # whatever it is, the next caller finds no open transaction
        if store.in_transaction:
            store.rollback()
        raise
    return holds(store, key=key)


def _free_expired(store: sqlite3.Connection) -> None:
    now = _text(_now())
    rows = store.execute(
        """select reservation_key, order_id, line_number, sku_id, node_id, sum(units) from reservations
           where reservation_key in (select reservation_key from reservations where expires_at < ?)
             and reservation_key not in (select reservation_key from reservations_confirmed)
           group by 1, 2, 3, 4, 5 having sum(units) > 0""",
        (now,),
    ).fetchall()
    for key, order_id, number, sku_id, node_id, units in rows:
        _append(store, Hold(key, order_id, number, sku_id, node_id, units), -units, EXPIRED, f"{key}:{number}:{node_id}:expired")


def _append(store: sqlite3.Connection, hold: Hold, units: int, reason: str, entry_key: str | None, node_id: str = "") -> None:
    store.execute(
        "insert into reservations (reservation_key, order_id, line_number, sku_id, node_id, units, reason, at, entry_key) values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            hold.reservation_key,
            hold.order_id,
            hold.line_number,
            hold.sku_id,
            node_id or hold.node_id,
            units,
            reason,
            _text(_now()),
            entry_key,
        ),
    )


def _within(store: sqlite3.Connection, key: str, act: object) -> list[Hold]:
    """Run an act on the holds of a key in one immediate transaction."""
    store.execute("begin immediate")
    try:
        _free_expired(store)
        found = holds(store, key=key)
        if not found:
            raise ReservationError(f"{key}: nothing is held under it: never was, expired, shipped or released")
        act(found)  # type: ignore[operator]
        store.commit()
    except BaseException:  # whatever it is, the next caller finds no open transaction
        if store.in_transaction:
            store.rollback()
        raise
    return holds(store, key=key)


def confirm(store: sqlite3.Connection, key: str) -> list[Hold]:
    """The order is paid: its holds no longer expire."""
    return _within(store, key, lambda _: store.execute("insert or ignore into reservations_confirmed values (?, ?)", (key, _text(_now()))))


def release(store: sqlite3.Connection, key: str) -> list[Hold]:
    """The order is cancelled: its units are free again."""
    return _within(store, key, lambda found: [_append(store, hold, -hold.units, RELEASED, None) for hold in found])


def ship(store: sqlite3.Connection, key: str, *, shipment_key: str) -> list[Hold]:
    """The units have left; the same shipment again changes nothing."""
    entry = f"ship:{key}:{shipment_key}:"
    done = "select 1 from reservations where reservation_key = ? and reason = ? and substr(entry_key, 1, length(?)) = ? limit 1"
    if store.execute(done, (key, SHIPPED, entry, entry)).fetchone():
        return holds(store, key=key)

    def act(found: list[Hold]) -> None:
        for hold in found:
            _append(store, hold, -hold.units, SHIPPED, f"{entry}{hold.line_number}:{hold.node_id}")

    return _within(store, key, act)


def move_with(store: sqlite3.Connection, key: str, transfer_id: str) -> list[Hold]:
    """A transfer carries what is held at its origin for an order: it is held at the destination from now on.

    Raises
    ------
    ReservationError
        The transfer is not open, carries another SKU, or fewer units than are held.
    """

    def act(found: list[Hold]) -> None:
        transfer = transfer_ledger.get(store, transfer_id)
        mine = [hold for hold in found if (hold.sku_id, hold.node_id) == (transfer.sku_id, transfer.origin_node_id)]
        carried = sum(hold.units for hold in carried_holds.carried_by(store, transfer.transfer_id))
        if transfer.state not in transfer_ledger.OPEN or not mine:
            raise ReservationError(f"{transfer.transfer_id} is {transfer.state} and moves {transfer.sku_id}; it carries nothing of {key}")
        if sum(hold.units for hold in mine) + carried > transfer.units:
            raise ReservationError(f"{transfer.transfer_id} moves {transfer.units} units, {carried} of them are taken; {key} does not fit")
        for hold in mine:
            entry = f"move:{transfer.transfer_id}:{key}:{hold.line_number}"
            _append(store, hold, -hold.units, MOVED, f"{entry}:out")
            _append(store, hold, hold.units, MOVED, f"{entry}:in", node_id=transfer.destination_node_id)

    return _within(store, key, act)
