"""Models on disk: what is damaged is not used, and says so."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pytest

from ml.train import Model
from orchestration import model_registry
from orchestration.model_registry import load, newest, save

DAY = dt.date(2026, 4, 1)
WEEK = dt.timedelta(days=7)


def _trained(seed: int) -> str:
    rng = np.random.default_rng(seed)
    x = rng.random((200, 1))
    data = lgb.Dataset(x, x[:, 0] + rng.random(200), feature_name=["lag_7"])
    return lgb.train({"num_leaves": 4, "verbosity": -1, "num_threads": 1}, data, num_boost_round=5).model_to_string()


MODEL, REHEARSAL, EARLIER = (Model(_trained(i), ("lag_7",), _trained(i + 10)) for i in range(3))


def _save(folder: Path, model: Model | None, day: dt.date) -> str:
    content = {"forecaster": "model", "reason": ""}
    rehearsal = None if model is None else REHEARSAL
    return save(folder, model=model, rehearsal=rehearsal, chosen_on_date=day, trained_on_date=day, content=content)


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.fixture
def version(tmp_path: Path) -> str:
    return _save(tmp_path, MODEL, DAY)


def test_a_saved_model_is_read_back_whole(tmp_path: Path, version: str) -> None:
    found = load(tmp_path, version)
    assert (found.model, found.rehearsal, found.reason, found.trained_on_date) == (MODEL, REHEARSAL, "", DAY)


@pytest.mark.parametrize("name", ["model.series", "model.totals", "rehearsal.series"])
@pytest.mark.parametrize("damage", [_flip, Path.unlink, _cut], ids=["flipped", "lost", "cut"])
def test_a_damaged_model_text_gives_no_model_and_the_reason(
    tmp_path: Path, version: str, name: str, damage: Callable[[Path], None]
) -> None:
    damage(tmp_path / f"{version}.{name}.txt")
    found = newest(tmp_path, as_of_date=DAY, max_age_days=7)
    assert found is not None
    assert (found.model, found.reason) == (None, f"models/{version}.{name}.txt is missing or damaged")


def test_the_last_good_model_stands_in_for_a_damaged_one_and_says_so(tmp_path: Path, version: str) -> None:
    earlier = _save(tmp_path, EARLIER, DAY - WEEK)
    _save(tmp_path, None, DAY - 2 * WEEK)
    _cut(tmp_path / f"{version}.model.series.txt")
    found = newest(tmp_path, as_of_date=DAY, max_age_days=7)
    assert found is not None
    assert (found.version, found.model, found.is_last_good) == (earlier, EARLIER, True)
    assert f"{version}.model.series.txt is missing or damaged; {earlier} of 2026-03-25 stands in" in found.reason


def test_a_choice_of_the_baseline_is_no_damage_and_nothing_stands_in(tmp_path: Path) -> None:
    _save(tmp_path, EARLIER, DAY - WEEK)
    chosen = _save(tmp_path, None, DAY)
    found = newest(tmp_path, as_of_date=DAY, max_age_days=7)
    assert found is not None
    assert (found.version, found.model, found.is_last_good) == (chosen, None, False)


@pytest.mark.parametrize(
    "text",
    [MODEL.text[: len(MODEL.text) // 4], MODEL.text.replace("leaf_value=", "leaf_value=x", 1), "tree\n", ""],
    ids=["a quarter", "not numbers", "head only", "empty"],
)
def test_a_text_that_ends_the_process_that_opens_it_ends_a_child_and_not_the_run(tmp_path: Path, text: str) -> None:
    version = _save(tmp_path, Model(text, ("lag_7",), None), DAY)
    found = load(tmp_path, version)
    assert found.model is None
    assert "cannot open it" in found.reason


def test_a_model_is_opened_in_a_child_once_for_the_same_bytes(tmp_path: Path, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load(tmp_path, version)
    monkeypatch.setattr(model_registry, "_OPEN", "raise SystemExit(1)")
    assert load(tmp_path, version).model == MODEL
    (tmp_path / f"{version}.opened").write_text("of another LightGBM")
    assert "cannot open it" in load(tmp_path, version).reason


def test_a_damaged_facts_file_is_passed_over_and_named_when_asked_for(tmp_path: Path, version: str) -> None:
    _flip(tmp_path / f"{version}.json")
    assert newest(tmp_path, as_of_date=DAY, max_age_days=7) is None
    with pytest.raises(ValueError, match="does not match its name"):
        load(tmp_path, version)


@pytest.mark.parametrize(("age", "usable"), [(-1, False), (0, True), (6, True), (7, False)])
def test_a_model_of_the_future_or_too_old_is_not_used(tmp_path: Path, version: str, age: int, usable: bool) -> None:
    assert (newest(tmp_path, as_of_date=DAY + dt.timedelta(days=age), max_age_days=7) is not None) == usable
