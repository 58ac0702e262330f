"""From tables to the arrays that planning wants: positions, demand flows, sampled lead-time demand of the day.

Belongs here: reading the day's inputs of a decision once, the same way for targets and transfers. Does not: any decision.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from orchestration.run_day import RunDay
from orchestration.settings import Settings
from planning.errors import PlanningError
from planning.frames import OPEN_LANES, STOCK_POSITIONS
from planning.interval_demand import IntervalDemand, interval_demand
from planning.lead_time_demand import DemandFlows, LeadTimeDemand, extend_horizon, lead_time_demand, path_seeds
from planning.lead_times import LeadTimes, horizon_days, lead_times
from planning.review import days_to_supply
from planning.transfer_lanes import TransferLanes, transfer_lanes

_LONGEST_DAYS = 120  # a protection interval longer than this is cut, with the last forecast week repeated


@dataclass(frozen=True)
class DayInputs:
    """Inputs of the day's decisions; rows of ``positions`` stand by SKU, children before their parent.

    Parameters
    ----------
    positions, lanes : DataFrame
        Frames `stock_positions`, `open_lanes`.
    network : TransferLanes
        The lanes as the transfer planner uses them.
    flows : DemandFlows
    demand : LeadTimeDemand
        Sampled, for the value of units.
    interval : IntervalDemand
        The same demand as a mixture over lead times, for targets. All aligned with ``positions``.
    lead_times : LeadTimes
        Of the lane or supplier that replenishes each row of ``positions``.
    level_correlation, region_correlation : float
        Of the forecast's errors.
    repeated_days : int
        Days beyond the forecast that repeat its last week.
    unknown_stock_count : int
        SKU-nodes left out because nobody ever counted them.
    """

    positions: pd.DataFrame
    lanes: pd.DataFrame
    network: TransferLanes
    flows: DemandFlows
    demand: LeadTimeDemand
    interval: IntervalDemand
    lead_times: LeadTimes
    level_correlation: float
    region_correlation: float
    repeated_days: int
    unknown_stock_count: int

    @property
    def units_per_day(self) -> np.ndarray:
        """Expected demand of each row and those it replenishes."""
        return self.interval.expected_units / self.interval.protection_days

    @property
    def position_units(self) -> np.ndarray:
        """On hand minus reserved plus committed inbound."""
        p = self.positions
        return (p["on_hand_units"] - p["reserved_units"] + p["inbound_units"]).to_numpy(dtype=np.int64)


def read_inputs(warehouse: duckdb.DuckDBPyConnection, settings: Settings, day: RunDay) -> DayInputs:
    """Read positions, lanes, shares and forecast of the day and draw the demand paths."""
    positions, unknown = read_positions(warehouse, settings)
    lanes = _as_observed(warehouse, read_lanes(warehouse))
    leads = _lead_times(warehouse, positions)
    level, region = warehouse.execute(
        "select level_correlation, region_correlation from forecast.model_versions where as_of_date = ?", [day.as_of_date]
    ).fetchone()
    review = positions["review_period_days"].to_numpy(dtype=np.int64)
    flows, repeated = _flows(warehouse, day, positions, horizon_days(leads, review, most=_LONGEST_DAYS))
    interval = interval_demand(flows=flows, lead_times=leads, review_period_days=review, level_correlation=level, region_correlation=region)
    network = transfer_lanes(positions=positions, lanes=lanes, as_of_date=pd.Timestamp(day.as_of_date))
    node = network.rows_of(positions["node_id"])
    same = {"flows": flows, "lead_times": leads, "level_correlation": level, "region_correlation": region}
    sampled = lead_time_demand(
        **same,
        review_period_days=days_to_supply(
            positions=positions,
            parent_row=flows.parent_row,
            units_per_day=interval.expected_units / interval.protection_days,
            lanes=lanes,
            as_of_date=day.as_of_date,
        ),
        seeds=path_seeds(as_of_date=day.day, sku_ids=positions["sku_id"].to_numpy()[flows.row_start[:-1]]),
        position_units=(positions["on_hand_units"] - positions["reserved_units"] + positions["inbound_units"]).to_numpy(dtype=np.int64),
        arrival_days=network.arrival_days[node],
        next_arrival_days=network.next_arrival_days[node],
        sample_paths=settings.planning.sample_paths,
    )
    return DayInputs(positions, lanes, network, flows, sampled, interval, leads, level, region, repeated, unknown)


def read_lanes(warehouse: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Frame `open_lanes` of the day."""
    return OPEN_LANES.check(warehouse.execute("select * from intermediate.int_open_lanes").df())


def read_positions(warehouse: duckdb.DuckDBPyConnection, settings: Settings) -> tuple[pd.DataFrame, int]:
    """Stock positions with the settings' defaults where no policy speaks, and how many were left out as never counted."""
    raw = warehouse.execute("select * from intermediate.int_stock_positions order by sku_id, node_id").df()
    unknown = int(raw["is_stock_unknown"].sum())
    raw = raw[~raw["is_stock_unknown"]]
    planning = settings.planning
    has_level = raw["cycle_service_level"].notna()
    defaults = {
        "penalty_cost_per_unit": planning.penalty_cost_per_unit,
        "cycle_service_level": planning.cycle_service_level,
        "review_period_days": planning.review_period_days,
    }
    for column, value in defaults.items():
        raw[column] = raw[column].astype(float).fillna(value)
    asked = (
        "cycle service level" if planning.target_method == "newsvendor" else planning.target_method
    )  # a level that a planner set is kept
    raw["target_method"] = raw["target_method"].fillna(has_level.map({True: asked, False: planning.target_method}))
    for column in ("unit_cost", "unit_price", "handling_cost_per_unit"):
        raw[column] = raw[column].astype(float)
    return STOCK_POSITIONS.check(_children_first(raw)), unknown


def _children_first(positions: pd.DataFrame) -> pd.DataFrame:
    """Sort by SKU and echelon; a parent that does not carry the SKU is no parent of its row."""
    parent_of = positions.dropna(subset="replenished_from_node_id").drop_duplicates("node_id")
    parent = dict(zip(parent_of["node_id"], parent_of["replenished_from_node_id"], strict=True))
    depth = {}
    for node in positions["node_id"].unique():
        seen, at = [node], node
        while at in parent:
            at = parent[at]
            if at in seen:
                raise PlanningError(f"nodes: {' -> '.join([*seen, at])} replenish each other in a circle; correct replenished_from_node_id")
            seen.append(at)
        depth[node] = len(seen)
    carried = pd.MultiIndex.from_frame(positions[["sku_id", "node_id"]])
    up = pd.MultiIndex.from_frame(positions[["sku_id", "replenished_from_node_id"]])
    is_kept = up.isin(carried)
    kept = positions["replenished_from_node_id"].where(is_kept, None)
    orphaned = positions["replenished_from_node_id"].notna() & ~is_kept  # the supplier delivers in the time that it takes him
    lead = {name: positions[name].where(~orphaned, positions[f"supplier_{name}"]) for name in ("lead_time_days", "lead_time_std_days")}
    return (
        positions.assign(replenished_from_node_id=kept, **lead, _depth=-positions["node_id"].map(depth))
        .sort_values(["sku_id", "_depth", "node_id"], ignore_index=True)
        .drop(columns="_depth")
    )


def _lead_times(warehouse: duckdb.DuckDBPyConnection, positions: pd.DataFrame) -> LeadTimes:
    """Lead times of the lanes that replenish, as declared and as observed, and of the suppliers, as declared."""
    has_parent = positions["replenished_from_node_id"].notna()
    described = pd.DataFrame(
        {
            "origin_node_id": positions["replenished_from_node_id"].where(has_parent, ""),
            "destination_node_id": positions["node_id"].where(has_parent, ""),
            "mean_days": positions["lead_time_days"].astype(float),
            "std_days": positions["lead_time_std_days"].astype(float),
        }
    )
    kinds = described.drop_duplicates(ignore_index=True).assign(kind=lambda rows: np.arange(len(rows)))
    observed = _observed(warehouse, kinds)
    return lead_times(
        mean_days=kinds["mean_days"].to_numpy(),
        std_days=kinds["std_days"].to_numpy(),
        observed=observed,
        kind=described.merge(kinds, how="left")["kind"].to_numpy(dtype=np.int64),
    )


def _observed(warehouse: duckdb.DuckDBPyConnection, kinds: pd.DataFrame) -> dict[int, dict[int, int]]:
    """Shipments by number of days that they took, for every kind of lane."""
    seen = warehouse.execute(
        """select origin_node_id, destination_node_id, lead_time_days::int as days, sum(shipment_count)::int as shipments
           from intermediate.int_lane_lead_times_observed where lead_time_days >= 0 group by all order by all"""
    ).df()
    observed: dict[int, dict[int, int]] = {}
    for row in kinds.merge(seen, on=["origin_node_id", "destination_node_id"]).itertuples():
        observed.setdefault(row.kind, {})[row.days] = row.shipments
    return observed


def _as_observed(warehouse: duckdb.DuckDBPyConnection, lanes: pd.DataFrame) -> pd.DataFrame:
    """Lanes with the days that they are expected to take: as declared, drawn towards what shipments took, as targets have it."""
    if lanes.empty:
        return lanes
    kinds = lanes.reset_index(drop=True).assign(kind=np.arange(len(lanes)))
    std = warehouse.execute(
        "select origin_node_id, destination_node_id, mode, lead_time_std_days::double as std_days from staging.stg_master__lanes"
    ).df()
    spread = (
        kinds.merge(std, how="left", on=["origin_node_id", "destination_node_id", "mode"])["std_days"].fillna(0.0).to_numpy(dtype=float)
    )
    expected = lead_times(
        mean_days=kinds["lead_time_days"].to_numpy(dtype=float),
        std_days=spread,
        observed=_observed(warehouse, kinds),
        kind=kinds["kind"].to_numpy(dtype=np.int64),
    )
    return lanes.reset_index(drop=True).assign(lead_time_days=np.rint(expected.mean_days))


def _flows(warehouse: duckdb.DuckDBPyConnection, day: RunDay, positions: pd.DataFrame, longest: int) -> tuple[DemandFlows, int]:
    """Forecast series thinned onto the rows of the positions."""
    series = warehouse.execute(
        """select sku_id, region_id, any_value(dispersion) as dispersion from forecast.demand_means
           where as_of_date = ? group by all order by all""",
        [day.as_of_date],
    ).df()
    means = warehouse.execute(
        "select demand_mean_units from forecast.demand_means where as_of_date = ? order by sku_id, region_id, demand_date",
        [day.as_of_date],
    ).fetchnumpy()["demand_mean_units"]
    extended, repeated = extend_horizon(means.reshape(len(series), -1), longest)
    shares = warehouse.execute("select sku_id, region_id, node_id, demand_share from intermediate.int_service_shares").df()
    rows = positions[["sku_id", "node_id", "replenished_from_node_id"]].assign(row=np.arange(len(positions)))
    flow = (
        shares.merge(rows[["sku_id", "node_id", "row"]], on=["sku_id", "node_id"])
        .merge(series[["sku_id", "region_id"]].assign(series=np.arange(len(series))), on=["sku_id", "region_id"])
        .sort_values(["row", "series"])
    )
    sku = positions["sku_id"].to_numpy()
    start = np.flatnonzero(np.r_[True, sku[1:] != sku[:-1]]) if len(sku) else np.array([], dtype=np.int64)
    row_start = np.r_[start, len(sku)].astype(np.int64)
    flow = flow.assign(sku=np.searchsorted(row_start, flow["row"], side="right") - 1).sort_values(["sku", "series", "row"])
    parent = rows.merge(
        rows[["sku_id", "node_id", "row"]].rename(columns={"node_id": "replenished_from_node_id", "row": "parent"}),
        how="left",
        on=["sku_id", "replenished_from_node_id"],
    ).sort_values("row")["parent"]
    return DemandFlows(
        means=extended,
        dispersions=series["dispersion"].to_numpy(dtype=float),
        flow_series=flow["series"].to_numpy(dtype=np.int64),
        flow_row=flow["row"].to_numpy(dtype=np.int64),
        flow_share=flow["demand_share"].to_numpy(dtype=float),
        flow_start=np.searchsorted(flow["sku"].to_numpy(), np.arange(len(row_start))).astype(np.int64),
        row_start=row_start,
        parent_row=parent.fillna(-1).to_numpy(dtype=np.int64),
    ), repeated
