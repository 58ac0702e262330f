"""What came back: shipping and receipt advices, and what the shipments feed says of our transfers, each entered once.

Belongs here: reading 945 and 944, CSV and JSON, matching them to transfers, closing what adds up. Does not: the ledger's rules
(`transfer_ledger.py`). What does not add up stays open as a difference until somebody closes it with a reason; nothing is lost silently.
"""

import csv
import hashlib
import io
import json
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration import transfer_ledger, x12
from orchestration.delivered_file import DeliveryError
from orchestration.transfer_ledger import CLOSED, RECEIVED, SHIPPED, Transfer, TransferStateError

_X12 = {"945": SHIPPED, "944": RECEIVED}


@dataclass(frozen=True)
class Advice:
    """One line of an advice: so many units of a transfer were shipped or received, in all so far or in this delivery.

    Parameters
    ----------
    transfer_id, state : str
    units : int
    key : str
        The same advice sent again has the same key.
    """

    transfer_id: str
    state: str
    units: int
    key: str


@dataclass(frozen=True)
class Confirmed:
    """What a file of advices came to."""

    entered: list[Transfer]
    problems: list[str]


def read_advices(path: Path) -> list[Advice]:
    """Lines of an X12 945 or 944, a CSV or a JSON file; CSV and JSON name transfer_id, state (shipped, received) and units.

    Raises
    ------
    DeliveryError
        The file cannot be read, or a line has no transfer, state or whole number.
    """
    text = path.read_bytes()
    digest = hashlib.sha256(text).hexdigest()[:16]
    if text.startswith(b"ISA"):
        rows = list(csv.DictReader(io.StringIO(x12.as_csv(path, {"N9@LI", "ST01"}).decode())))
        lines = [{"transfer_id": row["N9@LI"], "state": _X12.get(row["ST01"], ""), "units": row["quantity"]} for row in rows]
    elif path.suffix == ".json":
        content = json.loads(text)
        lines = content["lines"] if isinstance(content, dict) else content
    else:
        lines = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    advices = []
    for number, line in enumerate(lines, start=1):
        units = str(line.get("units", "")).strip()
        if not line.get("transfer_id") or line.get("state") not in (SHIPPED, RECEIVED) or not units.isdigit():
            raise DeliveryError(
                f"{path.name}: line {number} needs transfer_id, state (shipped or received) and whole units; it has {dict(line)}"
            )
        advices.append(Advice(str(line["transfer_id"]), str(line["state"]), int(units), f"advice:{digest}:{number}"))
    return advices


def confirm(store: sqlite3.Connection, advices: list[Advice], *, actor: str) -> Confirmed:
    """Enter advices; several of one transfer add up, the same one again changes nothing, one that may not follow is said and left out."""
    entered, problems = [], []
    store.execute("begin immediate")
    for advice in advices:
        try:
            entered.append(_enter(store, advice, actor))
        except TransferStateError as error:
            problems.append(str(error))
    store.commit()
    return Confirmed(entered, problems)


def _enter(store: sqlite3.Connection, advice: Advice, actor: str) -> Transfer:
    if store.execute("select 1 from transfer_events where event_key = ?", (advice.key,)).fetchone():
        return transfer_ledger.get(store, advice.transfer_id)
    transfer = transfer_ledger.get(store, advice.transfer_id)
    before = moved_units(store, transfer.transfer_id).get(advice.state, 0)
    done = transfer_ledger.advance(
        store,
        transfer.transfer_id,
        advice.state,
        actor=actor,
        units=before + advice.units,
        key=advice.key,
        reason=f"{advice.units} units advised",
    )
    return _close_if_even(store, done, actor)


def moved_units(store: sqlite3.Connection, transfer_id: str) -> dict[str, int]:
    """Units approved, issued, shipped and received of a transfer, each as last entered."""
    rows = store.execute(
        """select state, units from transfer_events e where transfer_id = ? and event_sequence =
           (select max(event_sequence) from transfer_events where transfer_id = e.transfer_id and state = e.state)""",
        (transfer_id,),
    )
    return dict(rows.fetchall())


def _close_if_even(store: sqlite3.Connection, transfer: Transfer, actor: str) -> Transfer:
    moved = moved_units(store, transfer.transfer_id)
    sent = moved.get(SHIPPED, moved.get("issued"))
    if transfer.state == RECEIVED and moved[RECEIVED] == sent:
        return transfer_ledger.advance(store, transfer.transfer_id, CLOSED, actor=actor, reason="all units arrived")
    return transfer


def close_with_difference(store: sqlite3.Connection, transfer_id: str, *, actor: str, reason: str) -> Transfer:
    """Close a transfer of which more or fewer units arrived than were shipped; the reason is kept.

    Raises
    ------
    TransferStateError
        No reason, or nothing was received or shipped yet.
    """
    store.execute("begin immediate")
    try:
        transfer = transfer_ledger.get(store, transfer_id)
        if not reason.strip():
            raise TransferStateError(f"{transfer.transfer_id}: say what became of the difference, with --reason")
        if transfer.state == SHIPPED:  # nothing came: the whole is lost
            transfer = transfer_ledger.advance(store, transfer_id, RECEIVED, actor=actor, units=0, reason=reason)
        done = transfer_ledger.advance(store, transfer.transfer_id, CLOSED, actor=actor, reason=reason)
    except TransferStateError:
        store.rollback()
        raise
    store.commit()
    return done


def reconcile_shipments(store: sqlite3.Connection, warehouse: duckdb.DuckDBPyConnection) -> int:
    """Enter what the shipments feed says of open transfers, as totals of the day; returns how many events that made."""
    known = [t.transfer_id for t in transfer_ledger.find(store, states=("issued", SHIPPED, RECEIVED))]
    if not known:
        return 0
    warehouse.execute("create or replace temp table known_transfers (transfer_id varchar)")
    warehouse.executemany("insert into known_transfers values (?)", [(one,) for one in known])
    rows = warehouse.execute(
        """select transfer_id, sum(shipped_units)::bigint, bool_and(delivered_date is not null),
                  sum(coalesce(received_units, shipped_units)) filter (where delivered_date is not null)::bigint
           from intermediate.int_shipments_current semi join known_transfers using (transfer_id) group by 1 order by 1"""
    ).fetchall()
    store.execute("begin immediate")
    count = 0
    for transfer_id, shipped, is_delivered, received in rows:
        moved = moved_units(store, transfer_id)
        state = transfer_ledger.get(store, transfer_id).state
        if moved.get(SHIPPED) != shipped and state in ("issued", SHIPPED):
            transfer_ledger.advance(
                store, transfer_id, SHIPPED, actor="shipments feed", units=shipped, key=f"feed:{transfer_id}:shipped:{shipped}"
            )
            count += 1
        if is_delivered and moved.get(RECEIVED) != received:
            done = transfer_ledger.advance(
                store, transfer_id, RECEIVED, actor="shipments feed", units=received, key=f"feed:{transfer_id}:received:{received}"
            )
            _close_if_even(store, done, "shipments feed")
            count += 1
    store.commit()
    return count
