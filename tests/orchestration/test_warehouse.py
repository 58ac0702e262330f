"""Opening the pipeline's private file: held by somebody else, damaged, lost."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from orchestration.running import only_run
from orchestration.warehouse import WarehouseError, open_warehouse
from tests.orchestration.test_ingest import make

_HOLD = (
    "import duckdb, sys, time; c = duckdb.connect(sys.argv[1], read_only=True); print('held', flush=True); time.sleep(float(sys.argv[2]))"
)


def _hold(path: Path, seconds: float) -> subprocess.Popen:
    """A reader in another process that opens the working file, which nobody should."""
    with open_warehouse(path):
        pass
    reader = subprocess.Popen([sys.executable, "-c", _HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    reader.stdout.readline()
    return reader


def test_a_reader_that_goes_away_is_waited_for(tmp_path: Path) -> None:
    reader = _hold(tmp_path / "warehouse.duckdb", 1.5)
    start = time.monotonic()
    with open_warehouse(tmp_path / "warehouse.duckdb") as warehouse:
        assert warehouse.execute("select 1").fetchone() == (1,)
    assert time.monotonic() - start > 0.4
    reader.wait()


def test_a_reader_that_stays_is_named_with_what_to_do(tmp_path: Path) -> None:
    reader = _hold(tmp_path / "warehouse.duckdb", 60)
    with (
        pytest.raises(WarehouseError, match=f"PID {reader.pid}.*readers open published/current"),
        open_warehouse(tmp_path / "warehouse.duckdb"),
    ):
        pass
    reader.kill()
    reader.wait()


def test_a_damaged_file_says_how_to_make_it_again(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    path.write_bytes(b"garbage" * 1000)
    with pytest.raises(WarehouseError, match="nodewise rebuild"), open_warehouse(path):
        pass


def test_a_second_run_waits_for_the_first_and_goes_on_when_that_is_killed(tmp_path: Path) -> None:
    """Reliability 24 and 25."""
    script = "import sys, time; from pathlib import Path; from tests.orchestration.test_ingest import make; from orchestration.running import only_run\n"
    script += "with only_run(make(Path(sys.argv[1]))): print('in', flush=True); time.sleep(60)"
    first = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    assert first.stdout.readline() == "in\n"
    entered = threading.Event()

    def second() -> None:
        with only_run(make(tmp_path)):
            entered.set()

    threading.Thread(target=second, daemon=True).start()
    assert not entered.wait(0.5)
    first.kill()
    first.wait()
    assert entered.wait(5)
