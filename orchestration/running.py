"""Running a day, and deriving a past day again.

Belongs here: one run of the job through Dagster with its outcome as data; the scratch deployment of a replay. Does not:
printing (`cli.py`).
"""

import contextlib
import datetime as dt
import fcntl
import io
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from orchestration import forecast_revisions, gates, ops_store, ops_tables
from orchestration.automation import JOB
from orchestration.checks import STALE
from orchestration.definitions import build_defs
from orchestration.deployment import Deployment
from orchestration.instance import PID_TAG, open_instance
from orchestration.publishing import restore_decisions
from orchestration.run_day import NoRunDayError, read_day, settings_hash
from orchestration.settings import Settings
from orchestration.warehouse import open_warehouse

OK, ERROR, USAGE, GATE, INFEASIBLE, STALE_INPUT = range(6)
Progress = Callable[[str, str, float], None]


@dataclass(frozen=True)
class Outcome:
    """What a run came to.

    Parameters
    ----------
    exit_code : int
        0 ok, 1 error, 3 gate failed, 4 infeasible, 5 stale input.
    as_of_date : str
    problems : list of str
        Red gates or the error, each with its remedy.
    seconds : dict of str to float
        Wall time by step.
    version : str
        Published version, empty when nothing was published.
    """

    exit_code: int
    as_of_date: str
    problems: list[str]
    seconds: dict[str, float]
    version: str


class ReplayError(RuntimeError):
    """The day cannot be derived again; the message says why."""


@contextlib.contextmanager
def only_run(settings: Settings) -> Iterator[None]:
    """Wait until no other command runs a day of this deployment, and keep others waiting."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    with (settings.data_dir / ".run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # freed with the process, however it ends
        yield


def run_day(deployment: Deployment, as_of_date: dt.date, *, progress: Progress | None = None, ephemeral: bool = False) -> Outcome:
    """Run the job for one day in this process and say what it came to; two runs of a deployment follow each other."""
    with only_run(deployment.settings):
        return _run_day(deployment, as_of_date, progress=progress, ephemeral=ephemeral)


def _run_day(deployment: Deployment, as_of_date: dt.date, *, progress: Progress | None, ephemeral: bool) -> Outcome:
    started: dict[str, float] = {}
    seconds: dict[str, float] = {}
    errors: list[str] = []

    def listen(event: dg.EventLogEntry) -> None:
        step, kind = event.step_key, event.dagster_event_type
        if step is None or kind is None:
            return
        if kind == dg.DagsterEventType.STEP_START:
            started[step] = time.monotonic()
        elif kind in (dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE) and step in started:
            seconds[step] = time.monotonic() - started[step]
            if kind == dg.DagsterEventType.STEP_FAILURE:
                errors.append(_message(event))
        if progress is not None and kind in (
            dg.DagsterEventType.STEP_START,
            dg.DagsterEventType.STEP_SUCCESS,
            dg.DagsterEventType.STEP_FAILURE,
        ):
            progress(step, kind.value, seconds.get(step, 0.0))

    job = build_defs(deployment).resolve_job_def(JOB)
    instance = dg.DagsterInstance.ephemeral() if ephemeral else open_instance(deployment.settings)
    run_id = str(uuid.uuid4())
    instance.add_event_listener(run_id, listen)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # dbt's log stands in the event log; stdout is for answers
            result = job.execute_in_process(
                partition_key=as_of_date.isoformat(),
                instance=instance,
                raise_on_error=False,
                run_id=run_id,
                tags={PID_TAG: str(os.getpid())},
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
    finally:
        instance.dispose()
    return _outcome(deployment, as_of_date, result.success, errors, seconds)


def _message(event: dg.EventLogEntry) -> str:
    error = event.dagster_event.step_failure_data.error if event.dagster_event else None
    while error is not None and error.cause is not None:
        error = error.cause
    data = event.dagster_event.step_failure_data if event.dagster_event else None
    if data is not None and data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    return error.message.strip() if error is not None else "a step failed; see the run's log"


def _outcome(deployment: Deployment, as_of_date: dt.date, success: bool, errors: list[str], seconds: dict[str, float]) -> Outcome:
    day = as_of_date.isoformat()
    try:
        with deployment.warehouse() as warehouse:
            opened = read_day(warehouse)
        red = gates.red(deployment, opened) if opened.as_of_date == as_of_date else []
    except NoRunDayError:
        red = []
    with deployment.ops() as store:
        published = [p for p in ops_store.publications(store) if p.as_of_date == day]
    if success:
        return Outcome(OK, day, [], seconds, published[-1].version if published else "")
    if red:
        problems = [f"{v.gate}/{v.check_name}: {v.message}" for v in red]
        stale = all(STALE in v.message for v in red)
        return Outcome(STALE_INPUT if stale else GATE, day, problems, seconds, "")
    infeasible = any("InfeasiblePlanError" in e for e in errors)
    return Outcome(INFEASIBLE if infeasible else ERROR, day, errors or ["the run failed; see its log in the Dagster UI"], seconds, "")


def replay(
    settings: Settings, as_of_date: dt.date, *, progress: Progress | None = None
) -> tuple[Outcome, ops_store.Publication, dict[str, str]]:
    """Derive a published day again in a scratch deployment, from landing and the ledger as it was cut then.

    Returns
    -------
    Outcome, Publication, dict
        The scratch run, what was published then, and the content hashes found now.

    Raises
    ------
    ReplayError
        The day was never published, or with other settings.
    """
    with ops_store.open_store(settings.ops) as store:
        found = [p for p in ops_store.publications(store) if p.as_of_date == as_of_date.isoformat()]
    if not found:
        raise ReplayError(f"{as_of_date} was never published; published days stand in `nodewise status`")
    then = found[-1]
    if then.settings_hash != settings_hash(settings):
        raise ReplayError(f"{as_of_date} was published with other settings; put the settings of that day back to replay it")
    with ops_store.open_store(settings.ops) as store:
        gone = [d for d in ops_store.deliveries(store, through=then.ledger_sequence) if d.status == "forgotten"]
    if gone:
        raise ReplayError(
            f"{as_of_date} read {len(gone)} files that retention.landing_days has removed ({gone[0].feed}/{gone[0].file_name}, …)"
        )
    with tempfile.TemporaryDirectory(prefix="nodewise-replay-") as folder:
        scratch = settings.model_copy(update={"data_dir": Path(folder)})
        _cut(settings, scratch, then)
        deployment = Deployment(scratch, pinned_model=then.model_version, is_replay=True)
        outcome = run_day(deployment, as_of_date, progress=progress, ephemeral=True)
        with deployment.ops() as store:
            again = ops_store.publications(store)
    return outcome, then, again[-1].content_hashes if again else {}


def _cut(settings: Settings, scratch: Settings, then: ops_store.Publication) -> None:
    """Give the scratch deployment the landing area, the ledger up to the cut, that day's model and the forecasts of the week before."""
    scratch.landing.symlink_to(settings.landing, target_is_directory=True)
    with ops_store.open_store(scratch.ops) as store:
        store.execute("attach ? as source", (str(settings.ops),))
        names = "ledger_sequence, feed, file_hash, file_name, received_at, file_bytes, received_lines, status, reason, column_types, dropped_columns, is_verified"
        store.execute(
            f"insert into deliveries ({names}) select {names} from source.deliveries where ledger_sequence <= ?",
            (then.ledger_sequence,),
        )
        store.execute(
            "insert into delivered_days select * from source.delivered_days where (feed, file_hash) in"
            " (select feed, file_hash from source.deliveries where ledger_sequence <= ?)",
            (then.ledger_sequence,),
        )
        for table, cut, value in (
            (
                "transfer_orders",
                "transfer_id in (select transfer_id from source.transfer_events where event_sequence <= ?)",
                then.event_sequence,
            ),
            ("transfer_events", "event_sequence <= ?", then.event_sequence),
            ("reservations", "entry <= ?", then.reservation_sequence),
        ):
            store.execute(f"insert into {table} select * from source.{table} where {cut}", (value,))
        store.commit()
        store.execute("detach source")
    scratch.models.mkdir()
    for path in settings.models.glob(f"{then.model_version}.*"):
        shutil.copyfile(path, scratch.models / path.name)
    with open_warehouse(scratch.warehouse) as warehouse:  # what the forecast is compared with
        ops_tables.create_decision_tables(warehouse)
        day = dt.date.fromisoformat(then.as_of_date)
        restore_decisions(
            warehouse,
            settings.published / "current",
            names=forecast_revisions.LOOKS_BACK_AT,
            after=(day - dt.timedelta(days=forecast_revisions.LONGEST_GAP_DAYS + 1)).isoformat(),
            before=then.as_of_date,
        )
