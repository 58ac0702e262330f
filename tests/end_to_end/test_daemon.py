"""The real daemon: schedule and sensor each fire a run on a running instance."""

import datetime as dt
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.company import write_company
from demo.network import TIME_ZONE
from orchestration import ops_store
from orchestration.automation import last_complete_day
from orchestration.settings import load_settings
from tests.conftest import SMALL, age, change_settings

PORT = 3917


def _start(settings: Path) -> subprocess.Popen:
    """Start webserver, daemon and code location as `nodewise dev` does, with signals that end them."""
    command = [str(Path(sys.executable).parent / "nodewise"), "dev", "--settings", str(settings), "--port", str(PORT)]
    log = (settings.parent / "dev.log").open("w")
    return subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, cwd=settings.parent)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company whose last day is yesterday, so that the schedule's day has data; large enough that no store has a day without a sale."""
    folder = tmp_path_factory.mktemp("live")
    yesterday = last_complete_day(dt.datetime.now(dt.UTC), TIME_ZONE)
    write_company(folder, sku_count=60, day_count=100, last_day=yesterday.isoformat(), seed=3, daily_days=3)
    change_settings(folder / "settings.yaml", SMALL)
    return folder


def _answers() -> bool:
    """Whether the webserver is up; before that its processes are still making the instance's tables."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", PORT)) == 0


def _runs(settings: Path) -> list[tuple[str, str]]:
    """Tags of what started each run, and its status."""
    import dagster as dg

    os.environ["DAGSTER_HOME"] = str(load_settings(settings).dagster_home)
    with dg.DagsterInstance.get() as instance:
        return [
            (run.tags.get("dagster/schedule_name") or run.tags.get("dagster/sensor_name") or "", run.status.value)
            for run in instance.get_runs()
        ]


@pytest.fixture
def live(company: Path, tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "live"
    shutil.copytree(company, folder)
    yield folder / "settings.yaml"


def test_sensor_and_schedule_each_fire_a_run_that_publishes_the_day(live: Path) -> None:
    change_settings(live, {"schedule": {"cron": "* * * * *", "is_active": True}})
    age(live)
    server = _start(live)
    wanted = {("coverage_sensor", "SUCCESS"), ("daily_plan_schedule", "SUCCESS")}
    seen: set[tuple[str, str]] = set()
    try:
        deadline = time.monotonic() + 300
        while not wanted <= seen and time.monotonic() < deadline:
            time.sleep(3)
            seen = set(_runs(live)) if _answers() else set()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        try:
            server.wait(timeout=30)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
    assert wanted <= seen, (live.parent / "dev.log").read_text()[-3000:]
    with ops_store.open_store(load_settings(live).ops) as store:
        versions = {p.version for p in ops_store.publications(store)}
    assert len(versions) == 1
