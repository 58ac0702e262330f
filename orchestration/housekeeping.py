"""What a deployment forgets, and whether it has room for a day.

Belongs here: how long landed files and Dagster's log are kept, free space before a run. Does not: published versions (`publishing.py`).
"""

import datetime as dt
import shutil
import sqlite3
from contextlib import closing

import dagster as dg

from orchestration import ops_store
from orchestration.deployment import Deployment
from orchestration.raw_tables import EVENT_MOMENT
from orchestration.settings import Settings

_LEAST_FREE_BYTES = 64 << 20


def refuse_a_full_disk(settings: Settings) -> None:
    """Stop before anything is written when a day may not fit: twice what stands (a rebuild, a version beside it) and thrice what waits.

    Raises
    ------
    dagster.Failure
        Naming what is free and what is needed.
    """
    standing = [settings.warehouse, *(settings.published / "current").resolve().rglob("*")]
    held = sum(path.stat().st_size for path in standing if path.is_file())
    waiting = sum(path.stat().st_size for path in settings.inbox.rglob("*") if path.is_file() and not path.is_symlink())
    needed = max(2 * held + 3 * waiting, _LEAST_FREE_BYTES)
    free = shutil.disk_usage(settings.data_dir).free
    if free < needed:
        raise dg.Failure(
            f"{settings.data_dir} has {free / 1e9:.2f} GB free, a day may need {needed / 1e9:.2f} GB; make room or lower publish.keep_versions",
            allow_retries=False,
        )


def forget_landing(deployment: Deployment, as_of_date: dt.date) -> list[str]:
    """Remove landed files whose days are all older than the settings keep; the ledger and the warehouse keep what they know of them.

    Returns
    -------
    list of str
        ``feed/name`` of each file. A rebuild begins after their days, and days that read them cannot be replayed.
    """
    kept = deployment.settings.retention.landing_days
    if kept is None or deployment.is_replay:
        return []
    first_kept = (as_of_date - dt.timedelta(days=kept)).isoformat()
    with deployment.ops() as store:
        old = ops_store.landed_before(store, first_kept, tuple(EVENT_MOMENT))
        for delivery in old:
            ops_store.forget(store, delivery, at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"))
        store.commit()  # a file may stay behind when the process dies here; one that is gone is always known to be
        for delivery in old:
            (deployment.settings.landing / delivery.feed / f"{delivery.file_hash}.parquet").unlink(missing_ok=True)
    return [f"{delivery.feed}/{delivery.file_name}" for delivery in old]


def forget_runs(instance: dg.DagsterInstance, settings: Settings, now: dt.datetime) -> int:
    """Delete ended runs older than the settings keep, with their events; returns how many."""
    oldest = now - dt.timedelta(days=settings.retention.run_days)
    ended = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
    records = instance.get_run_records(filters=dg.RunsFilter(statuses=ended, created_before=oldest))
    logs = settings.dagster_home / "history" / "runs"
    for record in records:
        instance.delete_run(record.dagster_run.run_id)
        for path in logs.glob(f"{record.dagster_run.run_id}.db*"):
            path.unlink()
    if records:
        for path in (settings.dagster_home / "history" / "runs.db", logs / "index.db"):
            if path.exists():
                with closing(sqlite3.connect(path, timeout=30)) as store:
                    store.execute("vacuum")
    return len(records)
