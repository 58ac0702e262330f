"""Stage 4, once a month: how the network should look and which SKU should stand where.

Belongs here: reading a year, calling `planning`, writing `plan.network_design` and `plan.placements`. Does not: any decision rule, nor acting on it: a
planner takes a placement up through the policies (`max_units` 0 with a reason) or by sending the SKU there.
"""

import datetime as dt
from collections.abc import Iterator

import dagster as dg
import pandas as pd

from orchestration import gates, pictures
from orchestration.assets.plan import refused_as_failure
from orchestration.deployment import Deployment
from orchestration.design_inputs import Year, design_inputs, placement_inputs, read_year
from orchestration.metadata import frame_schema, markdown_table
from orchestration.partitions import ONE_RUN_A_DAY, OWNERS, POOL
from orchestration.run_day import RunDay, read_day
from orchestration.settings import Settings
from orchestration.warehouse import replace_day
from planning.frame import Frame
from planning.frames import NETWORK_DESIGN, PLACEMENTS
from planning.network_design import Design, design_network
from planning.placement import placements

_INPUTS = [["intermediate", "int_demand_events_daily"], ["intermediate", "int_stock_positions"], ["marts", "dim_node"], ["marts", "dim_sku"],
           ["staging", "stg_master__service_zones"], ["staging", "stg_master__lanes"], ["staging", "stg_pos__sales"],
           ["intermediate", "int_sku_nodes_carried"]]  # fmt: skip


def is_design_day(settings: Settings, day: dt.date) -> bool:
    """Whether the day is one on which the network is designed: decided by the date alone, so that a replay decides the same."""
    if settings.planning.design == "monthly":
        return (day + dt.timedelta(days=1)).day == 1
    return settings.planning.design == "daily"


def build_design(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Assets of the stage."""
    specs = [
        dg.AssetSpec(
            frame.name.split("."),
            deps=_INPUTS,
            group_name="plan",
            owners=OWNERS,
            kinds={kind, "duckdb"},
            description=f"One row per {frame.grain}; on the last day of a month.",
            metadata={"dagster/column_schema": frame_schema(frame)},
        )
        for frame, kind in ((NETWORK_DESIGN, "scipy"), (PLACEMENTS, "numba"))
    ]

    @dg.multi_asset(name="design", specs=specs, pool=POOL, partitions_def=partitions, backfill_policy=ONE_RUN_A_DAY)
    def design(context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]) -> Iterator[dg.MaterializeResult]:
        settings = deployment.settings
        with deployment.warehouse() as warehouse:
            day = read_day(warehouse)
            gates.require(deployment, day, "design")
            year = read_year(warehouse, settings, day) if is_design_day(settings, day.as_of_date) else None
            if year is None or not year.has_demand:
                for frame in (NETWORK_DESIGN, PLACEMENTS):
                    replace_day(warehouse, frame, _empty(frame), as_of_date=day.day)
                    said = "designed on the last day of a month (planning.design)" if year is None else "no node or no demand to design for"
                    yield dg.MaterializeResult(asset_key=frame.name.split("."), metadata={"dagster/row_count": 0, "why_empty": said})
                return
            with refused_as_failure(NETWORK_DESIGN, day):
                found = _network(year, settings, day)
            replace_day(warehouse, NETWORK_DESIGN, found.rows, as_of_date=day.day)
            with refused_as_failure(PLACEMENTS, day):
                inputs = placement_inputs(warehouse, settings, year)
                rows = placements(
                    inputs,
                    as_of_date=pd.Timestamp(day.as_of_date),
                    line_cost=settings.planning.fixed_cost_per_order,
                    reviews_per_year=365.0 / settings.planning.review_period_days,
                    least_saving_per_node=settings.planning.least_saving_per_node,
                )
            replace_day(warehouse, PLACEMENTS, rows, as_of_date=day.day)
        yield dg.MaterializeResult(asset_key=["plan", "network_design"], metadata=_design_metadata(found))
        yield dg.MaterializeResult(asset_key=["plan", "placements"], metadata=_placement_metadata(rows))

    return [design]


def _empty(frame: Frame) -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype="object") for name in frame.fields})


def _network(year: Year, settings: Settings, day: RunDay) -> Design:
    return design_network(design_inputs(year), as_of_date=pd.Timestamp(day.as_of_date), time_limit_seconds=settings.planning.design_seconds)


def _design_metadata(found: Design) -> dict:
    by_scenario = found.rows.groupby("scenario", as_index=False).agg(
        nodes=("node_count", "first"), total_cost=("scenario_total_cost", "first"), fixed=("fixed_cost_per_year", "sum"),
        freight=("freight_and_handling_cost", "sum"), final_mile=("final_mile_cost", "sum"), carrying=("carrying_cost", "sum"),
    )  # fmt: skip
    best = found.rows[(found.rows["scenario"] == "best") & found.rows["is_open"]]
    return {
        "dagster/row_count": len(found.rows),
        "elbow_count": found.elbow_count,
        "stable_share": found.stable_share,
        "best_network": ", ".join(best["node_id"]),
        "scenarios": markdown_table(by_scenario.round(0)),
        "infeasible": markdown_table(pd.DataFrame({"scenario": list(found.infeasible), "why": list(found.infeasible.values())})),
        "cost_curve": pictures.cost_curve(found.rows, found.elbow_count),
    }


def _placement_metadata(rows: pd.DataFrame) -> dict:
    reasons = rows.groupby(["reason_code", "is_stocked", "is_carried_now"], as_index=False).agg(
        lines=("sku_id", "size"), net_saving_per_year=("net_saving_per_year", "sum")
    )
    spread = rows[rows["is_stocked"]].groupby("sku_id").size().value_counts().sort_index()
    return {
        "dagster/row_count": len(rows),
        "nodes_per_sku": markdown_table(spread.rename_axis("nodes").reset_index(name="skus")),
        "reasons": markdown_table(reasons.round(0)),
    }
