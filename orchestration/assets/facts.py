"""Stage 2 and the second pass: dbt models as assets, their tests as checks.

Belongs here: which models run when. Does not: the models (`dbt_project/`).
"""

from collections.abc import Iterator
from typing import Any

import dagster as dg
from dagster_dbt import DbtProject, dbt_assets

from orchestration import gates, ops_tables
from orchestration.dbt import SECOND_PASS, run_stage, translator
from orchestration.deployment import Deployment
from orchestration.metadata import markdown_table
from orchestration.partitions import ONE_RUN_A_DAY, OWNERS, POOL
from orchestration.run_day import facts_stand, mark_facts_built, read_day

_TO_LOOK_AT = {  # where a data engineer starts on a bad morning
    "deliveries": """select status, quarantined_lines as quarantined, received_lines as received, feed, file_name, reason, left(received_at, 16) as received_at
                     from ops.deliveries where status in ('duplicate', 'rejected') or quarantined_lines > 0 order by ledger_sequence desc limit 20""",
    "quarantine": """select count(*) as lines, scope, reason, file_name, min(source_line_number) as first_line,
                            left(arg_min(delivered, source_line_number), 120) as first_delivered
                     from ops.quarantine group by all order by lines desc, file_name, reason limit 20""",
    "readiness": """select capability, feed, column_name, status, filled_share, without_it from ops.readiness
                    where status not in ('ready', 'not applicable') order by is_essential desc, capability, feed, column_name""",
    "coverage": """select coverage_date::varchar as day, status, node_id, feed, line_count from marts.fct_feed_coverage_daily
                   where status in ('missing', 'partial') order by coverage_date desc, feed, node_id limit 20""",
}


def build_facts(partitions: dg.PartitionsDefinition, project: DbtProject) -> list[dg.AssetsDefinition]:
    """Assets of the stage."""
    shared = {
        "manifest": project.manifest_path,
        "project": project,
        "dagster_dbt_translator": translator(),
        "partitions_def": partitions,
        "backfill_policy": ONE_RUN_A_DAY,
        "pool": POOL,
    }

    @dbt_assets(name="facts", exclude=SECOND_PASS, **shared)
    def facts(context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]) -> Iterator[Any]:
        with deployment.warehouse() as warehouse:
            fresh = facts_stand(warehouse)
            ops_tables.create_decision_tables(warehouse)
        yield from run_stage(context, deployment, gate="facts", full_refresh=not fresh)

    @dbt_assets(name="facts_and_kpis", select=SECOND_PASS, **shared)
    def facts_and_kpis(context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]) -> Iterator[Any]:
        with deployment.warehouse() as warehouse:
            day, fresh = read_day(warehouse), facts_stand(warehouse)
        gates.require(deployment, day, "kpis")
        yield from run_stage(context, deployment, gate="kpis", full_refresh=not fresh)
        with deployment.warehouse() as warehouse:
            mark_facts_built(warehouse, day)

    @dg.multi_asset(
        name="ops_tables",
        specs=[
            dg.AssetSpec(["ops", "deliveries"], deps=[["intermediate", "int_held_lines"], ["marts", "fct_feed_coverage_daily"]], group_name="ops", owners=OWNERS, kinds={"duckdb"},
                         description="One row per delivered file: received = accepted + duplicate + superseded + quarantined."),
            dg.AssetSpec(["ops", "quarantine"], deps=[["intermediate", "int_held_lines"]], group_name="ops", owners=OWNERS, kinds={"duckdb"},
                         description="One row per rejected line with its reason, source file and line number."),
            dg.AssetSpec(["ops", "readiness"], deps=[["intermediate", "int_held_lines"]], group_name="ops", owners=OWNERS, kinds={"duckdb"},
                         description="One row per capability and feed or column it reads: whether it is there, and what is switched off without it."),
        ],
        partitions_def=partitions,
        backfill_policy=ONE_RUN_A_DAY,
        pool=POOL,
    )  # fmt: skip
    def ops_tables_assets(context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]) -> Iterator[dg.MaterializeResult]:
        counts = ops_tables.build(deployment)
        with deployment.warehouse() as warehouse:
            shown = {table: markdown_table(warehouse.execute(query).df()) for table, query in _TO_LOOK_AT.items()}
        for table in ("deliveries", "quarantine", "readiness"):
            metadata = {"dagster/row_count": counts[table], "to_look_at": shown[table]}
            if table == "deliveries":
                metadata["days_not_complete"] = shown["coverage"]
            yield dg.MaterializeResult(asset_key=["ops", table], metadata=metadata)

    return [facts, facts_and_kpis, ops_tables_assets]
