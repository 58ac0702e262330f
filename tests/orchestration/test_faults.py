"""Every fault of the demo company: nothing crashes, every line is accounted for, and each comes to what it says."""

import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from demo.faults import FAULTS, apply_faults
from orchestration import landing, ops_store, raw_tables
from orchestration.settings import load_settings
from orchestration.warehouse import open_warehouse
from tests.conftest import LAST_DAY

NEEDED = ("pos_sales", "inventory_snapshots", "skus", "nodes")


def _take_in(settings_file: Path) -> dict:
    settings = load_settings(settings_file)
    landing.land_inbox(settings, settle_seconds=0)
    with ops_store.open_store(settings.ops) as store:
        ledger = ops_store.deliveries(store)
    with open_warehouse(settings.warehouse) as warehouse:
        raw_tables.create_tables(warehouse)
        for feed in NEEDED:
            raw_tables.load_feed(warehouse, settings, feed, ledger)
        assert raw_tables.unaccounted_files(warehouse, ledger) == []
        sales = warehouse.execute(
            "select * exclude (source_file_hash, source_line_number, ledger_sequence) from raw.pos_sales order by all"
        ).df()
        quarantined = warehouse.execute("select reason, count(*) from raw.quarantined_lines group by all order by all").fetchall()
    return {
        "ledger": ledger,
        "sales": sales,
        "quarantined": quarantined,
        "left": sorted(p.name for p in (settings.inbox / "pos_sales").iterdir()),
    }


@pytest.fixture(scope="module")
def lean(small_company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small company with the last days of two feeds, and their masters."""
    folder = tmp_path_factory.mktemp("lean") / "company"
    shutil.copytree(small_company, folder)
    for path in (folder / "inbox").rglob("*"):
        if path.is_file() and (path.parent.name not in NEEDED or (path.parent.name in NEEDED[:2] and "_2026-04" not in path.name)):
            path.unlink()
    return folder


@pytest.fixture(scope="module")
def undamaged(lean: Path, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    folder = tmp_path_factory.mktemp("undamaged") / "company"
    shutil.copytree(lean, folder)
    return _take_in(folder / "settings.yaml")["sales"]


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_comes_to_what_it_says(lean: Path, undamaged: pd.DataFrame, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "company"
    shutil.copytree(lean, folder)
    for path in (folder / "inbox").rglob("*"):
        os.utime(path, (0, 0))
    apply_faults(folder / "inbox", [name], day=LAST_DAY.isoformat())
    found = _take_in(folder / "settings.yaml")
    fewer = len(found["sales"]) < len(undamaged)
    rejected = [d for d in found["ledger"] if d.status == "rejected"]
    match FAULTS[name].outcome:
        case "refused":
            assert len(rejected) == 1
            assert (
                "feeds." in rejected[0].reason
                or "send" in rejected[0].reason
                or "damaged" in rejected[0].reason
                or "ended" in rejected[0].reason
            )
        case "harmless":
            pd.testing.assert_frame_equal(found["sales"], undamaged)
        case "quarantined":
            assert sum(count for _, count in found["quarantined"]) == 1
            pd.testing.assert_frame_equal(found["sales"], undamaged)
        case "left":
            assert found["left"]
            pd.testing.assert_frame_equal(found["sales"], undamaged)
        case "held" | "accepted":
            assert len(found["sales"]) == len(undamaged) + 1
        case "missing":
            assert fewer
    if FAULTS[name].outcome != "refused":
        assert rejected == []
