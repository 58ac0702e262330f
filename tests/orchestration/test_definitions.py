"""What Dagster sees: every key, check, job and cron, named; and the dbt contracts against the frames."""

import re
from pathlib import Path

import dagster as dg
import pytest
import yaml

from orchestration.definitions import build_defs
from orchestration.deployment import Deployment
from orchestration.run_day import DBT_PROJECT
from orchestration.settings import load_settings
from orchestration.tables_document import PAGE, document
from planning.frames import DECISIONS, FEEDS
from planning.vocabulary import COLUMNS

CHECKS = {
    ("raw/run_day", "delivered_files_can_be_read"), ("raw/run_day", "every_line_is_accounted_for"), ("raw/run_day", "deliveries_match_their_profile"),
    ("raw/run_day", "required_feeds_are_fresh"), ("forecast/demand_quantiles", "quantiles_are_complete_and_do_not_cross"),
    ("forecast/demand_quantiles", "backtest_is_calibrated"), ("forecast/demand_quantiles", "model_made_the_forecast"),
    ("forecast/demand_quantiles", "last_week_was_forecast_well"),
    ("plan/stock_targets", "reorder_point_is_below_order_up_to"), ("plan/stock_targets", "targets_fit_their_nodes"),
    ("plan/service_attained", "attained_service_keeps_the_promise"), ("plan/transfers", "plan_can_be_carried_out"), ("plan/transfers", "plan_looks_like_a_plan"),
    ("plan/transfers", "certificate_adds_up"), ("plan/transfers", "plan_is_better_than_none"),
}  # fmt: skip


@pytest.fixture(scope="module")
def defs(small_company: Path) -> dg.Definitions:
    return build_defs(Deployment(load_settings(small_company / "settings.yaml")))


def _models() -> set[str]:
    return {f"{path.parent.name}/{path.stem}" for path in (DBT_PROJECT / "models").rglob("*.sql")}


def test_every_asset_is_a_table_of_the_design(defs: dg.Definitions) -> None:
    keys = {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()}
    wanted = {f"raw/{feed}" for feed in FEEDS} | {
        "raw/run_day",
        "raw/delivered_files",
        "raw/transfer_states",
        "raw/reserved_units",
        "ops/ledger",
        "ops/deliveries",
        "ops/quarantine",
        "ops/readiness",
        "ops/forgotten_files",
        "published/current",
    }
    assert keys == wanted | _models() | {name.replace(".", "/") for name in DECISIONS}


def test_every_python_check_is_aimed_at_an_asset_that_exists(defs: dg.Definitions) -> None:
    found = {(key.asset_key.to_user_string(), key.name) for check in defs.asset_checks or [] for key in check.check_keys}
    assert found == CHECKS
    assert {asset for asset, _ in CHECKS} <= {spec.key.to_user_string() for spec in defs.resolve_all_asset_specs()}


def test_one_job_one_schedule_with_a_time_zone_one_sensor(defs: dg.Definitions) -> None:
    repository = defs.get_repository_def()
    assert [job.name for job in repository.get_all_jobs() if not job.name.startswith("__")] == ["daily_plan"]
    schedules = repository.schedule_defs
    assert [(s.name, s.cron_schedule, s.execution_timezone) for s in schedules] == [("daily_plan_schedule", "0 6 * * *", "Europe/Berlin")]
    assert [s.name for s in repository.sensor_defs] == ["coverage_sensor"]


def test_every_asset_says_its_grain_its_group_and_its_owner(defs: dg.Definitions) -> None:
    for spec in defs.resolve_all_asset_specs():
        assert (spec.description or "").startswith("One "), spec.key
        assert spec.group_name and spec.group_name != "default", spec.key
        assert list(spec.owners) == ["team:data"], spec.key


def test_the_code_location_loads_and_no_io_manager_pickles(defs: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(defs)
    for path in [*Path("orchestration").rglob("*.py"), *Path("ml").rglob("*.py"), *Path("planning").rglob("*.py")]:
        assert not re.search(r"^\s*(import|from) (pickle|joblib|cloudpickle)", path.read_text(), re.M), path


def test_every_model_with_a_case_or_a_window_of_its_own_has_a_unit_test() -> None:
    tested = {
        test["model"]
        for path in (DBT_PROJECT / "models").glob("unit_tests*.yml")
        for test in yaml.safe_load(path.read_text())["unit_tests"]
    }
    tricky = {
        path.stem
        for path in (DBT_PROJECT / "models").rglob("*.sql")
        if re.search(r"\bcase\b|\bover\b|\bqualify\b|\bnewest|\bknown_lines\b", path.read_text().split("\n", 1)[1])
    }
    assert tricky <= tested, tricky - tested


def test_marts_and_frames_agree_on_the_kind_of_every_shared_column() -> None:
    kinds = {
        "string": {"varchar"},
        "integer": {"bigint"},
        "decimal": {"decimal(18,4)", "bigint"},
        "float": {"double", "decimal(18,4)"},
        "boolean": {"boolean"},
        "date": {"date"},
        "timestamp": {"timestamp"},
    }
    marts = yaml.safe_load((DBT_PROJECT / "models" / "marts" / "_marts.yml").read_text())["models"]
    assert {model["name"] for model in marts} == {path.stem for path in (DBT_PROJECT / "models" / "marts").glob("*.sql")}
    for model in marts:
        for column in model["columns"]:
            known = COLUMNS.get(column["name"])
            if known is not None:
                assert column["data_type"] in kinds[known.kind], (model["name"], column["name"])


def test_the_page_for_bi_says_what_the_contracts_say_and_every_column_has_a_meaning() -> None:
    assert PAGE.read_text(encoding="utf-8") == document(), "write it again: python -m orchestration.tables_document"
    assert "|  |\n" not in document()


def test_only_staging_reads_raw_and_the_arrows_point_one_way() -> None:
    for path in (DBT_PROJECT / "models").rglob("*.sql"):
        sql, layer = path.read_text(), path.parent.name
        if path.stem != "int_held_lines":
            assert layer == "staging" or "source('raw'" not in sql, path
        reads = set(re.findall(r"ref\('(\w+?)_", sql))
        assert reads <= ({"stg"} if layer == "staging" else {"stg", "int", "dim", "fct"}), (path, reads)
        assert len(sql.splitlines()) <= 80, path


def test_every_model_begins_with_its_grain() -> None:
    for path in (DBT_PROJECT / "models").rglob("*.sql"):
        assert path.read_text().startswith("-- One row per "), path


def test_nothing_phones_home() -> None:
    instance = yaml.safe_load(Path("dagster.yaml").read_text())
    assert instance["telemetry"] == {"enabled": False}
    assert instance["nux"] == {"enabled": False}
    assert yaml.safe_load((DBT_PROJECT / "dbt_project.yml").read_text())["flags"]["send_anonymous_usage_stats"] is False
