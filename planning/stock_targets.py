"""Safety stock, reorder point and order-up-to of every SKU-node.

Belongs here: turning interval demand and the policy of each row into targets that their node can hold. Does not: the demand
(`interval_demand.py`), the textbook formulas (`safety_stock.py`).

Notes
-----
A row's policy says what its target keeps: a cycle service level, a fill rate, both, or what margin and holding make best (newsvendor). The
reorder point is the smallest whole x with

    P(D <= x) >= level    and    E[(D - x)+] <= (1 - fill rate) * Q,

D being demand over lead time and review period and Q what is ordered in a cycle: the economic lot, or a review period of demand where that
is more. Policies may hold it between limits in units or in days of cover. At a review the position has sunk below the reorder point by a part of the
demand since the one before, so order-up-to is the reorder point plus what the lot is above a review period of demand, in whole cases (Silver,
Pyke & Thomas, *Inventory and Production Management in Supply Chains*, ch. 6.9, on undershoot).
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.errors import InfeasiblePlanError
from planning.frames import STOCK_TARGETS, TARGET_METHODS
from planning.interval_demand import IntervalDemand, smallest_units
from planning.lot_sizes import economic_order_units, whole_cases_up
from planning.marginal_value import DAYS_PER_YEAR
from planning.safety_stock import critical_ratio, textbook_safety_stock

CYCLE_SERVICE, FILL_RATE, NEWSVENDOR, TEXTBOOK = TARGET_METHODS
_MOST_LEVEL = 0.9999  # a promise that no finite stock keeps is cut here


def stock_targets(
    *,
    positions: pd.DataFrame,
    demand: IntervalDemand,
    as_of_date: pd.Timestamp,
    fixed_cost_per_order: float,
    longest_lot_days: float,
) -> pd.DataFrame:
    """Targets of every SKU-node that carries the SKU.

    Parameters
    ----------
    positions : DataFrame
        Frame `stock_positions`.
    demand : IntervalDemand
        Aligned with the rows of ``positions``.
    as_of_date : Timestamp
    fixed_cost_per_order : float
        Cost of placing one replenishment order; the economic lot follows from it.
    longest_lot_days : float
        Days of demand that a lot covers, at most: what is sent far ahead stands in the wrong place more often than its formula knows.

    Returns
    -------
    DataFrame
        Frame `plan.stock_targets`. ``limited_by`` names what bent the target: a policy's minimum or maximum, the presentation stock, or the
        capacity of the node, to which all its targets shrink by one factor, from the lot first.

    Raises
    ------
    InfeasiblePlanError
        A policy asks for a minimum above its maximum, or a node cannot hold the presentation stock of what it carries.
    """
    policy = _Policy(positions, demand.expected_units / demand.protection_days)
    method = positions["target_method"].to_numpy(dtype=object)
    level = _levels(positions, method)
    lot = economic_order_units(
        demand_units_per_day=policy.units_per_day,
        fixed_cost_per_order=np.full(len(positions), fixed_cost_per_order),
        holding_cost_per_unit_day=(positions["holding_cost_rate_per_year"] * positions["unit_cost"]).to_numpy(dtype=float) / DAYS_PER_YEAR,
    )
    reviewed = policy.units_per_day * positions["review_period_days"].to_numpy(dtype=float)
    cycle = np.maximum(np.minimum(lot, longest_lot_days * policy.units_per_day), reviewed)
    asked = _reorder_points(positions, demand, method, level, cycle)
    points, limited = policy.within(asked)
    cases = whole_cases_up(cycle - reviewed, positions["case_pack_units"].to_numpy(dtype=np.int64))
    up_to = np.minimum(points + cases, policy.high).astype(np.int64)
    points, up_to, full = _within_capacity(positions, points, up_to, policy.presentation)
    with np.errstate(divide="ignore", invalid="ignore"):
        days = [np.where(policy.units_per_day > 0, units / policy.units_per_day, np.nan) for units in (points, up_to)]
    return STOCK_TARGETS.check(
        pd.DataFrame(
            {
                "as_of_date": as_of_date,
                "sku_id": positions["sku_id"].to_numpy(),
                "node_id": positions["node_id"].to_numpy(),
                "is_stocked": policy.is_stocked,
                "cycle_service_level": level,
                "fill_rate_target": positions["fill_rate_target"].to_numpy(dtype=float, na_value=np.nan),
                "protection_days": demand.protection_days,
                "demand_mean_units": demand.expected_units,
                "safety_stock_units": points - demand.expected_units,
                "reorder_point_units": points,
                "order_up_to_units": up_to,
                "reorder_point_days": days[0],
                "order_up_to_days": days[1],
                "method": method,
                "limited_by": np.where(full, "capacity", limited),
                "reason": positions["reason"].to_numpy(dtype=object),
            }
        )
    )


def _levels(positions: pd.DataFrame, method: NDArray[np.object_]) -> NDArray[np.float64]:
    """Probability that each row's target keeps; 0 where it keeps a fill rate only."""
    holding = (positions["holding_cost_rate_per_year"] * positions["unit_cost"]).to_numpy(dtype=float)
    best = critical_ratio(
        shortage_cost_per_unit=(positions["unit_price"] - positions["unit_cost"]).clip(lower=0).to_numpy(dtype=float)
        + positions["penalty_cost_per_unit"].to_numpy(dtype=float),
        holding_cost_per_unit=holding * positions["review_period_days"].to_numpy(dtype=float) / DAYS_PER_YEAR,
    )
    level = np.where(method == NEWSVENDOR, best, positions["cycle_service_level"].to_numpy(dtype=float))
    return np.minimum(np.where(method == FILL_RATE, 0.0, level), _MOST_LEVEL)


def _reorder_points(
    positions: pd.DataFrame, demand: IntervalDemand, method: NDArray[np.object_], level: NDArray[np.float64], cycle: NDArray[np.float64]
) -> NDArray[np.float64]:
    fill = positions["fill_rate_target"].to_numpy(dtype=float, na_value=np.nan)
    most_short = np.where(np.isnan(fill) | (method == NEWSVENDOR), np.inf, (1 - fill) * cycle)
    exact = smallest_units(demand, cycle_service_level=level, most_shortage_units=most_short).astype(float)
    if not (method == TEXTBOOK).any():
        return exact
    per_day = demand.expected_units / demand.protection_days
    lead_variance = np.maximum(demand.std_units**2 - np.sum(demand.variance * demand.shares, axis=1), 0.0)
    safety = textbook_safety_stock(
        cycle_service_level=level,
        demand_mean_units_per_day=per_day,
        demand_std_units_per_day=np.sqrt(demand.daily_variance),
        lead_time_days=demand.protection_days,
        lead_time_std_days=np.divide(np.sqrt(lead_variance), per_day, out=np.zeros_like(per_day), where=per_day > 0),
    )
    return np.where(method == TEXTBOOK, np.ceil(demand.expected_units + safety), exact)


class _Policy:
    """Limits of every row, in units. A limit in days follows the forecast, so it gives way to one in units."""

    def __init__(self, positions: pd.DataFrame, units_per_day: NDArray[np.float64]) -> None:
        def column(name: str, missing: float) -> NDArray[np.float64]:
            return positions[name].to_numpy(dtype=float, na_value=missing)

        least, most = column("min_units", 0.0), column("max_units", np.inf)
        least_days, most_days = column("min_days", 0.0), column("max_days", np.inf)
        self.units_per_day = units_per_day
        self.presentation = column("presentation_units", 0.0)
        for name, above, below in (
            ("min_units", "max_units", least > most),
            ("min_days", "max_days", least_days > most_days),
            ("presentation_units", "max_units", self.presentation > most),
        ):
            _refuse_crossed_limits(positions, name, above, below)
        with np.errstate(invalid="ignore"):
            in_days = np.where(np.isinf(most_days), np.inf, np.ceil(most_days * units_per_day))
        self.high = np.minimum(most, np.maximum(in_days, np.maximum(self.presentation, least)))
        self.low = np.minimum(np.maximum(least, np.ceil(least_days * units_per_day)), self.high)
        self.is_stocked = most > 0

    def within(self, units: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.object_]]:
        """Targets inside their limits, and what bent them."""
        least = np.maximum(self.low, self.presentation)
        by = np.select(
            [units > self.high, (units < least) & (self.presentation >= self.low), units < least],
            ["policy maximum", "presentation", "policy minimum"],
            "",
        ).astype(object)
        by[by == ""] = None
        return np.minimum(np.maximum(units, least), self.high).astype(np.int64), by


def _refuse_crossed_limits(positions: pd.DataFrame, low: str, high: str, crossed: NDArray[np.bool_]) -> None:
    if crossed.any():
        keys = "; ".join(", ".join(row) for row in positions.loc[crossed, ["sku_id", "node_id"]].head(5).itertuples(index=False))
        raise InfeasiblePlanError(
            f"policies: {low} lies above {high} at {int(crossed.sum())} of {len(positions)} SKU-nodes ({keys}); correct the policies feed"
        )


def _within_capacity(
    positions: pd.DataFrame, points: NDArray[np.int64], up_to: NDArray[np.int64], presentation: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Shrink the targets of nodes that they would overfill: the part above the reorder point first, then down to the presentation stock."""
    volume = positions["volume_m3"].to_numpy(dtype=float, na_value=0.0)
    room = positions["capacity_m3"].to_numpy(dtype=float, na_value=np.inf)
    node, names = pd.factorize(positions["node_id"])

    def filled(units: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.bincount(node, weights=units * volume, minlength=len(names))

    least, middle, most = filled(presentation), filled(points), filled(up_to)
    space = np.full(len(names), np.inf)
    space[node] = room
    over = least > space * (1 + 1e-9)
    if over.any():
        said = "; ".join(f"{names[i]} by {least[i] - space[i]:.1f} m3" for i in np.flatnonzero(over)[:5])
        raise InfeasiblePlanError(f"nodes: the presentation stock alone passes capacity_m3 at {int(over.sum())} nodes ({said}); lower it")
    with np.errstate(divide="ignore", invalid="ignore"):
        of_lot = np.clip(np.where(most > middle, (space - middle) / (most - middle), 1.0), 0.0, 1.0)
        of_point = np.clip(np.where(middle > least, (space - least) / (middle - least), 1.0), 0.0, 1.0)
    full = (most > space)[node] & (volume > 0)
    fits = np.where(full, np.floor(presentation + (points - presentation) * of_point[node]), points)
    top = np.where(full, np.floor(fits + (up_to - points) * of_lot[node]), up_to)
    return fits.astype(np.int64), top.astype(np.int64), full
