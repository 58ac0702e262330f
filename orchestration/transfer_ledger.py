"""The life of a transfer after it was proposed: an append-only ledger in `ops.sqlite`.

Belongs here: which state may follow which, who said so and why, and what is open. Does not: what is proposed (`planning/`), documents and sending
(`outbox.py`), what comes back (`receipts.py`). Replenishments live here as well: from a parent node they are moves, from outside supplier orders.

proposed -> approved -> issued -> shipped -> received -> closed, with ways out: rejected, expired (a newer plan took its place), cancelled.
"""

import datetime as dt
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from orchestration import carried_holds

PROPOSED, SHADOW, APPROVED, REJECTED, EXPIRED = "proposed", "shadow", "approved", "rejected", "expired"
ISSUED, SHIPPED, RECEIVED, CLOSED, CANCELLED = "issued", "shipped", "received", "closed", "cancelled"
FOLLOWS = {
    PROPOSED: (APPROVED, REJECTED, EXPIRED),
    SHADOW: (),
    APPROVED: (APPROVED, ISSUED, REJECTED, CANCELLED),  # approved again with other units
    ISSUED: (SHIPPED, RECEIVED, CANCELLED),
    SHIPPED: (SHIPPED, RECEIVED, CANCELLED),
    RECEIVED: (SHIPPED, RECEIVED, CLOSED),  # the second half leaves when the first has arrived
    REJECTED: (),
    EXPIRED: (PROPOSED,),  # a later run of its day proposes it again
    CLOSED: (SHIPPED, RECEIVED),  # units that arrive after all are on the shelf, whatever was written before
    CANCELLED: (SHIPPED, RECEIVED),  # it left before anybody could stop it
}
OPEN = (APPROVED, ISSUED, SHIPPED)


class TransferStateError(ValueError):
    """What was asked may not follow the state of the transfer; the message says which it is in."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer and its newest event."""

    transfer_id: str
    order_kind: str
    as_of_date: str
    sku_id: str
    origin_node_id: str | None
    destination_node_id: str
    mode: str
    planned_units: int
    case_pack_units: int
    ship_date: str
    arrival_date: str
    transfer_cost: float | None
    expected_gain: float | None
    net_gain: float | None
    reason_code: str
    explanation: str
    is_shadow: int
    recorded_at: str
    event_sequence: int
    state: str
    units: int
    actor: str
    reason: str
    at: str


def now() -> str:
    """The moment, as the ledger writes it."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds")


def find(
    store: sqlite3.Connection, *, states: tuple[str, ...] = (), ids: Iterable[str] = (), as_of_date: str = "", kind: str = ""
) -> list[Transfer]:
    """Transfers in some states, of some ids, of a day, of a kind; in order of their day and id."""
    where, values = ["1 = 1"], []
    for column, wanted in (("state", tuple(states)), ("transfer_id", tuple(ids))):
        if wanted:
            where.append(f"{column} in ({', '.join('?' * len(wanted))})")
            values += wanted
    for column, one in (("as_of_date", as_of_date), ("order_kind", kind)):
        if one:
            where.append(f"{column} = ?")
            values.append(one)
    names = ", ".join(Transfer.__dataclass_fields__)
    rows = store.execute(f"select {names} from transfer_states where {' and '.join(where)} order by as_of_date, transfer_id", values)
    return [Transfer(*row) for row in rows]


def get(store: sqlite3.Connection, transfer_id: str) -> Transfer:
    """One transfer, by its id or the unmistakable beginning of it.

    Raises
    ------
    TransferStateError
        There is none, or several begin so.
    """
    rows = store.execute(
        "select transfer_id from transfer_orders where transfer_id between ? and ? || '~' limit 2", (transfer_id, transfer_id)
    )
    found = [row[0] for row in rows]
    if len(found) != 1:
        raise TransferStateError(
            f"{transfer_id}: {'no transfer begins so' if not found else 'several transfers begin so'}; see `nodewise plan show`"
        )
    return find(store, ids=found)[0]


def record_plan(store: sqlite3.Connection, orders: pd.DataFrame, *, as_of_date: str) -> dict[str, int]:
    """Enter the lines of a published day; what is still only proposed of earlier plans, and of this day in an earlier run, expires.

    A line of which somebody decided in an earlier run of the day stays decided, even if it would now move other units.

    Parameters
    ----------
    orders : DataFrame
        Columns of `transfer_orders` but ``recorded_at``.

    Returns
    -------
    dict
        How many lines are new and how many expired.
    """
    at = now()
    store.execute("begin immediate")
    same_day = find(store, as_of_date=as_of_date)
    decided = {_line_of(t) for t in same_day if t.state not in (PROPOSED, EXPIRED, SHADOW)}
    orders = orders[[_line_of(row) not in decided for row in orders.itertuples(index=False)]]
    wanted = set(orders["transfer_id"])
    over = [t for t in find(store, states=(PROPOSED,)) if t.transfer_id not in wanted]
    for transfer in over:
        _append(store, transfer.transfer_id, EXPIRED, transfer.units, "nodewise", f"the plan of {as_of_date} takes its place", at)
    again = [t for t in same_day if t.state == EXPIRED and t.transfer_id in wanted]
    for t in again:
        _append(
            store, t.transfer_id, PROPOSED, t.planned_units, "nodewise", "proposed again", at, gain=t.expected_gain, cost=t.transfer_cost
        )
    known = {t.transfer_id for t in same_day}
    columns = [name for name in orders.columns if name != "recorded_at"]
    fresh = orders[~orders["transfer_id"].isin(known)]
    records = [tuple(None if pd.isna(value) else value for value in row) for row in fresh[columns].itertuples(index=False)]
    store.executemany(
        f"insert into transfer_orders ({', '.join(columns)}, recorded_at) values ({', '.join('?' * len(columns))}, ?)",
        [(*record, at) for record in records],
    )
    store.executemany(
        "insert into transfer_events (transfer_id, state, units, actor, reason, at, expected_gain, transfer_cost) values (?, ?, ?, 'nodewise', '', ?, ?, ?)",
        [
            (
                row.transfer_id,
                SHADOW if row.is_shadow else PROPOSED,
                int(row.planned_units),
                at,
                _none(row.expected_gain),
                _none(row.transfer_cost),
            )
            for row in fresh.itertuples(index=False)
        ],
    )
    store.commit()
    return {"new_count": len(fresh) + len(again), "expired_count": len(over)}


def _line_of(order: Any) -> tuple[str, ...]:
    """What a line moves, whatever its units: one is decided on once a day."""
    origin = order.origin_node_id if isinstance(order.origin_node_id, str) else ""
    return (order.order_kind, order.sku_id, origin, order.destination_node_id, order.mode)


def _none(value: float) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _append(
    store: sqlite3.Connection, transfer_id: str, state: str, units: int, actor: str, reason: str, at: str, *, key: str | None = None,
    gain: float | None = None, cost: float | None = None, advised: int | None = None,
) -> None:  # fmt: skip
    store.execute(
        "insert into transfer_events (transfer_id, state, units, actor, reason, at, expected_gain, transfer_cost, event_key, advised_units) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (transfer_id, state, int(units), actor, reason, at, gain, cost, key, advised),
    )


def advance(
    store: sqlite3.Connection,
    transfer_id: str,
    state: str,
    *,
    actor: str,
    reason: str = "",
    units: int | None = None,
    key: str | None = None,
    expected_gain: float | None = None,
    transfer_cost: float | None = None,
    at: str = "",
    advised_units: int | None = None,
) -> Transfer:
    """Append one event inside the caller's transaction, which has to be immediate; returns the transfer as it now stands.

    An event whose key is in the ledger already changes nothing. Holds that the transfer carried and that no longer leave go back to the origin.

    Raises
    ------
    TransferStateError
        The state may not follow, or a reason or whole cases are missing.
    """
    known = store.execute("select transfer_id from transfer_events where event_key = ?", (key,)).fetchone() if key else None
    transfer = get(store, transfer_id)
    if known:
        return transfer
    if state not in FOLLOWS[transfer.state]:
        may = ", ".join(FOLLOWS[transfer.state]) or "nothing"
        raise TransferStateError(f"{transfer.transfer_id} is {transfer.state}, after which {may} may follow, not {state}")
    moved = transfer.units if units is None else units
    if state == APPROVED:
        _refuse_bad_units(transfer, moved, reason)
    if state in (REJECTED, CANCELLED) and not reason.strip():
        raise TransferStateError(f"{transfer.transfer_id}: say why it is {state}, with --reason")
    at = at or now()
    _append(
        store, transfer.transfer_id, state, moved, actor, reason, at, key=key, gain=expected_gain, cost=transfer_cost, advised=advised_units
    )  # fmt: skip
    if transfer.origin_node_id and state in (
        APPROVED,
        ISSUED,
        REJECTED,
        CANCELLED,
    ):  # what orders wait for, and does not leave, is held where it is
        kept = moved if state in (APPROVED, ISSUED) else 0
        carried_holds.give_back(store, transfer.transfer_id, transfer.origin_node_id, kept_units=kept, at=at)
    return get(store, transfer.transfer_id)


def _refuse_bad_units(transfer: Transfer, units: int, reason: str) -> None:
    if units <= 0 or units % transfer.case_pack_units:
        raise TransferStateError(f"{transfer.transfer_id}: {units} units are not whole cases of {transfer.case_pack_units}")
    if units != transfer.planned_units and not reason.strip():
        raise TransferStateError(f"{transfer.transfer_id}: {units} units instead of {transfer.planned_units}; say why, with --reason")
    if transfer.is_shadow:
        raise TransferStateError(f"{transfer.transfer_id} is a shadow: outside the pilot, or the deployment only watches")


def last_event(store: sqlite3.Connection) -> int:
    """Sequence number of the newest event, 0 when there is none."""
    row = store.execute("select coalesce(max(event_sequence), 0) from transfer_events").fetchone()
    return int(row[0])


def states_through(store: sqlite3.Connection, *, event_sequence: int, before_day: str, since_day: str) -> pd.DataFrame:
    """What a plan has to know of earlier ones: everything open or not closed, and transfers of the last weeks on which somebody decided.

    Parameters
    ----------
    event_sequence : int
        Later events are not looked at.
    before_day, since_day : str
        Only plans of days before the first; what is over only of days from the second on.
    """
    return pd.read_sql_query(_STATES, store, params={"cut": event_sequence, "before": before_day, "since": since_day})


_STATES = """
with known as (
    select e.* from transfer_events e join transfer_orders o on o.transfer_id = e.transfer_id
    where e.event_sequence <= :cut and o.as_of_date < :before
), last as (
    select * from known where event_sequence in (select max(event_sequence) from known group by transfer_id)
), units as (
    select transfer_id, max(event_sequence) filter (where state = 'approved') as approved, max(event_sequence) filter (where state = 'issued') as issued,
        max(event_sequence) filter (where state = 'shipped') as shipped, max(event_sequence) filter (where state = 'received') as received
    from known group by transfer_id
)
select o.transfer_id, o.order_kind, o.as_of_date, o.sku_id, o.origin_node_id, o.destination_node_id, o.mode, o.ship_date, o.arrival_date,
    o.planned_units, o.transfer_cost, o.net_gain, last.units as transfer_units, last.state, last.actor, last.reason, substr(last.at, 1, 10) as state_date,
    (select units from known where event_sequence = units.approved) as approved_units, (select units from known where event_sequence = units.issued) as issued_units,
    (select units from known where event_sequence = units.shipped) as shipped_units, (select units from known where event_sequence = units.received) as received_units
from transfer_orders o join last on last.transfer_id = o.transfer_id join units on units.transfer_id = o.transfer_id
where last.state in ('approved', 'issued', 'shipped', 'received')
   or (o.order_kind = 'transfer' and o.as_of_date >= :since and last.state in ('closed', 'cancelled', 'rejected'))
order by o.transfer_id
"""


def decide(
    store: sqlite3.Connection, ids: Iterable[str], state: str, *, actor: str, reason: str = "", units: int | None = None,
    gain: tuple[float, float] | None = None,
) -> list[Transfer]:  # fmt: skip
    """Approve, reject or cancel transfers in one transaction of its own: all of them or none.

    Parameters
    ----------
    gain : tuple of float, or None
        Expected gain and transfer cost of the units that are approved instead of the planned ones.

    Raises
    ------
    TransferStateError
        One of them may not; nothing is changed.
    """
    expected, cost = gain if gain else (None, None)
    store.execute("begin immediate")
    try:
        done = [
            advance(store, one, state, actor=actor, reason=reason, units=units, expected_gain=expected, transfer_cost=cost)
            for one in dict.fromkeys(ids)
        ]
    except BaseException:
        store.rollback()
        raise
    store.commit()
    return done
