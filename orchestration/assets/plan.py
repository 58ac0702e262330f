"""Stage 4: stock targets, transfers, replenishments.

Belongs here: reading the day's inputs, calling `planning`, writing `plan.*`. Does not: any decision rule.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
import duckdb
import numpy as np
import pandas as pd

from orchestration import gates, pictures
from orchestration.decisions import DayInputs, read_inputs, read_lanes, read_positions
from orchestration.deployment import Deployment
from orchestration.metadata import frame_schema, markdown_table
from orchestration.partitions import ONE_RUN_A_DAY, OWNERS, POOL
from orchestration.rules import routing_rules, transfer_rules
from orchestration.run_day import RunDay, read_day
from orchestration.service_trial import lived_plan, lived_service, service_curves
from orchestration.settings import Settings
from orchestration.warehouse import replace_day
from planning.echelon_plan import echelon_targets
from planning.errors import PlanningError
from planning.frame import Frame
from planning.frames import (
    DECISION_VALUES,
    ECHELON_TARGETS,
    MARGINAL_VALUES,
    ORDER_ROUTES,
    REPLENISHMENTS,
    RETURN_DISPOSITIONS,
    SERVICE_ATTAINED,
    STOCK_TARGETS,
    TRANSFER_CERTIFICATES,
    TRANSFER_LIMITS,
    TRANSFER_STEPS,
    TRANSFERS,
)
from planning.marginal_value import MarginalValues, next_unit_values, values_of_positions
from planning.replenishments import plan_replenishments
from planning.returns import return_dispositions
from planning.routing import route_orders
from planning.stock_targets import stock_targets
from planning.transfers import TransferPlan, plan_transfers

_INPUTS = [["intermediate", "int_stock_positions"], ["intermediate", "int_open_lanes"], ["intermediate", "int_service_shares"],
           ["intermediate", "int_lane_lead_times_observed"], ["forecast", "demand_means"], ["forecast", "demand_quantiles"], ["forecast", "model_versions"]]  # fmt: skip


def build_plan(partitions: dg.PartitionsDefinition) -> list[dg.AssetsDefinition]:
    """Assets of the stage."""

    def specs(deps: list[list[str]], *frames: Frame, skippable: bool = False) -> list[dg.AssetSpec]:
        return [
            dg.AssetSpec(
                frame.name.split("."),
                deps=deps,
                skippable=skippable,
                group_name="plan",
                owners=OWNERS,
                kinds={"numba", "duckdb"},
                description=f"One row per {frame.grain}.",
                metadata={"dagster/column_schema": frame_schema(frame)},
            )
            for frame in frames
        ]

    @dg.multi_asset(
        name="targets", specs=specs(_INPUTS, STOCK_TARGETS, ECHELON_TARGETS, SERVICE_ATTAINED), pool=POOL, partitions_def=partitions,
        backfill_policy=ONE_RUN_A_DAY,
    )  # fmt: skip
    def targets(context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]) -> Iterator[dg.MaterializeResult]:
        with deployment.warehouse() as warehouse:
            day = read_day(warehouse)
            gates.require(deployment, day, "targets")
            with refused_as_failure(STOCK_TARGETS, day):
                inputs = read_inputs(warehouse, deployment.settings, day)
                rows = stock_targets(
                    positions=inputs.positions,
                    demand=inputs.interval,
                    as_of_date=pd.Timestamp(day.as_of_date),
                    fixed_cost_per_order=deployment.settings.planning.fixed_cost_per_order,
                    longest_lot_days=deployment.settings.planning.longest_lot_days,
                )
                echelons = echelon_targets(
                    positions=inputs.positions, flows=inputs.flows, demand=inputs.demand, as_of_date=pd.Timestamp(day.as_of_date)
                )
            replace_day(warehouse, STOCK_TARGETS, rows, as_of_date=day.day)
            replace_day(warehouse, ECHELON_TARGETS, echelons, as_of_date=day.day)
            with refused_as_failure(SERVICE_ATTAINED, day):
                attained = lived_service(inputs, deployment.settings, day, rows, echelons)
            replace_day(warehouse, SERVICE_ATTAINED, attained, as_of_date=day.day)
            types = warehouse.execute("select node_id, node_type from marts.dim_node").df()
        yield dg.MaterializeResult(
            asset_key=["plan", "stock_targets"],
            metadata={
                "dagster/row_count": len(rows),
                "safety_stock_units": float(rows["safety_stock_units"].sum()),
                "repeated_forecast_days": inputs.repeated_days,
                "unknown_stock_count": inputs.unknown_stock_count,
                "inventory_service": pictures.inventory_service(*service_curves(inputs, rows)),
            },
        )
        yield dg.MaterializeResult(
            asset_key=["plan", "echelon_targets"],
            metadata={
                "dagster/row_count": len(echelons),
                "holding_cost_per_year": float(echelons["holding_cost_per_year"].sum()),
                "echelons": pictures.echelons(rows, echelons, types),
            },
        )
        yield dg.MaterializeResult(
            asset_key=["plan", "service_attained"],
            metadata={
                "dagster/row_count": len(attained),
                "segments": markdown_table(attained.drop(columns="as_of_date").round(4)),
                "attained": pictures.attained(attained),
            },
        )

    @dg.multi_asset(
        name="moves", pool=POOL, partitions_def=partitions, backfill_policy=ONE_RUN_A_DAY, can_subset=True,
        specs=specs(
            [*_INPUTS, ["intermediate", "int_orders_open"], ["staging", "stg_wms__returns"], ["plan", "stock_targets"]],
            *_PLANNED, RETURN_DISPOSITIONS, skippable=True,
        ),
    )  # fmt: skip
    def moves(context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]) -> Iterator[dg.MaterializeResult]:
        """Both from one reading of the day and one table of values; either can be made by hand alone."""
        settings = deployment.settings
        with deployment.warehouse() as warehouse:
            day = read_day(warehouse)
            gates.require(deployment, day, "plan")
            with refused_as_failure(TRANSFERS, day):
                inputs = read_inputs(warehouse, settings, day)
                values = values_of_positions(
                    positions=inputs.positions, demand=inputs.demand, lanes=inputs.network,
                    liquidation_share=settings.planning.liquidation_share,
                )  # fmt: skip
            if any(dg.AssetKey(frame.name.split(".")) in context.selected_asset_keys for frame in _PLANNED):
                with refused_as_failure(TRANSFERS, day):
                    routes = _routes(warehouse, inputs, values, settings, day)
                    plan = _transfers(warehouse, inputs, values, routes, settings, day)
                    worth = next_unit_values(positions=inputs.positions, values=values, as_of_date=pd.Timestamp(day.as_of_date))
                    lived = lived_plan(inputs, settings, day, read_decision(warehouse, STOCK_TARGETS, day), plan.lines)
                nodes = warehouse.execute("select node_id, node_type, latitude, longitude from marts.dim_node").df()
                for frame, rows in ((TRANSFERS, plan.lines), (TRANSFER_STEPS, plan.steps), (TRANSFER_CERTIFICATES, plan.certificate), (TRANSFER_LIMITS, plan.limits), (ORDER_ROUTES, routes), (MARGINAL_VALUES, worth), (DECISION_VALUES, lived)):  # fmt: skip
                    replace_day(warehouse, frame, rows, as_of_date=day.day)
                    shown = _transfer_metadata(plan, inputs, nodes) if frame is TRANSFERS else {"dagster/row_count": len(rows)}
                    yield dg.MaterializeResult(asset_key=frame.name.split("."), metadata=shown)
            if dg.AssetKey(RETURN_DISPOSITIONS.name.split(".")) in context.selected_asset_keys:
                returned = warehouse.execute(_RETURNED, [day.as_of_date]).df()
                with refused_as_failure(RETURN_DISPOSITIONS, day):
                    rows = _dispositions(returned, inputs, values, settings, day)
                replace_day(warehouse, RETURN_DISPOSITIONS, rows, as_of_date=day.day)
                yield dg.MaterializeResult(asset_key=RETURN_DISPOSITIONS.name.split("."), metadata=_disposition_metadata(rows, returned))

    @dg.asset(
        key=REPLENISHMENTS.name.split("."),
        deps=[
            ["intermediate", "int_stock_positions"],
            ["intermediate", "int_open_lanes"],
            ["plan", "stock_targets"],
            ["plan", "transfers"],
        ],
        group_name="plan",
        owners=OWNERS,
        pool=POOL,
        partitions_def=partitions,
        backfill_policy=ONE_RUN_A_DAY,
        description=f"One row per {REPLENISHMENTS.grain}.",
        metadata={"dagster/column_schema": frame_schema(REPLENISHMENTS)},
        kinds={"pandas", "duckdb"},
    )
    def replenishments(context: dg.AssetExecutionContext, deployment: dg.ResourceParam[Deployment]) -> dg.MaterializeResult:
        with deployment.warehouse() as warehouse:
            day = read_day(warehouse)
            gates.require(deployment, day, "replenishments")
            tables = [read_decision(warehouse, frame, day) for frame in (STOCK_TARGETS, TRANSFERS)]
            positions, _ = read_positions(warehouse, deployment.settings)
            lanes = read_lanes(warehouse)
            with refused_as_failure(REPLENISHMENTS, day):
                rows = plan_replenishments(
                    positions=positions, targets=tables[0], transfers=tables[1], lanes=lanes, as_of_date=pd.Timestamp(day.as_of_date),
                    pilot_only=deployment.settings.planning.pilot_only,
                )  # fmt: skip
            replace_day(warehouse, REPLENISHMENTS, rows, as_of_date=day.day)
        short = int((rows["reason_code"] == "parent_short").sum())
        return dg.MaterializeResult(
            metadata={"dagster/row_count": len(rows), "ordered_units": int(rows["ordered_units"].sum()), "parent_short_count": short}
        )

    return [targets, moves, replenishments]


_PLANNED = (TRANSFERS, TRANSFER_STEPS, TRANSFER_CERTIFICATES, TRANSFER_LIMITS, ORDER_ROUTES, MARGINAL_VALUES, DECISION_VALUES)
_OPEN = """
select transfer_id, sku_id, origin_node_id, destination_node_id, mode, ship_date, transfer_units from intermediate.int_open_transfers
where order_kind <> 'supplier_order' and state <> 'shipped' order by transfer_id
"""
_REJECTED = """
select distinct sku_id, origin_node_id, destination_node_id from staging.stg_ops__transfer_states
where state = 'rejected' and order_kind = 'transfer' and as_of_date > $day::date - $days::int order by all
"""
_RETURNED = """
select sku_id, node_id, condition, sum(returned_units)::bigint as returned_units from staging.stg_wms__returns
where business_date = ? group by all having sum(returned_units) > 0 order by all
"""


def read_decision(warehouse: duckdb.DuckDBPyConnection, frame: Frame, day: RunDay) -> pd.DataFrame:
    """A decision table of the day, as it was written."""
    return warehouse.execute(f"select * from {frame.name} where as_of_date = ?", [day.as_of_date]).df()


@contextmanager
def refused_as_failure(table: Frame, day: RunDay) -> Iterator[None]:
    """What planning refuses is said by the run, and is not tried again."""
    try:
        yield
    except PlanningError as error:
        raise dg.Failure(f"{type(error).__name__}: {table.name} for {day.day}: {error}", allow_retries=False) from error


_ORDERS = "select order_id, line_number, sku_id, region_id, open_units, promised_date from intermediate.int_orders_open order by all"
_ZONES = "select node_id, region_id, final_mile_cost_per_unit::double as final_mile_cost_per_unit, delivery_days from staging.stg_master__service_zones"


def _routes(
    warehouse: duckdb.DuckDBPyConnection, inputs: DayInputs, values: MarginalValues, settings: Settings, day: RunDay
) -> pd.DataFrame:
    p, today = inputs.positions, pd.Timestamp(day.as_of_date)
    worth = next_unit_values(positions=p, values=values, as_of_date=today)
    stock = worth[["sku_id", "node_id", "available_units"]].assign(
        unit_value=worth["give_cost_per_unit"], handling_cost_per_unit=p["handling_cost_per_unit"].to_numpy(dtype=float)
    )
    limit = p.dropna(subset="outbound_units_per_day").drop_duplicates("node_id")
    return route_orders(
        orders=warehouse.execute(_ORDERS).df(),
        zones=warehouse.execute(_ZONES).df(),
        stock=stock,
        capacity_units=dict(zip(limit["node_id"], limit["outbound_units_per_day"].astype(float), strict=True)),
        as_of_date=today,
        rules=routing_rules(settings.routing),
    )


def _transfers(
    warehouse: duckdb.DuckDBPyConnection, inputs: DayInputs, values: MarginalValues, routes: pd.DataFrame, settings: Settings, day: RunDay
) -> TransferPlan:
    """What open orders will take tomorrow does not leave for another node."""
    keys = pd.MultiIndex.from_frame(inputs.positions[["sku_id", "node_id"]])
    routed = routes.groupby(["sku_id", "node_id"])["routed_units"].sum().reindex(keys).fillna(0).to_numpy(dtype=np.int64)
    reserved = np.maximum(inputs.positions["reserved_units"].to_numpy(dtype=np.int64), routed)
    return plan_transfers(
        positions=inputs.positions.assign(reserved_units=reserved),
        demand=inputs.demand,
        values=values,
        units_per_day=inputs.units_per_day,
        lanes=inputs.lanes,
        open_transfers=warehouse.execute(_OPEN).df(),
        blocked_lines=warehouse.execute(_REJECTED, {"day": day.as_of_date, "days": settings.planning.rejected_days}).df(),
        as_of_date=pd.Timestamp(day.as_of_date),
        rules=transfer_rules(settings.planning),
    )


def _dispositions(returned: pd.DataFrame, inputs: DayInputs, values: MarginalValues, settings: Settings, day: RunDay) -> pd.DataFrame:
    return return_dispositions(
        returned=returned,
        positions=inputs.positions,
        values=values,
        units_per_day=inputs.units_per_day,
        lanes=inputs.lanes,
        as_of_date=pd.Timestamp(day.as_of_date),
        refurbish_cost_share=settings.planning.refurbish_cost_share,
        liquidation_share=settings.planning.liquidation_share,
    )


def _disposition_metadata(rows: pd.DataFrame, returned: pd.DataFrame) -> dict:
    counted = rows.groupby("disposition", as_index=False).agg(lines=("sku_id", "size"), units=("returned_units", "sum"))
    left_out = int(returned["returned_units"].sum() - rows["returned_units"].sum())
    return {"dagster/row_count": len(rows), "dispositions": markdown_table(counted), "left_out_units": left_out}


def _binding(limits: pd.DataFrame) -> pd.DataFrame:
    """Departures and nodes whose price is not zero, dearest first."""
    shown = ["limit_kind", "origin_node_id", "destination_node_id", "mode", "limit_units", "used_units", "fixed_cost", "price_per_unit"]
    dear = limits[limits["price_per_unit"] > 0].sort_values(
        ["price_per_unit", "origin_node_id", "destination_node_id"], ascending=[False, True, True]
    )
    return dear[shown].head(15).round(3)


def _transfer_metadata(plan: TransferPlan, inputs: DayInputs, nodes: pd.DataFrame) -> dict:
    lines, proof = plan.lines, plan.certificate.iloc[0]
    top = ["sku_id", "origin_node_id", "destination_node_id", "transfer_units", "transfer_cost", "expected_gain", "net_gain", "reason_code"]
    return {
        "dagster/row_count": len(lines),
        "transfer_units": int(lines["transfer_units"].sum()),
        "transfer_cost": float(lines["transfer_cost"].sum()),
        "expected_gain": float(lines["expected_gain"].sum()),
        "net_gain": float(lines["net_gain"].sum()),
        "unused_lane_count": len(plan.unused_lanes),
        "proved_by": proof["method"],
        "bound_net_gain": float(proof["bound_net_gain"]),
        "gap_share": float(proof["gap_share"]),
        "shared_limits": markdown_table(_binding(plan.limits)),
        "top_lines": markdown_table(lines[top].head(15).round(2)),
        "network": pictures.network_map(lines, nodes),
        "days_of_supply": pictures.days_of_supply(inputs.positions, inputs.demand),
    }
