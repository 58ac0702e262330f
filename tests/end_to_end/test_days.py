"""Days in a row on one company: late files, re-runs, another order of delivery, replay, readers."""

import datetime as dt
import json
import os
import shutil
import threading
import time
from pathlib import Path

import duckdb
import pytest

from orchestration import ops_store
from orchestration.delivered_file import manifest_path
from orchestration.rebuilding import rebuild
from orchestration.running import replay
from orchestration.settings import load_settings
from tests.conftest import LAST_DAY, age, drop, hashes, run

DAYS = [LAST_DAY - dt.timedelta(days=n) for n in (3, 2, 1, 0)]


class Reader(threading.Thread):
    """Queries the published day in a loop and notes what it saw."""

    def __init__(self, published: Path) -> None:
        super().__init__(daemon=True)
        self.published, self.stop = published, threading.Event()
        self.seen: set[tuple[str, ...]] = set()
        self.failures: list[str] = []

    def run(self) -> None:
        while not self.stop.is_set():
            link = self.published / "current"
            if not link.exists():
                time.sleep(0.05)
                continue
            version = link.resolve()  # a reader resolves the link once
            try:
                with duckdb.connect() as reader:
                    days = tuple(
                        str(
                            reader.execute(
                                f"select max(as_of_date) from read_parquet('{version}/{t}/*/part.parquet', hive_partitioning = false)"
                            ).fetchone()[0]
                        )
                        for t in ("forecast/demand_means", "plan/stock_targets", "plan/transfers")
                    )
                said = json.loads((version / "manifest.json").read_text())["as_of_date"]
                self.seen.add((said, *days))
            except (duckdb.Error, OSError, ValueError) as error:
                self.failures.append(str(error))
            time.sleep(0.2)  # a loop that leaves the run its share of two cores


@pytest.fixture(scope="module")
def lived(small_company: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    """Four days run in a row; the first day's receipts arrive three days late, and a reader looks on."""
    folder = tmp_path_factory.mktemp("lived") / "deployment"
    shutil.copytree(small_company, folder)
    settings = folder / "settings.yaml"
    age(settings)
    late = drop(settings, "pos_sales", lambda name: DAYS[0].isoformat() in name)
    later = {feed.name: drop(settings, feed.name, lambda n: LAST_DAY.isoformat() in n) for feed in list((folder / "inbox").iterdir())}
    reader = Reader(folder / "published")
    reader.start()
    outcomes, published = [], {}
    for day in DAYS:
        if day == LAST_DAY:
            for path in late:
                shutil.move(path, folder / "inbox" / "pos_sales" / path.name)
            for feed, paths in later.items():
                for path in paths:
                    shutil.move(path, folder / "inbox" / feed / path.name)
            age(settings)
        outcomes.append(run(settings, day, ephemeral=day != LAST_DAY))
        published[day] = hashes(settings)
    reader.stop.set()
    reader.join()
    return {"settings": settings, "outcomes": outcomes, "published": published, "reader": reader}


def test_four_days_run_green_and_are_published(lived: dict) -> None:
    assert [(o.exit_code, o.problems) for o in lived["outcomes"]] == [(0, [])] * 4
    current = json.loads((lived["settings"].parent / "published" / "current" / "manifest.json").read_text())
    assert current["as_of_date"] == LAST_DAY.isoformat()


def test_a_reader_sees_whole_days_only(lived: dict) -> None:
    reader = lived["reader"]
    assert reader.failures == []
    assert reader.seen
    assert {len(set(days)) for days in reader.seen} == {1}


def test_a_late_file_reaches_its_own_day(lived: dict) -> None:
    version = lived["settings"].parent / "published" / "current"
    with duckdb.connect() as reader:
        rows = dict(
            reader.execute(
                f"""select node_id, status from read_parquet('{version}/marts/fct_feed_coverage_daily/*/part.parquet', hive_partitioning = false)
                    where coverage_date = date '{DAYS[0]}' and feed = 'pos_sales'"""
            ).fetchall()
        )
    assert set(rows.values()) == {"complete"}


def test_a_missing_file_was_missing_and_not_zero_on_its_own_day(lived: dict) -> None:
    folder = lived["settings"].parent / "published"
    version = next(p for p in folder.iterdir() if p.name.startswith(DAYS[0].isoformat()))
    with duckdb.connect() as reader:
        demand, complete = reader.execute(
            f"""select count(demand_units), bool_or(is_complete)
                from read_parquet('{version}/marts/fct_demand_region_daily/*/part.parquet', hive_partitioning = false)
                where demand_date = date '{DAYS[0]}' and region_id in ('berlin', 'munich')"""
        ).fetchone()
    assert (demand, complete) == (0, False)


def test_the_same_day_run_again_gives_the_same_hashes(lived: dict) -> None:
    again = run(lived["settings"], LAST_DAY)
    assert again.exit_code == 0
    assert hashes(lived["settings"]) == lived["published"][LAST_DAY]


def test_a_past_day_is_not_run_again_in_place(lived: dict) -> None:
    outcome = run(lived["settings"], DAYS[0])
    assert outcome.exit_code == 1
    assert f"nodewise replay {DAYS[0]}" in outcome.problems[0]


@pytest.mark.parametrize("day", [DAYS[0], DAYS[2]], ids=["three days back", "with a day before it"])
def test_a_replay_of_a_past_day_finds_the_hashes_published_then(lived: dict, day: dt.date) -> None:
    outcome, then, now = replay(load_settings(lived["settings"]), day)
    assert outcome.exit_code == 0
    assert then.content_hashes == lived["published"][day]
    assert now == then.content_hashes


def test_files_delivered_in_another_order_give_the_same_hashes(lived: dict, small_company: Path, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    shutil.copytree(small_company, folder)
    settings = folder / "settings.yaml"
    for feed in sorted((folder / "inbox").iterdir()):
        for n, path in enumerate(sorted((p for p in feed.iterdir() if not p.name.endswith(".json")), reverse=True)):
            if n % 3 == 0:  # a third arrives again under another name
                shutil.copyfile(path, path.with_name("again-" + path.name))
            for one in (path, manifest_path(path)):
                one.rename(one.with_name(f"{n:03d}-{one.name}"))
    age(settings)
    assert run(settings, LAST_DAY).exit_code == 0
    theirs, mine = lived["published"][LAST_DAY], hashes(settings)
    models = {
        name
        for name in mine
        if name.startswith(("forecast.", "plan.", "marts.kpi_forecast_"))
        or name in ("marts.kpi_days_of_supply_node", "marts.kpi_transfer_plan")
    }
    assert {k: v for k, v in mine.items() if k not in models} == {k: v for k, v in theirs.items() if k not in models}
    with ops_store.open_store(load_settings(settings).ops) as store:
        assert any(d.status == "duplicate" for d in ops_store.deliveries(store))


def test_every_line_of_every_file_is_accounted_for(lived: dict) -> None:
    with duckdb.connect() as reader:
        wrong, files = reader.execute(
            f"""select count(*) filter (received_lines <> accepted_lines + duplicate_lines + superseded_lines + quarantined_lines), count(*)
                from read_parquet('{lived["settings"].parent}/published/ops/deliveries.parquet')"""
        ).fetchone()
    assert wrong == 0
    assert files > 50


def test_personal_data_is_nowhere_below_the_deployment_but_in_the_files_that_wait(lived: dict) -> None:
    found = []
    for root, _, names in os.walk(lived["settings"].parent):
        for name in names:
            path = Path(root) / name
            if "inbox" in path.parts or "aside" in path.parts or path.is_symlink():
                continue
            content = path.read_bytes()
            found += [str(path) for secret in (b"@example.com", b"Anna Schmidt", b"Jonas Weber") if secret in content]
    assert found == []


def test_every_dbt_unit_test_passes(lived: dict, tmp_path: Path) -> None:
    from orchestration.dbt import invoke

    found, _ = invoke(["test", "--select", "test_type:unit"], folder=tmp_path, warehouse=load_settings(lived["settings"]).warehouse)
    assert {r.node.name: (r.status, r.message) for r in found.results if r.status != "pass"} == {}
    assert len(found.results) >= 6


def test_a_garbled_warehouse_is_made_again_with_the_same_hashes(lived: dict, tmp_path: Path) -> None:
    folder = tmp_path / "deployment"
    shutil.copytree(lived["settings"].parent, folder, symlinks=True)
    settings = load_settings(folder / "settings.yaml")
    settings.warehouse.write_bytes(b"garbage")
    outcome, changed = rebuild(settings, None)
    assert outcome is not None
    assert (outcome.exit_code, changed) == (0, [])
    assert hashes(folder / "settings.yaml") == lived["published"][LAST_DAY]
