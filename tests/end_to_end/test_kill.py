"""SIGKILL in the middle of a run, then the run again: the hashes of an undisturbed run."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import LAST_DAY, age, hashes, run


@pytest.fixture(scope="module")
def undisturbed(small_company: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("undisturbed") / "deployment"
    shutil.copytree(small_company, folder)
    age(folder / "settings.yaml")
    assert run(folder / "settings.yaml", LAST_DAY).exit_code == 0
    return hashes(folder / "settings.yaml")


def _facts(folder: Path) -> bool:
    return (folder / "dbt" / "facts" / "dbt.log").exists()


def _publishing(folder: Path) -> bool:
    return (folder / "published" / ".building").exists()


@pytest.mark.parametrize("reached", [_facts, _publishing], ids=["while building facts", "while publishing"])
def test_a_killed_run_leaves_nothing_behind(deployment: Path, undisturbed: dict[str, str], reached: Callable[[Path], bool]) -> None:
    age(deployment)
    command = [
        str(Path(sys.executable).parent / "nodewise"),
        "run",
        "--settings",
        str(deployment),
        "--as-of-date",
        LAST_DAY.isoformat(),
        "--json",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 240
    while not reached(deployment.parent) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    assert process.poll() is None, "the run ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (deployment.parent / "published" / "current").exists()
    assert run(deployment, LAST_DAY, ephemeral=False).exit_code == 0
    assert hashes(deployment) == undisturbed
