"""The warehouse made again: everything in it is derived, so a lost or damaged file costs time and nothing else.

Belongs here: a new warehouse from landing, the ledger and the published decisions, and the last day run again on it. Does not: a
past day in a scratch warehouse (`running.replay`).
"""

import datetime as dt

from orchestration import ops_store, ops_tables
from orchestration.deployment import Deployment
from orchestration.publishing import restore_decisions
from orchestration.running import Outcome, Progress, run_day
from orchestration.settings import Settings
from orchestration.warehouse import open_warehouse


def rebuild(settings: Settings, as_of_date: dt.date | None, *, progress: Progress | None = None) -> tuple[Outcome | None, list[str]]:
    """Put the warehouse aside as `warehouse.duckdb.old`, make it again and run its last published day, or ``as_of_date``.

    Returns
    -------
    Outcome or None, list of str
        None when nothing was ever published and no day is asked for: the next run then builds everything. Tables whose content
        now differs from what was published; late files that came since are a good reason for some.
    """
    for name in ("warehouse.duckdb", "warehouse.duckdb.wal"):
        if (settings.data_dir / name).exists():
            (settings.data_dir / name).replace(settings.data_dir / f"{name}.old")
    with ops_store.open_store(settings.ops) as store:
        published = ops_store.publications(store)
    with open_warehouse(settings.warehouse) as warehouse:
        ops_tables.create_decision_tables(warehouse)
        restore_decisions(warehouse, settings.published / "current")
    day = as_of_date or (dt.date.fromisoformat(published[-1].as_of_date) if published else None)
    if day is None:
        return None, []
    outcome = run_day(Deployment(settings), day, progress=progress)
    then = {p.as_of_date: p.content_hashes for p in published}.get(day.isoformat(), {})
    with ops_store.open_store(settings.ops) as store:
        now = {p.as_of_date: p.content_hashes for p in ops_store.publications(store)}.get(day.isoformat(), {})
    return outcome, sorted(name for name, digest in then.items() if now.get(name) != digest)
