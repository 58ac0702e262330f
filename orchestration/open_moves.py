"""What our own ledgers hold open when a day begins: transfers under way and units reserved for orders.

Belongs here: cutting the ledgers at their last entry. Does not: what a state means (`transfer_ledger.py`, `reservations.py`).
"""

import datetime as dt
import sqlite3

import pandas as pd

from orchestration import transfer_ledger
from orchestration.run_day import OpenMoves

_REMEMBERED_DAYS = 60  # long enough to judge a transfer four weeks after it arrived


def open_moves(store: sqlite3.Connection, as_of_date: dt.date) -> OpenMoves:
    """Transfers of earlier plans, open or of the last weeks, and units that the reservation ledger holds, as of now."""
    event = transfer_ledger.last_event(store)
    entry = int(store.execute("select coalesce(max(entry), 0) from reservations").fetchone()[0])
    since = as_of_date - dt.timedelta(days=_REMEMBERED_DAYS)
    transfers = transfer_ledger.states_through(store, event_sequence=event, before_day=as_of_date.isoformat(), since_day=since.isoformat())
    reserved = pd.read_sql_query(
        "select sku_id, node_id, sum(units) as reserved_units from reservations where entry <= ? group by 1, 2 having sum(units) > 0 order by 1, 2",
        store,
        params=(entry,),
    )
    return OpenMoves(transfers, reserved, event, entry)
