"""Opening the pipeline's private file: held by somebody else, damaged, lost."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from orchestration.publishing import restore_decisions
from orchestration.running import only_run
from orchestration.warehouse import WarehouseError, open_warehouse, replace_day
from planning.frames import REPLENISHMENTS
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


def test_a_decision_table_gains_the_columns_that_its_frame_has_gained_and_older_published_days_are_read(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "warehouse.duckdb") as warehouse:
        warehouse.execute("create schema if not exists plan")
        warehouse.execute(
            "create table plan.replenishments as select date '2026-01-30' as as_of_date, 's' as sku_id, 'n' as node_id, 'hub' as source, "
            "4::bigint as ordered_units, date '2026-02-02' as expected_date, 'below_reorder_point' as reason_code"
        )
        folder = tmp_path / "current" / "plan" / "replenishments" / "as_of_date=2026-01-29"
        folder.mkdir(parents=True)
        warehouse.execute(f"copy (select * replace (date '2026-01-29' as as_of_date) from plan.replenishments) to '{folder}/part.parquet'")
        today = pd.DataFrame(
            {"as_of_date": [pd.Timestamp("2026-01-31")], "sku_id": "s", "node_id": "n", "source": "hub", "ordered_units": 5,
             "expected_date": pd.Timestamp("2026-02-03"), "reason_code": "cannot_wait", "status": "proposed"}
        )  # fmt: skip
        replace_day(warehouse, REPLENISHMENTS, today, as_of_date="2026-01-31")
        restore_decisions(warehouse, tmp_path / "current", names=("plan.replenishments",))
        rows = warehouse.execute("select ordered_units, status from plan.replenishments order by as_of_date").fetchall()
    assert rows == [(4, None), (4, None), (5, "proposed")]
