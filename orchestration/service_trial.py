"""The day's targets in the twin, and the curve they stand on.

Belongs here: choosing the SKUs of the trial, and running it. Does not: the trial (`planning/attained_service.py`).
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestration.decisions import DayInputs
from orchestration.rules import morning_rules
from orchestration.run_day import RunDay
from orchestration.settings import Settings
from planning.attained_service import live, live_base_stock, service_attained, trial
from planning.decision_value import decision_values
from planning.frames import DECISION_VALUES, SERVICE_ATTAINED
from planning.interval_demand import IntervalDemand, service_at, smallest_units
from planning.lead_time_demand import DemandFlows
from planning.lead_times import LeadTimes
from planning.plan_checks import infeasibilities
from planning.safety_stock import textbook_safety_stock
from planning.twin_policies import Knowledge

_MOST_DRAWS = 8  # a small catalogue lives more than one story
_PLAN_DAYS, _PLAN_SKUS = 14, 150
_LEVELS = (0.6, 0.75, 0.85, 0.9, 0.95, 0.98, 0.99)


def knowledge(inputs: DayInputs, day: pd.Timestamp, *, sku_kept: NDArray[np.bool_]) -> tuple[Knowledge, NDArray[np.int64]]:
    """What a policy may know of some SKUs, ``sku_kept`` of shape (n_skus,), and the rows of the positions that are theirs."""
    f = inputs.flows
    keep = np.repeat(sku_kept, np.diff(f.row_start))
    row, flow_kept = np.cumsum(keep) - 1, keep[f.flow_row]
    series_kept = np.zeros(len(f.means), bool)
    series_kept[f.flow_series[flow_kept]] = True
    series = np.cumsum(series_kept) - 1
    flows = DemandFlows(
        means=f.means[series_kept],
        dispersions=f.dispersions[series_kept],
        flow_series=series[f.flow_series[flow_kept]],
        flow_row=row[f.flow_row[flow_kept]],
        flow_share=f.flow_share[flow_kept],
        flow_start=np.r_[0, np.cumsum(np.diff(f.flow_start)[sku_kept])],
        row_start=np.r_[0, np.cumsum(np.diff(f.row_start)[sku_kept])],
        parent_row=np.where(f.parent_row[keep] >= 0, row[f.parent_row[keep]], -1),
    )
    leads = LeadTimes(inputs.lead_times.days, inputs.lead_times.shares, inputs.lead_times.kind[keep])
    positions = inputs.positions[keep].reset_index(drop=True)
    know = Knowledge(positions, inputs.lanes, flows, leads, inputs.level_correlation, inputs.region_correlation, day)
    return know, np.flatnonzero(keep)


def lived_service(inputs: DayInputs, settings: Settings, day: RunDay, targets: pd.DataFrame, echelons: pd.DataFrame) -> pd.DataFrame:
    """Frame `plan.service_attained`: the targets in force, and beside them what guaranteed service would attain."""
    n_skus = len(inputs.flows.row_start) - 1
    spread = np.arange(n_skus) % max(1, -(-n_skus // settings.planning.twin_skus)) == 0  # evenly over the catalogue
    know, rows = knowledge(inputs, pd.Timestamp(day.as_of_date), sku_kept=spread)
    mine, other = targets.iloc[rows].reset_index(drop=True), echelons.iloc[rows].reset_index(drop=True)
    point, top = mine["reorder_point_units"].to_numpy(dtype=np.int64), mine["order_up_to_units"].to_numpy(dtype=np.int64)
    per_day = mine["demand_mean_units"].to_numpy(dtype=float) / mine["protection_days"].to_numpy(dtype=float)
    # a node that makes others wait serves its own customers at once, out of stock for the days that it promises
    own = know.own_units_per_day() * other["service_days"].to_numpy(dtype=float)
    covered = per_day * other["net_replenishment_days"].to_numpy(dtype=float)
    guaranteed = np.ceil(covered + own + other["safety_stock_units"].to_numpy(dtype=float)).astype(np.int64)
    draws = int(np.clip(-(-settings.planning.twin_skus // max(mine["sku_id"].nunique(), 1)), 1, _MOST_DRAWS))
    parts = []
    for seed in range(draws):
        stage = trial(know, seed=seed)
        lived = {
            "targets": live(stage, reorder_point=point, order_up_to_units=np.maximum(top, point)),
            "guaranteed service": live_base_stock(stage, base_stock=guaranteed),
        }
        parts += [service_attained(stage, one, mine, method=method) for method, one in lived.items()]
    keys = list(SERVICE_ATTAINED.keys)
    mean = pd.concat(parts).groupby(keys, as_index=False).mean()
    shares = ["promised_level", "attained_level", "attained_fill_rate", "promised_fill_rate"]
    return SERVICE_ATTAINED.check(mean.assign(**mean[shares].round(6), sku_node_count=mean["sku_node_count"].astype(int)))


def lived_plan(inputs: DayInputs, settings: Settings, day: RunDay, targets: pd.DataFrame, transfers: pd.DataFrame) -> pd.DataFrame:
    """Frame `plan.decision_values` of the SKUs that the plan moves, most valuable lines first where they are many; empty where it moves nothing."""
    skus = inputs.positions["sku_id"].to_numpy()[inputs.flows.row_start[:-1]]
    moved = transfers["sku_id"].drop_duplicates().head(_PLAN_SKUS)
    is_impossible = infeasibilities(transfers=transfers, positions=inputs.positions, lanes=inputs.lanes)  # its own check says why
    if moved.empty or is_impossible or not settings.planning.plan_draws:
        return DECISION_VALUES.check(pd.DataFrame(columns=list(DECISION_VALUES.fields)))
    know, rows = knowledge(inputs, pd.Timestamp(day.as_of_date), sku_kept=np.isin(skus, moved.to_numpy()))
    return decision_values(
        know=know, transfers=transfers, targets=targets.iloc[rows].reset_index(drop=True), rules=morning_rules(settings.planning),
        draws=settings.planning.plan_draws, day_count=_PLAN_DAYS,
    )  # fmt: skip


Curve = list[tuple[float, float]]


def service_curves(inputs: DayInputs, targets: pd.DataFrame) -> tuple[dict[str, Curve], tuple[float, float]]:
    """Money in safety stock and expected fill rate at several levels, of the mixture and of the textbook formula, and of the targets in force."""
    demand, cost = inputs.interval, inputs.positions["unit_cost"].to_numpy(dtype=float)
    lead_std, mean = inputs.lead_times.std_days, demand.expected_units
    days = demand.protection_days

    def point(units: NDArray[np.float64]) -> tuple[float, float]:
        _, short = service_at(demand, np.maximum(units, 0).astype(np.int64))
        return float(np.sum((units - mean) * cost)), float(1 - short.sum() / max(mean.sum(), 1e-9))

    curves: dict[str, Curve] = {"mixture over lead times": [], "textbook formula": []}
    for level in _LEVELS:
        curves["mixture over lead times"].append(point(_smallest(demand, level).astype(float)))
        safety = textbook_safety_stock(
            cycle_service_level=np.full(len(mean), level),
            demand_mean_units_per_day=mean / days,
            demand_std_units_per_day=np.sqrt(demand.daily_variance),
            lead_time_days=days,
            lead_time_std_days=lead_std,
        )
        curves["textbook formula"].append(point(np.ceil(mean + safety)))
    return curves, point(targets["reorder_point_units"].to_numpy(dtype=float))


def _smallest(demand: IntervalDemand, level: float) -> NDArray[np.int64]:
    n = len(demand.shares)
    return smallest_units(demand, cycle_service_level=np.full(n, level), most_shortage_units=np.full(n, np.inf))
