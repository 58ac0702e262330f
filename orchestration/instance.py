"""The Dagster instance of a deployment.

Belongs here: DAGSTER_HOME, healing runs whose process is gone, one server a deployment. Does not: running anything.
"""

import fcntl
import os
import shutil
from pathlib import Path

import dagster as dg

from orchestration.settings import Settings

PID_TAG = "nodewise/pid"
_INSTANCE_FILE = Path(__file__).resolve().parent.parent / "dagster.yaml"


def prepare_home(settings: Settings) -> Path:
    """Put `dagster.yaml` where Dagster looks for it, for this deployment; files made from here on are private."""
    os.umask(0o077)
    home = settings.dagster_home
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copyfile(_INSTANCE_FILE, home / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The instance, with runs that a dead process left behind reported as failed."""
    prepare_home(settings)
    instance = dg.DagsterInstance.get()
    active = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=active)):
        pid = run.tags.get(PID_TAG)
        if pid is not None and not Path(f"/proc/{pid}").exists() and not _alive(int(pid)):
            instance.report_run_failed(run, "the process of this run is gone")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)  # else the next run waits for its pool slot
    return instance


def only_server(settings: Settings) -> bool:
    """Whether this process may serve the deployment: it keeps a lock that its own successors inherit, until the last of them is gone."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    lock = os.open(settings.data_dir / ".serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return False
    os.set_inheritable(lock, True)
    return True


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
