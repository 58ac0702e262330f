"""Stage 5: the day becomes readable.

Belongs here: the gate, the docs, calling `publishing.py`. Does not: how files are written.
"""

import dagster as dg

from orchestration import gates, ops_tables
from orchestration.dbt import SECOND_PASS, docs
from orchestration.deployment import Deployment
from orchestration.partitions import ONE_RUN_A_DAY, OWNERS, POOL
from orchestration.publishing import DamagedPublishError, publish
from orchestration.run_day import read_day

PUBLISHED = dg.AssetKey(["published", "current"])


def build_publish(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Assets of the stage."""
    upstream = [["marts", name] for name in SECOND_PASS.split()] + [["plan", "replenishments"], ["ops", "deliveries"]]

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
        ops_tables.build(deployment)
        return dg.MaterializeResult(metadata={"version": publication.version, "table_count": len(publication.content_hashes)})

    return [published]
