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
