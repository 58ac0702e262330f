"""The command: help, init, exit codes, JSON."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.settings import SettingsError, load_settings

runner = CliRunner()


def test_help_names_every_command() -> None:
    said = runner.invoke(app, ["--help"]).output
    for command in ("init", "demo", "run", "replay", "status", "plan", "dev", "show-failures"):
        assert command in said


def test_init_writes_settings_that_load_and_never_overwrites(tmp_path: Path) -> None:
    first = runner.invoke(app, ["init", str(tmp_path / "d"), "--currency", "USD", "--time-zone", "America/Chicago"])
    assert first.exit_code == 0
    settings = load_settings(tmp_path / "d" / "settings.yaml")
    assert (settings.currency, settings.data_dir) == ("USD", tmp_path / "d")
    assert runner.invoke(app, ["init", str(tmp_path / "d")]).exit_code == 2


def test_status_of_a_fresh_deployment_is_json(tmp_path: Path) -> None:
    runner.invoke(app, ["init", str(tmp_path / "d")])
    said = json.loads(runner.invoke(app, ["status", "--settings", str(tmp_path / "d" / "settings.yaml"), "--json"]).output)
    assert said["last_published_day"] is None
    assert said["red_gates"] == []


def test_plan_show_without_a_published_day_says_what_to_do(tmp_path: Path) -> None:
    runner.invoke(app, ["init", str(tmp_path / "d")])
    said = runner.invoke(app, ["plan", "show", "--settings", str(tmp_path / "d" / "settings.yaml")])
    assert said.exit_code == 1
    assert "run a day first" in said.output


@pytest.mark.parametrize(
    "arguments", [["run", "--as-of-date", "31.01.2026"], ["run", "--as-of-date", "1999-01-01"], ["replay"], ["nonsense"]]
)
def test_wrong_usage_is_exit_2(tmp_path: Path, arguments: list[str]) -> None:
    runner.invoke(app, ["init", str(tmp_path / "d")])
    settings = ["--settings", str(tmp_path / "d" / "settings.yaml")] if arguments[0] == "run" else []
    assert runner.invoke(app, [*arguments, *settings]).exit_code == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("currency: euro", "currency"), ("time_zone: Mars/Base", "IANA"), ("unknown_key: 1", "unknown_key"), ("feeds: {tills: {}}", "'tills' is not a feed"),
        ("feeds: {pos_sales: {columns: {qty: Qty}}}", "qty not in the contract"),
    ],
)  # fmt: skip
def test_settings_say_which_line_is_wrong(tmp_path: Path, change: str, said: str) -> None:
    base = {
        "currency": "currency: EUR",
        "time_zone": "time_zone: UTC",
        "data_dir": "data_dir: .",
        "first_date": "first_date: 2026-01-01",
        "feeds": "feeds: {pos_sales: {}}",
    }
    base[change.split(":")[0]] = change
    (tmp_path / "settings.yaml").write_text("\n".join(base.values()))
    with pytest.raises(SettingsError, match=said):
        load_settings(tmp_path / "settings.yaml")
