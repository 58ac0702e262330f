"""The dbt project as Dagster sees it.

Belongs here: the project, its manifest, the command-line resource, one function that runs a part of it as a gated stage.
Does not: any SQL.
"""

import os
import shutil
import sys
from collections.abc import Iterator
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, DbtProject
from packaging.version import Version

from orchestration import gates
from orchestration.deployment import Deployment
from orchestration.partitions import OWNERS
from orchestration.run_day import DBT_PROJECT, project_hash, read_day

SECOND_PASS = "fct_demand_region_daily kpi_fill_rate_region_monthly kpi_on_time_monthly kpi_turns_node_monthly kpi_days_of_supply_node kpi_transfer_frequency_monthly kpi_total_landed_cost_monthly kpi_forecast_error kpi_transfer_plan"


class Dbt(DbtCliResource):
    """dbt's command line; its version is read from the installed package, not asked for over the network."""

    @cached_property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))


class Translator(DagsterDbtTranslator):
    """Owners and kinds of dbt models; keys are schema and table, which is dbt's own rule."""

    def get_asset_spec(self, manifest: Any, unique_id: str, project: DbtProject | None) -> dg.AssetSpec:
        """Spec of a model with the team as its owner."""
        return super().get_asset_spec(manifest, unique_id, project).replace_attributes(owners=OWNERS)


def translator() -> Translator:
    """Source tests are no checks: a Python check on a source would then block nothing (`docs/decisions`)."""
    return Translator(settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=False))


def project() -> DbtProject:
    """The project with a manifest that matches its files."""
    found = DbtProject(project_dir=DBT_PROJECT, profiles_dir=DBT_PROJECT)
    stamp = found.manifest_path.with_suffix(".sha256")
    if not found.manifest_path.exists() or not stamp.exists() or stamp.read_text() != project_hash():
        Dbt(project_dir=DBT_PROJECT, dbt_executable=_executable()).cli(["parse", "--quiet"], target_path=found.manifest_path.parent).wait()
        stamp.write_text(project_hash())
    return found


def _executable() -> str:
    """dbt of this environment, whether or not it is on the PATH."""
    return str(Path(sys.executable).parent / "dbt")


def resource(warehouse: Path) -> Dbt:
    """The command line on a warehouse file."""
    os.environ["NODEWISE_WAREHOUSE"] = str(warehouse)  # read by profiles.yml in the child process
    return Dbt(project_dir=project(), dbt_executable=_executable(), global_config_flags=["--no-use-colors"])


def run_stage(
    context: dg.AssetExecutionContext, dbt: Dbt, deployment: Deployment, *, gate: str, full_refresh: bool
) -> Iterator[Any]:
    """Build the selected models and tests; the verdict of the tests becomes a row of the gate.

    Raises
    ------
    dagster.Failure
        A model could not be built or a test found rows; the message names them and how to see the rows.
    """
    with deployment.warehouse() as warehouse:
        day = read_day(warehouse)
    arguments = ["build", *(["--full-refresh"] if full_refresh else [])]
    os.environ["NODEWISE_WAREHOUSE"] = str(deployment.settings.warehouse)
    invocation = dbt.cli(arguments, context=context, raise_on_error=False)
    try:
        yield from invocation.stream()
        problems = _problems(invocation.get_artifact("run_results.json"), successful=invocation.is_successful())
    finally:
        shutil.rmtree(invocation.target_path, ignore_errors=True)
    finding = gates.Finding(problems)
    gates.record(deployment, day, gate=gate, check="dbt_tests", finding=finding)
    if problems:
        raise dg.Failure(f"{gate} gate is red for {day.day}: " + "; ".join(problems), allow_retries=False)


def _problems(results: dict[str, Any], *, successful: bool) -> list[str]:
    bad = [r for r in results["results"] if r["status"] in ("fail", "error", "runtime error")]
    said = []
    for result in bad:
        name = result["unique_id"].split(".")[2]
        message = " ".join(str(result.get("message") or "").split())[:400]
        said.append(f"{name}: {message} (rows: nodewise show-failures {name})" if result["status"] == "fail" else f"{name}: {message}")
    if not successful and not said:
        said = ["dbt stopped before it could report; see the run's log"]
    return said


def docs_are_current(stamp: Path) -> bool:
    """Whether the static docs were made from this project."""
    return stamp.exists() and stamp.read_text() == project_hash()


def docs_stamp(stamp: Path) -> None:
    """Remember the project the docs were made from."""
    stamp.write_text(project_hash())
