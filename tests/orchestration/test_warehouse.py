"""Opening the pipeline's private file: held by somebody else, damaged, lost."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from orchestration.warehouse import WarehouseError, open_warehouse

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
