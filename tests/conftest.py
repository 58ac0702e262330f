"""Fixtures shared by the suite: a small company, deployments of it, runs of a day."""

import datetime as dt
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

LAST_DAY = dt.date(2026, 4, 2)  # a Thursday; the Sunday on which clocks change lies in the last week
SMALL = {
    "forecast": {"holiday_country": "DE", "trees": 30, "leaves": 15, "training_rows": 20_000},
    "planning": {"plan_draws": 0},  # the life of a plan and the gate's own test draw some
}


@pytest.fixture(scope="session")
def small_company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Inbox and settings of a company with 40 SKUs and 130 days; copy it, do not run it."""
    from demo.company import write_company

    folder = tmp_path_factory.mktemp("company")
    settings = write_company(folder, sku_count=40, day_count=130, last_day=LAST_DAY.isoformat(), seed=3, daily_days=10)
    change_settings(settings, SMALL)
    for path in (folder / "inbox").rglob("*"):  # settled: nobody is still writing them
        os.utime(path, (time.time() - 60, time.time() - 60))
    return folder


@pytest.fixture
def deployment(small_company: Path, tmp_path: Path) -> Path:
    """Settings of a fresh copy of the small company, nothing landed yet."""
    shutil.copytree(small_company, tmp_path / "deployment")
    return tmp_path / "deployment" / "settings.yaml"


def change_settings(path: Path, changes: dict) -> None:
    """Merge changes into a settings file, one level deep."""
    content = yaml.safe_load(path.read_text())
    for key, value in changes.items():
        content[key] = {**content.get(key, {}), **value} if isinstance(value, dict) else value
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def run(settings: Path, day: dt.date, *, ephemeral: bool = True):
    """Run one day in this process and return its outcome; Dagster's log is kept in memory unless it matters."""
    from orchestration.deployment import Deployment
    from orchestration.running import run_day
    from orchestration.settings import load_settings

    return run_day(Deployment(load_settings(settings)), day, ephemeral=ephemeral)


def hashes(settings: Path) -> dict[str, str]:
    """Content hashes of the published day."""
    import json

    return json.loads((settings.parent / "published" / "current" / "manifest.json").read_text())["content_hashes"]


def drop(settings: Path, feed: str, wanted: Callable[[str], bool]) -> list[Path]:
    """Take files of a feed out of the inbox and return where they went."""
    aside = settings.parent / "aside" / feed
    aside.mkdir(parents=True, exist_ok=True)
    moved = []
    for path in sorted((settings.parent / "inbox" / feed).iterdir()):
        if wanted(path.name):
            moved.append(Path(shutil.move(path, aside / path.name)))
    return moved


def age(settings: Path) -> None:
    """Make every file of the inbox old enough to be whole."""

    for path in (settings.parent / "inbox").rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - 60, time.time() - 60))
