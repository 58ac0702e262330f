"""A red gate at each stage: exit 3, nothing downstream, yesterday's publish stands, the message says what to do."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from orchestration import progress
from orchestration.checks import delivered_files_can_be_read
from orchestration.definitions import build_defs
from orchestration.deployment import Deployment
from orchestration.landing import land_inbox
from orchestration.run_day import read_day
from orchestration.settings import load_settings
from tests.conftest import LAST_DAY, age, run

YESTERDAY = LAST_DAY - dt.timedelta(days=1)


@pytest.fixture(scope="module")
def published_yesterday(small_company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("yesterday") / "deployment"
    shutil.copytree(small_company, folder)
    age(folder / "settings.yaml")
    assert run(folder / "settings.yaml", YESTERDAY).exit_code == 0
    return folder


@pytest.fixture
def settings(published_yesterday: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "deployment"
    shutil.copytree(published_yesterday, folder, symlinks=True)
    return folder / "settings.yaml"


def _manifest(settings: Path) -> dict:
    return json.loads((settings.parent / "published" / "current" / "manifest.json").read_text())


def _run_red(settings: Path, *, said: str, ran_not: tuple[str, ...]) -> None:
    assert set(ran_not) <= set(progress._STAGES), "steps that no run has cannot run"
    before = _manifest(settings)
    outcome = run(settings, LAST_DAY)
    assert outcome.exit_code == 3, outcome
    assert said in " ".join(outcome.problems)
    assert not set(ran_not) & set(outcome.seconds)
    assert _manifest(settings) == before


AFTER_PLAN = ("plan__replenishments", "facts_and_kpis", "published__current")
AFTER_FORECAST = ("targets", "moves", *AFTER_PLAN)


def test_a_renamed_column_in_a_feed(settings: Path) -> None:
    path = settings.parent / "inbox" / "pos_sales" / "pos_sales_correction.csv"
    path.write_text("ReceiptNo,Line,Timestamp,Store,Item,Quantity,Price\nR1,1,2026-04-02T10:00:00Z,STORE-BERLIN,01001,1,2.0\n")
    age(settings)
    _run_red(settings, said="pos_sales_correction.csv: column Qty is missing", ran_not=("facts", "forecast", *AFTER_FORECAST))
    path.write_text("ReceiptNo,Line,Timestamp,Store,Item,Qty,Price\nR1,1,2026-04-02T10:00:00Z,STORE-BERLIN,01001,1,2.0\n")
    age(settings)
    land_inbox(load_settings(settings))
    deployment = Deployment(load_settings(settings))
    with deployment.warehouse() as warehouse:
        day = read_day(warehouse)
        answered = delivered_files_can_be_read(warehouse, deployment, replace(day, ledger_sequence=day.ledger_sequence + 1))
    assert answered.problems == []


def test_a_broken_fact_identity(settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration import dbt, run_day

    broken = tmp_path / "dbt_project"
    shutil.copytree(run_day.DBT_PROJECT, broken, ignore=shutil.ignore_patterns("target", "logs"))
    model = broken / "models" / "marts" / "fct_sku_node_daily.sql"
    right, wrong = (
        "rolled.on_hand_units::bigint as on_hand_units,",
        "rolled.on_hand_units::bigint + dayofyear(rolled.stock_date) % 2 as on_hand_units,",
    )
    assert right in model.read_text()
    model.write_text(model.read_text().replace(right, wrong))
    monkeypatch.setattr(run_day, "DBT_PROJECT", broken)
    monkeypatch.setattr(dbt, "DBT_PROJECT", broken)
    _run_red(settings, said="assert_stock_today_is_yesterday_plus_in_minus_out", ran_not=("forecast", *AFTER_FORECAST))


def test_a_forecast_that_lost_its_calibration(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ml import backtest

    honest = backtest.quantiles

    def too_sure(**arguments: object) -> np.ndarray:
        return np.repeat(honest(**arguments)[:, 4:5], 9, axis=1)

    monkeypatch.setattr(backtest, "quantiles", too_sure)
    shutil.rmtree(settings.parent / "models")
    _run_red(settings, said="the 95 % band held", ran_not=AFTER_FORECAST)


def test_a_plan_that_ships_too_much_and_cannot_be_materialised_by_hand_afterwards(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.assets import plan as stage

    honest = stage.plan_transfers

    def greedy(**arguments: object):
        found = honest(**arguments)
        return replace(found, lines=found.lines.assign(transfer_units=found.lines["transfer_units"] * 10_000))

    monkeypatch.setattr(stage, "plan_transfers", greedy)
    _run_red(settings, said="ship more than is available", ran_not=AFTER_PLAN)
    monkeypatch.undo()
    by_hand = _materialise(settings, ["plan", "replenishments"])
    assert "a gate is red" in by_hand
    assert "replenishments refused" in by_hand


def test_a_red_facts_gate_refuses_transfers_by_hand(settings: Path) -> None:
    from orchestration import gates

    deployment = Deployment(load_settings(settings))
    with deployment.warehouse() as warehouse:
        day = read_day(warehouse)
    gates.record(deployment, day, gate="facts", check="dbt_tests", finding=gates.Finding(["an identity is broken"]))
    said = _materialise(settings, ["plan", "transfers"], day.as_of_date)
    assert "plan refused" in said
    assert "an identity is broken" in said


def _materialise(settings: Path, key: list[str], day: dt.date = LAST_DAY) -> str:
    """Materialise one asset by hand and return why it failed."""
    deployment = Deployment(load_settings(settings))
    job = build_defs(deployment).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(asset_selection=[dg.AssetKey(key)], partition_key=day.isoformat(), raise_on_error=False)
    assert not result.success
    failures = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    return " ".join(str(f.user_failure_data.description if f.user_failure_data else f.error) for f in failures)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    "damage", [_flip, lambda path: path.unlink(), lambda path: path.write_bytes(path.read_bytes()[:-9])], ids=["flipped", "lost", "cut"]
)
def test_a_damaged_publish(settings: Path, monkeypatch: pytest.MonkeyPatch, damage: Callable[[Path], None]) -> None:
    from orchestration import publishing

    if damage is not _flip:  # the whole day once is enough; the other damages are tried on the verified folder
        monkeypatch.undo()
        version = (settings.parent / "published" / "current").resolve()
        damage(next((version / "plan" / "transfers").rglob("part.parquet")))
        with (
            Deployment(load_settings(settings)).warehouse() as warehouse,
            pytest.raises(publishing.DamagedPublishError, match=r"plan\.transfers"),
        ):
            publishing.verify(warehouse, version)
        return
    honest = publishing._write_manifest

    def then_damage(part: Path, *arguments: object) -> None:
        honest(part, *arguments)
        damage(next((part / "plan" / "transfers" / f"as_of_date={LAST_DAY}").rglob("part.parquet")))

    monkeypatch.setattr(publishing, "_write_manifest", then_damage)
    _run_red(settings, said="published files do not hold what the warehouse holds", ran_not=())


def test_a_required_feed_without_the_day_is_stale_input(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _manifest(settings)
    late = LAST_DAY + dt.timedelta(days=3)
    outcome = run(settings, late)
    assert outcome.exit_code == 5
    assert "ecom_orders has no data after" in " ".join(outcome.problems)
    assert _manifest(settings) == before


def test_a_plan_that_the_twin_finds_surely_worse_than_none_is_refused(settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orchestration.assets import plan as stage

    honest = stage.lived_plan

    def dear(*arguments: object):
        found = honest(*arguments)
        lived = found if len(found) else found.reindex(range(1)).assign(as_of_date=LAST_DAY, draw_number=0)
        worse = [lived.assign(draw_number=n, without_cost=100.0, with_cost=150.0 + n, difference_gain=-50.0 - n) for n in range(6)]
        columns = {"without_fill_rate": 0.9, "with_fill_rate": 0.9, "moved_units": 1}
        return pd.concat([one.head(1).assign(**columns) for one in worse], ignore_index=True)

    monkeypatch.setattr(stage, "lived_plan", dear)
    _run_red(settings, said="the plan gains -52.50 against none", ran_not=AFTER_PLAN)
