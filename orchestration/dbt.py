"""The dbt project as Dagster sees it.

Belongs here: the project and its manifest, running dbt inside this process, one function that runs a part of it as a gated
stage. Does not: any SQL.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtProject
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage

from orchestration import gates
from orchestration.deployment import Deployment
from orchestration.partitions import OWNERS
from orchestration.run_day import DBT_PROJECT, project_hash, read_day
from orchestration.settings import Settings
from orchestration.warehouse import open_warehouse

SECOND_PASS_TABLES = (  # what needs forecasts and plans, by schema and name
    ("intermediate", "int_sku_nodes_monthly"),
    ("marts", "fct_demand_region_daily"),
    ("marts", "kpi_returns_sku_region"),
    ("marts", "kpi_fill_rate_region_monthly"),
    ("marts", "kpi_on_time_monthly"),
    ("marts", "kpi_turns_node_monthly"),
    ("marts", "kpi_days_of_supply_node"),
    ("marts", "kpi_transfer_frequency_monthly"),
    ("marts", "kpi_total_landed_cost_monthly"),
    ("marts", "kpi_forecast_error"),
    ("marts", "kpi_forecast_revisions"),
    ("marts", "kpi_transfer_plan"),
    ("marts", "fct_transfer_outcomes"),
    ("marts", "kpi_transfer_value_monthly"),
    ("plan", "exceptions"),
)
SECOND_PASS = " ".join(name for _, name in SECOND_PASS_TABLES)
WAREHOUSE_VARIABLE = "NODEWISE_WAREHOUSE"  # profiles.yml reads it


class Translator(DagsterDbtTranslator):
    """Owners and kinds of dbt models; keys are schema and table, which is dbt's own rule."""

    def get_asset_spec(self, manifest: Any, unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """Spec of a model with the team as its owner."""
        return super().get_asset_spec(manifest, unique_id, project).replace_attributes(owners=OWNERS)


def translator() -> Translator:
    """Source tests are no checks: a Python check on a source would then block nothing (`docs/decisions`)."""
    return Translator(settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=False))


def project() -> DbtProject:
    """The project, with a manifest that matches its files; parsed once a state of the checkout, for every deployment."""
    target = DBT_PROJECT / "target"
    if _stamp(target) != project_hash():
        target.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target) as scratch:
            invoke(["parse"], folder=Path(scratch))
            Path(scratch, "project.sha256").write_text(project_hash())
            for name in ("manifest.json", "partial_parse.msgpack", "project.sha256"):  # the stamp last
                Path(scratch, name).replace(target / name)
    return DbtProject(project_dir=DBT_PROJECT, profiles_dir=DBT_PROJECT)


def _stamp(target: Path) -> str:
    path = target / "project.sha256"
    return path.read_text() if path.exists() else ""


@lru_cache(maxsize=1)
def _manifest(_project_hash: str) -> Any:
    """What dbt parsed, read once a process; the hash is the key under which it is kept."""
    from dbt.contracts.graph.manifest import Manifest

    manifest = Manifest.from_msgpack((Path(project().project_dir) / "target" / "partial_parse.msgpack").read_bytes())
    manifest.build_flat_graph()
    return manifest


def invoke(arguments: list[str], *, folder: Path, warehouse: Path | None = None) -> tuple[Any, list[dict[str, Any]]]:
    """Run a dbt command in this process, its artifacts and log in a folder; returns dbt's results and its events by node.

    Another process would pay for starting dbt and for parsing at each of a day's two passes.

    Raises
    ------
    Exception
        What dbt raised; a model or a test that failed is no exception but a result.
    """
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager
    from dbt.cli.main import dbtRunner
    from dbt_common.events.functions import msg_to_dict

    heard: list[Any] = []
    shutil.rmtree(folder, ignore_errors=True)
    options = {
        "project-dir": DBT_PROJECT,
        "profiles-dir": DBT_PROJECT,
        "target-path": folder,
        "log-path": folder,
        "log-level": "none",  # the console's; the file keeps everything
        "log-level-file": "debug",
    }
    runner = dbtRunner(
        manifest=_manifest(project_hash()) if warehouse else None,
        callbacks=[lambda message: heard.append(message) if message.info.name in ("LogModelResult", "LogTestResult") else None],
    )
    with _environment({WAREHOUSE_VARIABLE: str(warehouse)} if warehouse else {}):
        try:
            answer = runner.invoke([*arguments, *(word for name, value in options.items() for word in (f"--{name}", str(value)))])
        finally:
            if DuckDBConnectionManager._ENV is not None:  # dbt would keep the file open until the process ends
                DuckDBConnectionManager._ENV.close()
                DuckDBConnectionManager.close_all_connections()
    if answer.exception:
        raise answer.exception
    return answer.result, [msg_to_dict(message) for message in heard]


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def docs(settings: Settings) -> Path:
    """dbt's static docs, made once for a state of the project (the tables have to stand)."""
    target = DBT_PROJECT / "target"
    page, stamp = target / "docs.html", target / "docs.sha256"
    if not page.exists() or not stamp.exists() or stamp.read_text() != project_hash():
        folder = settings.data_dir / "dbt" / "docs"
        invoke(["docs", "generate", "--static"], folder=folder, warehouse=settings.warehouse)
        shutil.copyfile(folder / "static_index.html", page)
        stamp.write_text(project_hash())
        shutil.rmtree(folder)
    return page


def run_stage(context: dg.AssetExecutionContext, deployment: Deployment, *, gate: str, full_refresh: bool) -> Iterator[Any]:
    """Build the selected models and tests; the verdict of the tests becomes a row of the gate.

    Raises
    ------
    dagster.Failure
        A model could not be built or a test found rows; the message names them and how to see the rows.
    """
    with deployment.warehouse() as warehouse:
        day = read_day(warehouse)
    wanted = get_updated_cli_invocation_params_for_context(context=context, manifest={}, dagster_dbt_translator=translator())
    arguments = ["build", "--exclude-resource-type", "unit_test", *wanted.selection_args, *(["--full-refresh"] if full_refresh else [])]
    if wanted.indirect_selection:
        arguments += ["--indirect-selection", wanted.indirect_selection]
    result, events = invoke(arguments, folder=deployment.settings.data_dir / "dbt" / gate, warehouse=deployment.settings.warehouse)
    for event in events:
        yield from DbtCoreCliEventMessage(raw_event=event, event_history_metadata={}).to_default_asset_events(
            manifest=wanted.manifest, dagster_dbt_translator=wanted.dagster_dbt_translator, context=context, project=wanted.dbt_project
        )
    finding = gates.Finding(_problems(result))
    gates.record(deployment, day, gate=gate, check="dbt_tests", finding=finding)
    if finding.problems:
        raise dg.Failure(f"{gate} gate is red for {day.day}: " + "; ".join(finding.problems), allow_retries=False)


def _problems(result: Any) -> list[str]:
    said = []
    for one in result.results:
        if one.status not in ("fail", "error", "runtime error"):
            continue
        name, message = one.node.name, " ".join(str(one.message or "").split())[:400]
        said.append(f"{name}: {message} (rows: nodewise show-failures {name})" if one.status == "fail" else f"{name}: {message}")
    return said


def failing_rows(settings: Settings, test: str, limit: int) -> str:
    """Rows of a failed test as text.

    Raises
    ------
    LookupError
        The project has no such test.
    """
    result, _ = invoke(["compile", "--select", test], folder=settings.data_dir / "dbt" / "compile", warehouse=settings.warehouse)
    if len(result.results) != 1:
        raise LookupError(f"{test!r} is not the name of one dbt test")
    with open_warehouse(settings.warehouse) as warehouse:
        return warehouse.execute(f"select * from ({result.results[0].node.compiled_code}) limit {int(limit)}").df().to_string(index=False)
