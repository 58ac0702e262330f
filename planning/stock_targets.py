"""Safety stock, reorder point and order-up-to of every SKU-node.

Belongs here: turning sampled interval demand and the policy of each row into targets. Does not: sampling
(`lead_time_demand.py`), the textbook formulas (`safety_stock.py`).
"""

import numpy as np
import pandas as pd

from planning.errors import InfeasiblePlanError
from planning.frames import STOCK_TARGETS
from planning.lead_time_demand import LeadTimeDemand
from planning.lot_sizes import economic_order_units, whole_cases_up
from planning.marginal_value import DAYS_PER_YEAR
from planning.safety_stock import reorder_points


def stock_targets(
    *, positions: pd.DataFrame, demand: LeadTimeDemand, as_of_date: pd.Timestamp, fixed_cost_per_order: float
) -> pd.DataFrame:
    """Targets of every SKU-node that carries the SKU.

    Parameters
    ----------
    positions : DataFrame
        Frame `stock_positions`.
    demand : LeadTimeDemand
        Aligned with the rows of ``positions``.
    as_of_date : Timestamp
    fixed_cost_per_order : float
        Cost of placing one replenishment order; the economic lot follows from it.

    Returns
    -------
    DataFrame
        Frame `plan.stock_targets`: reorder point = Q_p(demand over protection interval) held inside the policy's
        minimum and maximum, safety stock = reorder point - mean, order-up-to = reorder point + economic lot, in cases.

    Raises
    ------
    InfeasiblePlanError
        A policy asks for a minimum above its maximum.
    """
    level = positions["cycle_service_level"].to_numpy(dtype=float)
    mean = demand.protection_units.mean(axis=1)
    points = reorder_points(protection_units=demand.protection_units, cycle_service_level=level)
    low = positions["min_units"].to_numpy(dtype=float, na_value=0.0)
    high = positions["max_units"].to_numpy(dtype=float, na_value=np.inf)
    _refuse_crossed_limits(positions, low > high)
    points = np.clip(np.maximum(points, positions["presentation_units"].to_numpy(dtype=float)), low, high).astype(np.int64)
    lot = economic_order_units(
        demand_units_per_day=mean / demand.protection_days,
        fixed_cost_per_order=np.full(len(mean), fixed_cost_per_order),
        holding_cost_per_unit_day=(positions["holding_cost_rate_per_year"] * positions["unit_cost"]).to_numpy(dtype=float) / DAYS_PER_YEAR,
    )
    review = mean / demand.protection_days * positions["review_period_days"].to_numpy(dtype=float)
    pack = positions["case_pack_units"].to_numpy(dtype=np.int64)
    return STOCK_TARGETS.check(
        pd.DataFrame(
            {
                "as_of_date": as_of_date,
                "sku_id": positions["sku_id"].to_numpy(),
                "node_id": positions["node_id"].to_numpy(),
                "is_stocked": True,
                "cycle_service_level": level,
                "protection_days": demand.protection_days,
                "demand_mean_units": mean,
                "safety_stock_units": points - mean,
                "reorder_point_units": points,
                "order_up_to_units": np.minimum(points + whole_cases_up(np.maximum(lot, review), pack), high).astype(np.int64),
                "method": "sample paths",
            }
        )
    )


def _refuse_crossed_limits(positions: pd.DataFrame, crossed: np.ndarray) -> None:
    if crossed.any():
        keys = "; ".join(", ".join(row) for row in positions.loc[crossed, ["sku_id", "node_id"]].head(5).itertuples(index=False))
        raise InfeasiblePlanError(
            f"policies: min_units lies above max_units at {int(crossed.sum())} of {len(positions)} SKU-nodes ({keys}); correct the policies feed"
        )
