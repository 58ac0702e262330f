"""Model files over several mornings: kept, damaged, replaced, and the forecast that is made all the same."""

import datetime as dt
import json
import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from tests.conftest import LAST_DAY, age, change_settings, run

FIRST, SECOND = LAST_DAY - dt.timedelta(days=2), LAST_DAY - dt.timedelta(days=1)


def _query(settings: Path, sql: str) -> pd.DataFrame:
    with duckdb.connect(str(settings.parent / "warehouse.duckdb"), read_only=True) as warehouse:
        return warehouse.sql(sql).df()


def _entries(settings: Path) -> dict[str, dict]:
    """Facts by the day of the choice."""
    facts = {path.stem: json.loads(path.read_text()) for path in (settings.parent / "models").glob("*.json")}
    return {content["chosen_on_date"]: content | {"version": version} for version, content in facts.items()}


@pytest.fixture(scope="module")
def two_mornings(small_company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A deployment that chose a champion on each of two mornings and keeps it from then on."""
    folder = tmp_path_factory.mktemp("two_mornings") / "deployment"
    shutil.copytree(small_company, folder)
    deployment = folder / "settings.yaml"
    age(deployment)
    change_settings(deployment, {"forecast": {"retrain_every_days": 1}})
    for day in (FIRST, SECOND):
        assert run(deployment, day).exit_code == 0
    change_settings(deployment, {"forecast": {"retrain_every_days": 7}})
    return deployment


def test_a_drift_makes_a_new_choice_due_once_a_day(two_mornings: Path) -> None:
    """Of the same champion, asked on the morning after."""
    from orchestration.assets.forecast import _registered
    from orchestration.deployment import Deployment
    from orchestration.panel_query import read_panel
    from orchestration.run_day import read_day
    from orchestration.settings import load_settings

    deployed = Deployment(load_settings(two_mornings))
    with deployed.warehouse() as warehouse:
        day = read_day(warehouse)
        panel = read_panel(warehouse, deployed.settings, day.as_of_date)
    assert day.as_of_date == SECOND
    assert _registered(deployed, day, panel, "drift") is not None  # chosen this morning
    assert _registered(deployed, replace(day, as_of_date=LAST_DAY), panel, "") is not None
    assert _registered(deployed, replace(day, as_of_date=LAST_DAY), panel, "drift") is None


def test_a_champion_that_stays_is_written_again_with_its_scores_under_its_name(two_mornings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A challenger that learns nothing but noise loses to it."""
    from orchestration.assets import forecast as stage

    champion = _entries(two_mornings)[FIRST.isoformat()]
    folder = two_mornings.parent / "models"
    for path in folder.glob("*"):
        if not path.name.startswith(champion["version"]):
            path.unlink()
    honest = stage.run_backtest

    def confused(panel, **arguments: object):
        backtest, reason = honest(panel, **arguments)
        worse = backtest.scores["forecaster"].str.startswith("model")
        return replace(backtest, scores=backtest.scores.assign(score=backtest.scores["score"].where(~worse, 9.0))), reason

    monkeypatch.setattr(stage, "run_backtest", confused)
    change_settings(two_mornings, {"forecast": {"retrain_every_days": 1}})
    assert run(two_mornings, SECOND).exit_code == 0
    change_settings(two_mornings, {"forecast": {"retrain_every_days": 7}})
    again = _entries(two_mornings)[SECOND.isoformat()]
    assert (again["sha256"], again["trained_on_date"]) == (champion["sha256"], FIRST.isoformat())
    assert "loses to champion" in again["reason"]
    wrmsse = {row["forecaster"]: row["score"] for row in again["scores"] if row["measure"] == "wrmsse" and row["segment"] == "all"}
    assert wrmsse["challenger model"] == 9.0 and wrmsse[again["forecaster"]] < 2
    used = _query(two_mornings, f"select * from forecast.model_versions where as_of_date = '{SECOND}'").iloc[0]
    assert (used["method"], used["model_version"]) == ("model", again["version"])


def test_a_challenger_meets_the_champion_and_damage_is_met_by_the_last_good_model_then_by_the_baseline(two_mornings: Path) -> None:
    entries = _entries(two_mornings)
    first, second = entries[FIRST.isoformat()], entries[SECOND.isoformat()]
    before, after = ({row["forecaster"] for row in entry["scores"]} for entry in (first, second))
    stays = second["sha256"] == first["sha256"]
    assert not any("champion" in name or "challenger" in name for name in before)
    assert ("challenger model" if stays else "former champion") in after
    assert second["forecaster"] in after  # the scores of whoever makes the forecast stand under its name
    moved = _query(two_mornings, f"select * from forecast.revisions where as_of_date = '{SECOND}'")
    drivers = [name for name in moved.columns if name.endswith("_revision_units")]
    assert len(moved) > 0 and (moved[drivers].sum(axis=1) - (moved["revised_units"] - moved["previous_units"])).abs().max() < 0.01

    models = two_mornings.parent / "models"
    cut = models / f"{second['version']}.model.series.txt"
    cut.write_bytes(cut.read_bytes()[:1000])
    assert run(two_mornings, LAST_DAY).exit_code == 0
    used = _query(two_mornings, f"select * from forecast.model_versions where as_of_date = '{LAST_DAY}'").iloc[0]
    assert (used["model_version"], used["method"]) == (first["version"], "fallback")
    assert "missing or damaged" in used["reason"] and "stands in" in used["reason"]
    rows = _query(two_mornings, f"select distinct method, model_version from forecast.demand_means where as_of_date = '{LAST_DAY}'")
    assert set(rows["method"]) <= {"fallback", "cold start"} and set(rows["model_version"]) == {first["version"]}

    for path in models.glob("*.model.series.txt"):
        path.unlink()
    assert run(two_mornings, LAST_DAY).exit_code == 0
    used = _query(two_mornings, f"select * from forecast.model_versions where as_of_date = '{LAST_DAY}'").iloc[0]
    assert (used["forecaster"], used["method"]) == ("level x weekday", "fallback")
    rows = _query(two_mornings, f"select method, model_version from forecast.demand_means where as_of_date = '{LAST_DAY}'")
    assert set(rows["method"]) <= {"fallback", "cold start"} and rows["model_version"].isna().all()
