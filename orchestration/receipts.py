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

    An advice is known by its own number (W06-04, W17-03, or a ``reference``), and without one by the bytes of its file.

    Raises
    ------
    DeliveryError
        The file cannot be read, or a line has no transfer, state or whole number.
    """
    text = path.read_bytes()
    digest = hashlib.sha256(text).hexdigest()[:16]
    if text.startswith(b"ISA"):
        rows = list(csv.DictReader(io.StringIO(x12.as_csv(path, {"N9@LI", "ST01"}).decode())))
        lines = [
            {"transfer_id": row["N9@LI"], "state": _X12.get(row["ST01"], ""), "units": row["quantity"],
             "reference": row.get({"945": "W0604", "944": "W1703"}.get(row["ST01"], ""), "")}
            for row in rows
        ]  # fmt: skip
    elif path.suffix == ".json":
        content = json.loads(text)
        lines = content["lines"] if isinstance(content, dict) else content
    else:
        lines = list(csv.DictReader(io.StringIO(text.decode("utf-8-sig"))))
    advices: list[Advice] = []
    for number, line in enumerate(lines, start=1):
        units = str(line.get("units", "")).strip()
        if not line.get("transfer_id") or line.get("state") not in (SHIPPED, RECEIVED) or not units.isdigit():
            raise DeliveryError(
                f"{path.name}: line {number} needs transfer_id, state (shipped or received) and whole units; it has {dict(line)}"
            )
        one, reference = str(line["transfer_id"]), str(line.get("reference") or "").strip()
        nth = sum(1 for a in advices if a.transfer_id == one and a.state == line["state"])
        key = f"advice:{line['state']}:{reference}:{one}:{nth}" if reference else f"advice:{digest}:{number}"
        advices.append(Advice(one, str(line["state"]), int(units), key))
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
    known = store.execute("select advised_units from transfer_events where event_key = ?", (advice.key,)).fetchone()
    transfer = transfer_ledger.get(store, advice.transfer_id)
    if known:
        if known[0] is not None and known[0] != advice.units:
            raise TransferStateError(
                f"{transfer.transfer_id}: {advice.key} advised {known[0]} units before and {advice.units} now; left as it was"
            )
        return transfer
    advised, of_feed = _told_by(store, transfer.transfer_id, advice.state)
    done = transfer_ledger.advance(
        store,
        transfer.transfer_id,
        advice.state,
        actor=actor,
        units=max(advised + advice.units, of_feed),
        key=advice.key,
        reason=f"{advice.units} units advised",
        advised_units=advice.units,
    )
    return _close_if_even(store, done, actor)


def _told_by(store: sqlite3.Connection, transfer_id: str, state: str) -> tuple[int, int]:
    """Units of a state by advices, which add up, and by the shipments feed, which tells the whole: two tellers of the same units."""
    advised, of_feed = store.execute(
        """select coalesce(sum(advised_units), 0), coalesce((
               select units from transfer_feed_totals where transfer_id = ?1 and state = ?2
           ), 0) from transfer_events where transfer_id = ?1 and state = ?2""",
        (transfer_id, state),
    ).fetchone()
    return int(advised), int(of_feed)


def moved_units(store: sqlite3.Connection, transfer_id: str) -> dict[str, int]:
    """Units approved, issued, shipped and received of a transfer, each as last entered."""
    rows = store.execute(
        """select state, units from transfer_events e where transfer_id = ? and event_sequence =
           (select max(event_sequence) from transfer_events where transfer_id = e.transfer_id and state = e.state)""",
        (transfer_id,),
    )
    return dict(rows.fetchall())


def _close_if_even(store: sqlite3.Connection, transfer: Transfer, actor: str, *, is_all: bool = False) -> Transfer:
    """Close what arrived whole: all that was issued, or where nothing more will leave (``is_all``), all that was shipped."""
    moved = moved_units(store, transfer.transfer_id)
    if transfer.state == SHIPPED and RECEIVED in moved and moved[RECEIVED] >= moved[SHIPPED]:  # its receipt was advised first
        transfer = transfer_ledger.advance(
            store, transfer.transfer_id, RECEIVED, actor=actor, units=moved[RECEIVED], reason="arrived before"
        )
    sent = moved.get(SHIPPED, 0) if is_all else max(moved.get(SHIPPED, 0), moved.get("issued", 0))
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


def reconcile_shipments(store: sqlite3.Connection, warehouse: duckdb.DuckDBPyConnection, *, at: str) -> int:
    """Enter what the shipments feed says of open transfers, as totals of the day that ends at ``at``; returns how many events that made."""
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
        for state, total in ((SHIPPED, shipped), (RECEIVED, received if is_delivered else None)):
            if total is None:
                continue
            store.execute("insert or replace into transfer_feed_totals values (?, ?, ?)", (transfer_id, state, total))
            units = max(total, _told_by(store, transfer_id, state)[0])
            if moved_units(store, transfer_id).get(state) == units:
                continue
            done = transfer_ledger.advance(store, transfer_id, state, actor="shipments feed", units=units, at=at)
            _close_if_even(store, done, "shipments feed", is_all=is_delivered)
            count += 1
    store.commit()
    return count
