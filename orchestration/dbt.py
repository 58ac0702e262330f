"""The dbt project as Dagster sees it.

Belongs here: the project, its manifest, the command-line resource, one function that runs a part of it as a gated stage.
Does not: any SQL.
"""

import contextlib
import io
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
from orchestration.settings import Settings
from orchestration.warehouse import open_warehouse

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


_CACHE = DBT_PROJECT / "target"  # one parse and one set of docs serve every deployment of this checkout
_PARSED = ("manifest.json", "partial_parse.msgpack")
_LINKED = ("dbt_project.yml", "profiles.yml", "models", "macros", "tests")


def project(settings: Settings) -> DbtProject:
    """The project as a folder of the deployment, beside its warehouse, with a manifest that matches its files.

    The folder only links to the project. It stands there because `profiles.yml` then names the warehouse by a path that
    never changes: another path, or an environment variable, would make dbt parse everything again.
    """
    folder = settings.data_dir / "dbt"
    (folder / "target").mkdir(parents=True, exist_ok=True)
    for name in _LINKED:
        link = folder / name
        if link.is_symlink() and link.resolve() != DBT_PROJECT / name:
            link.unlink()
        if not link.is_symlink():
            link.symlink_to(DBT_PROJECT / name)
    if _stamp(folder / "target") != project_hash():
        _parse(folder)
    return DbtProject(project_dir=folder, profiles_dir=folder)


def _parse(folder: Path) -> None:
    """Parse once a checkout; later deployments copy the result."""
    if _stamp(_CACHE) == project_hash():
        source, target = _CACHE, folder / "target"
    else:
        Dbt(project_dir=str(folder), profiles_dir=str(folder), dbt_executable=_executable()).cli(
            ["parse", "--quiet"], target_path=folder / "target"
        ).wait()
        source, target = folder / "target", _CACHE
        target.mkdir(exist_ok=True)
        (source / "project.sha256").write_text(project_hash())
    for name in (*_PARSED, "project.sha256"):
        part = target / f".{os.getpid()}.{name}"
        shutil.copyfile(source / name, part)
        part.replace(target / name)


def _stamp(folder: Path) -> str:
    path = folder / "project.sha256"
    return path.read_text() if path.exists() else ""


def _executable() -> str:
    """dbt of this environment, whether or not it is on the PATH."""
    return str(Path(sys.executable).parent / "dbt")


def resource(found: DbtProject) -> Dbt:
    """The command line on a deployment's project."""
    return Dbt(project_dir=found, dbt_executable=_executable(), global_config_flags=["--no-use-colors"])


def docs(dbt: Dbt) -> Path:
    """dbt's static docs, made once for a state of the project (the tables have to stand)."""
    page, stamp = _CACHE / "docs.html", _CACHE / "docs.sha256"
    if not page.exists() or not stamp.exists() or stamp.read_text() != project_hash():
        invocation = dbt.cli(["docs", "generate", "--static"]).wait()
        shutil.copyfile(invocation.target_path / "static_index.html", page)
        stamp.write_text(project_hash())
        shutil.rmtree(invocation.target_path, ignore_errors=True)
    return page


def run_stage(context: dg.AssetExecutionContext, dbt: Dbt, deployment: Deployment, *, gate: str, full_refresh: bool) -> Iterator[Any]:
    """Build the selected models and tests; the verdict of the tests becomes a row of the gate.

    Raises
    ------
    dagster.Failure
        A model could not be built or a test found rows; the message names them and how to see the rows.
    """
    with deployment.warehouse() as warehouse:
        day = read_day(warehouse)
    arguments = ["build", "--exclude-resource-type", "unit_test", *(["--full-refresh"] if full_refresh else [])]
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


def failing_rows(settings: Settings, test: str, limit: int) -> str:
    """Rows of a failed test as text.

    Raises
    ------
    LookupError
        The project has no such test.
    """
    dbt = resource(project(settings))
    with contextlib.redirect_stdout(io.StringIO()):
        invocation = dbt.cli(["compile", "--select", test], raise_on_error=False)
        invocation.wait()
    found = sorted((invocation.target_path / "compiled").rglob("*.sql"))
    sql = [path.read_text(encoding="utf-8") for path in found]
    shutil.rmtree(invocation.target_path, ignore_errors=True)
    if len(sql) != 1:
        raise LookupError(f"{test!r} is not the name of one dbt test")
    with open_warehouse(settings.warehouse) as warehouse:
        return warehouse.execute(f"select * from ({sql[0]}) limit {int(limit)}").df().to_string(index=False)
