"""Approved transfers become documents that other systems carry out, each exactly once.

Belongs here: the re-check of what is there, the event `issued` and the document of a departure, in one transaction. Does not: what a document looks
like (`documents.py`), sending it (`outbox.py`).
"""

import datetime as dt
import hashlib
import json
import sqlite3
from dataclasses import dataclass

from orchestration import availability, transfer_ledger
from orchestration.deployment import Deployment
from orchestration.transfer_ledger import Transfer


class NotIssuedError(RuntimeError):
    """Nothing may be issued now; the message says why and what to do."""


@dataclass(frozen=True)
class Issued:
    """What an act of issuing came to.

    Parameters
    ----------
    transfers : list of Transfer
        As they now stand: issued, some with fewer units, or cancelled since nothing was left.
    documents : list of str
        Keys of the documents queued.
    """

    transfers: list[Transfer]
    documents: list[str]


def refuse_to_issue(deployment: Deployment, *, today: dt.date) -> None:
    """Refuse when the newest day's gates are red, or the published plan is too old for what stands in the nodes now.

    Raises
    ------
    NotIssuedError
        Naming the gate or the age, and the remedy.
    """
    with deployment.ops() as store:
        newest = store.execute("select as_of_date, input_hash from gates order by as_of_date desc, evaluation desc limit 1").fetchone()
        red = store.execute(
            """select gate, check_name, message from gates where verdict = 'fail' and as_of_date = ? and input_hash = ? and evaluation in
               (select max(evaluation) from gates where as_of_date = ? and input_hash = ? group by gate, check_name)""",
            (*newest, *newest) if newest else ("", "", "", ""),
        ).fetchall()
        stock = store.execute("select as_of_date from stock_day").fetchone()
    if red:
        said = "; ".join(f"{gate}/{check}: {message}" for gate, check, message in red[:3])
        raise NotIssuedError(f"nothing is issued: a gate of {newest[0]} is red ({said}); mend it and run the day again")
    if stock is None:
        raise NotIssuedError("nothing is issued: no plan was published; run a day first")
    within = deployment.settings.governance.issue_within_days
    age = (today - dt.date.fromisoformat(stock[0])).days
    if within is not None and age > within:
        raise NotIssuedError(
            f"nothing is issued: stock is known as of {stock[0]}, {age} days ago, most is {within}; run a newer day, or raise governance.issue_within_days"
        )


def issue(deployment: Deployment, ids: list[str], *, actor: str, today: dt.date) -> Issued:
    """Issue approved transfers: re-check, shrink or cancel, and queue one document for each departure, all in one transaction.

    Raises
    ------
    NotIssuedError, TransferStateError
        Nothing was changed.
    """
    refuse_to_issue(deployment, today=today)
    with deployment.ops() as store:
        store.execute("begin immediate")
        try:
            chosen = list({t.transfer_id: t for t in (transfer_ledger.get(store, one) for one in ids)}.values())
            wrong = [t for t in chosen if t.state != transfer_ledger.APPROVED]
            if wrong:
                raise transfer_ledger.TransferStateError(f"{wrong[0].transfer_id} is {wrong[0].state}; only approved transfers are issued")
            best_first = sorted(chosen, key=lambda t: (-(t.net_gain or 0.0), t.transfer_id))
            done = [
                _issue_one(store, transfer, actor, not_yet=[t.transfer_id for t in best_first[at:]])
                for at, transfer in enumerate(best_first)
            ]
            documents = _queue(store, [t for t in done if t.state == transfer_ledger.ISSUED])
        except BaseException:
            store.rollback()
            raise
        store.commit()
    return Issued(done, documents)


def _issue_one(store: sqlite3.Connection, transfer: Transfer, actor: str, *, not_yet: list[str]) -> Transfer:
    """Issue what is there for it, before those of the batch whose turn comes later."""
    key = f"issue:{transfer.transfer_id}"
    if transfer.origin_node_id is None:
        return transfer_ledger.advance(store, transfer.transfer_id, transfer_ledger.ISSUED, actor=actor, key=key)
    there = availability.available(store, transfer.sku_id, transfer.origin_node_id, without_transfers=not_yet)
    free = max(there[0].available_units - there[0].presentation_units, 0) if there else 0
    units = min(transfer.units, free // transfer.case_pack_units * transfer.case_pack_units)
    if units <= 0:
        reason = f"{free} units are left at {transfer.origin_node_id}, fewer than a case"
        return transfer_ledger.advance(store, transfer.transfer_id, transfer_ledger.CANCELLED, actor=actor, reason=reason)
    reason = "" if units == transfer.units else f"{units} of {transfer.units} are still available at {transfer.origin_node_id}"
    return transfer_ledger.advance(store, transfer.transfer_id, transfer_ledger.ISSUED, actor=actor, reason=reason, units=units, key=key)


def _queue(store: sqlite3.Connection, issued: list[Transfer]) -> list[str]:
    """One document for each kind, origin, destination, mode and day; its key is the hash of its lines."""
    departures: dict[tuple, list[Transfer]] = {}
    for t in sorted(issued, key=lambda t: t.transfer_id):
        departures.setdefault((t.order_kind, t.origin_node_id or "", t.destination_node_id, t.mode, t.ship_date), []).append(t)
    keys = []
    for (kind, origin, destination, mode, day), lines in sorted(departures.items()):
        content = [
            {"transfer_id": t.transfer_id, "sku_id": t.sku_id, "units": t.units, "arrival_date": t.arrival_date, "as_of_date": t.as_of_date}
            for t in lines
        ]
        text = json.dumps(content, sort_keys=True)
        key = hashlib.sha256("|".join((kind, origin, destination, mode, day, text)).encode()).hexdigest()[:24]
        store.execute(
            "insert into outbox (document_key, order_kind, origin_node_id, destination_node_id, mode, ship_date, lines, queued_at) values (?, ?, ?, ?, ?, ?, ?, ?)",
            (key, kind, origin or None, destination, mode, day, text, transfer_ledger.now()),
        )
        keys.append(key)
    return keys
