"""Models on disk: what is damaged is not used, and says so."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from ml.train import Model
from orchestration.model_registry import load, newest, save

DAY = dt.date(2026, 4, 1)
TEXT = "tree\nversion=v4\n" + "leaf_value=0.25 0.5\n" * 50


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.fixture
def version(tmp_path: Path) -> str:
    return save(tmp_path, model=Model(TEXT, ("lag_7",), TEXT[::-1]), trained_on_date=DAY, content={"forecaster": "model", "reason": ""})


def test_a_saved_model_is_read_back_whole(tmp_path: Path, version: str) -> None:
    found = load(tmp_path, version)
    assert (found.model, found.reason, found.trained_on_date) == (Model(TEXT, ("lag_7",), TEXT[::-1]), "", DAY)


@pytest.mark.parametrize("suffix", [".txt", ".aggregates.txt"])
@pytest.mark.parametrize(
    "damage", [_flip, Path.unlink, lambda path: path.write_bytes(path.read_bytes()[:-9])], ids=["flipped", "lost", "cut"]
)
def test_a_damaged_model_text_gives_no_model_and_the_reason(
    tmp_path: Path, version: str, suffix: str, damage: Callable[[Path], None]
) -> None:
    damage(tmp_path / f"{version}{suffix}")
    found = newest(tmp_path, as_of_date=DAY, max_age_days=7)
    assert found is not None
    assert (found.model, found.reason) == (None, f"models/{version}{suffix} is missing or damaged")


def test_a_damaged_facts_file_is_passed_over_and_named_when_asked_for(tmp_path: Path, version: str) -> None:
    _flip(tmp_path / f"{version}.json")
    assert newest(tmp_path, as_of_date=DAY, max_age_days=7) is None
    with pytest.raises(ValueError, match="does not match its name"):
        load(tmp_path, version)


@pytest.mark.parametrize(("age", "usable"), [(-1, False), (0, True), (6, True), (7, False)])
def test_a_model_of_the_future_or_too_old_is_not_used(tmp_path: Path, version: str, age: int, usable: bool) -> None:
    assert (newest(tmp_path, as_of_date=DAY + dt.timedelta(days=age), max_age_days=7) is not None) == usable
