"""Real public data through the product; skipped with a message where the data are absent (DATA names the folder)."""

import datetime as dt
import os
from pathlib import Path

import duckdb
import pytest

from tests.conftest import age, run

DATA = Path(os.environ.get("DATA", "../shared/data"))
pytestmark = pytest.mark.real


def _need(name: str) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"{DATA / name} is absent; name the folder with DATA=")


def test_the_scorer_gives_the_published_scores_of_the_competition_benchmarks() -> None:
    _need("m5")
    from benchmarks.real.m5_score import check_scorer

    assert check_scorer(DATA) == pytest.approx((1.4639, 0.8697), abs=5e-5)


def test_online_retail_every_line_is_accounted_for_with_its_reason(tmp_path: Path) -> None:
    _need("online_retail")
    from benchmarks.real.online_retail import write_deployment

    settings = write_deployment(DATA, tmp_path, dt.date(2011, 8, 31))
    age(settings)
    assert run(settings, dt.date(2011, 8, 31)).exit_code == 0
    with duckdb.connect() as reader:
        received, wrong = reader.execute(
            f"""select sum(received_lines)::int, count(*) filter (received_lines <> accepted_lines + duplicate_lines + superseded_lines + quarantined_lines)
                from read_parquet('{tmp_path}/published/ops/deliveries.parquet') where feed in ('ecom_orders', 'returns')"""
        ).fetchone()
        reasons = {
            r
            for (r,) in reader.execute(
                f"select distinct reason from read_parquet('{tmp_path}/published/ops/quarantine.parquet')"
            ).fetchall()
        }
    assert (received, wrong) == (320_705, 0)
    assert {"sku_id:not_a_product", "unit_price:stock_correction"} <= reasons


def _facts(settings_file: Path, batches: list[list[Path]]) -> dict[str, tuple[int, str]]:
    """Deliver files batch by batch, load after each, build the facts twice on the way; content hashes of what stands at the end."""
    from orchestration import landing, ops_store, ops_tables, raw_tables, run_day
    from orchestration.dbt import SECOND_PASS, invoke
    from orchestration.publishing import content_hash
    from orchestration.settings import load_settings
    from orchestration.warehouse import open_warehouse

    settings = load_settings(settings_file)
    for n, batch in enumerate(batches):
        for path in batch:
            target = settings.inbox / path.parent.name / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
        landing.land_inbox(settings, settle_seconds=0)
        with ops_store.open_store(settings.ops) as store:
            ledger = ops_store.deliveries(store)
        with open_warehouse(settings.warehouse) as warehouse:
            raw_tables.create_tables(warehouse)
            ops_tables.create_decision_tables(warehouse)
            for feed in raw_tables.LOAD_ORDER:
                raw_tables.load_feed(warehouse, settings, feed, ledger)
            assert raw_tables.unaccounted_files(warehouse, ledger) == []
            if n not in (len(batches) // 2, len(batches) - 1):
                continue
            day = run_day.open_day(warehouse, settings, ledger, dt.date(2011, 8, 31), run_day.nothing_open())
            fresh = run_day.facts_stand(warehouse)
        command = ["run", "--exclude", *SECOND_PASS.split(), *([] if fresh else ["--full-refresh"])]
        built, _ = invoke(command, folder=settings.data_dir / "dbt", warehouse=settings.warehouse)
        assert [r.node.name for r in built.results if r.status != "success"] == []
        with open_warehouse(settings.warehouse) as warehouse:
            run_day.mark_facts_built(warehouse, day)
    tables = (
        "intermediate.int_demand_events_daily",
        "intermediate.int_demand_region_daily",
        "marts.fct_sku_node_daily",
        "marts.fct_returns",
    )
    with open_warehouse(settings.warehouse) as warehouse:
        return {name: content_hash(warehouse, f"select * from {name}") for name in tables}


def test_online_retail_file_by_file_in_any_order_and_a_third_sent_twice_equals_all_at_once(tmp_path: Path) -> None:
    _need("online_retail")
    import random
    import shutil

    from benchmarks.real.online_retail import write_deployment

    settings = write_deployment(DATA, tmp_path / "written", dt.date(2011, 8, 31))
    files = sorted(p for p in (tmp_path / "written" / "inbox").rglob("*.csv"))
    dice = random.Random(1)
    shuffled = dice.sample(files, len(files))
    twice = [*shuffled, *dice.sample(files, len(files) // 3)]
    found = {}
    for name, batches in {"at once": [files], "in any order": [[p] for p in shuffled], "a third twice": [[p] for p in twice]}.items():
        (tmp_path / name).mkdir()
        shutil.copyfile(settings, tmp_path / name / "settings.yaml")
        found[name] = _facts(tmp_path / name / "settings.yaml", batches)
    assert all(rows > 0 for rows, _ in found["at once"].values())
    assert found["in any order"] == found["at once"]
    assert found["a third twice"] == found["at once"]


def test_scms_freight_that_is_a_sentence_is_set_aside_by_field_and_deliveries_are_on_time_as_described(tmp_path: Path) -> None:
    _need("scms")
    from benchmarks.real.scms import facts_of, write_deployment

    found = facts_of(write_deployment(DATA, tmp_path))
    assert (found["shipments"], found["freight_numeric"]) == (10_324, 6_198)
    assert found["quarantine"] == [["field", "freight_cost:not_a_decimal", 10_324 - 6_198]]
    assert found["on_time_rate"] == pytest.approx(0.885, abs=5e-4)
    assert found["failed"] == []
    assert found["files_that_do_not_add_up"] == []


def test_m5_runs_end_to_end_and_beats_the_peer(tmp_path: Path) -> None:
    _need("m5")
    from benchmarks.real.m5 import write_deployment
    from benchmarks.real.m5_score import published_forecast, sales_matrix, score

    last = dt.date(2016, 4, 24)
    settings = write_deployment(DATA, tmp_path, last)
    age(settings)
    assert run(settings, last).exit_code == 0
    found = score(DATA, sales_matrix(DATA, last + dt.timedelta(days=1), 28), published_forecast(DATA, tmp_path, last))
    assert found["total"] < 0.659  # mlforecast with LightGBM on the same history
