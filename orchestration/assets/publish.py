"""Stage 5: the day becomes readable, and what is too old is forgotten.

Belongs here: the gate, the docs, calling `publishing.py` and `housekeeping.py`. Does not: how files are written.
"""

import datetime as dt

import dagster as dg

from orchestration import gates, ops_tables
from orchestration.dbt import SECOND_PASS_TABLES, docs
from orchestration.deployment import Deployment
from orchestration.housekeeping import forget_landing, forget_runs
from orchestration.partitions import ONE_RUN_A_DAY, OWNERS, POOL, as_of_date
from orchestration.plan_orders import enter_plan
from orchestration.publishing import DamagedPublishError, publish
from orchestration.run_day import read_day

PUBLISHED = dg.AssetKey(["published", "current"])


def build_publish(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Assets of the stage."""
    upstream = [*map(list, SECOND_PASS_TABLES), ["plan", "replenishments"], ["ops", "deliveries"]]

    @dg.asset(
        key=PUBLISHED,
        deps=upstream,
        group_name="published",
        owners=OWNERS,
        kinds={"parquet", "duckdb"},
        pool=POOL,
        partitions_def=partitions,
        backfill_policy=ONE_RUN_A_DAY,
        description="One folder per published day: Parquet, a DuckDB file, docs and a manifest of hashes.",
    )
    def published(context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]) -> dg.MaterializeResult:
        with deployment.warehouse() as warehouse:
            day = read_day(warehouse)
        gates.require(deployment, day, "publish")
        page = None if deployment.is_replay else docs(deployment.settings)
        with deployment.warehouse() as warehouse:
            try:
                publication = publish(warehouse, deployment, day, page)
            except DamagedPublishError as error:
                finding = gates.Finding([str(error)])
                gates.record(deployment, day, gate="publish", check="published_files_hold_the_tables", finding=finding)
                raise dg.Failure(f"publish gate is red for {day.day}: {error}", allow_retries=False) from error
        gates.record(deployment, day, gate="publish", check="published_files_hold_the_tables", finding=gates.Finding([]))
        entered: dict[str, int] = {}
        if not deployment.is_replay:
            with deployment.warehouse() as warehouse:
                entered = enter_plan(warehouse, deployment, day)
        ops_tables.build(deployment)
        return dg.MaterializeResult(metadata={"version": publication.version, "table_count": len(publication.content_hashes), **entered})

    @dg.asset(
        key=["ops", "forgotten_files"],
        deps=[PUBLISHED],
        group_name="ops",
        owners=OWNERS,
        kinds={"sqlite"},
        partitions_def=partitions,
        backfill_policy=ONE_RUN_A_DAY,
        description="One row per landed file that is no longer kept (retention in the settings).",
    )
    def forgotten_files(context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]) -> dg.MaterializeResult:
        files = forget_landing(deployment, as_of_date(context))
        runs = 0 if deployment.is_replay else forget_runs(context.instance, deployment.settings, dt.datetime.now(dt.UTC))
        return dg.MaterializeResult(metadata={"forgotten_file_count": len(files), "deleted_run_count": runs})

    return [published, forgotten_files]
