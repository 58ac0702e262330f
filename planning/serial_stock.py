"""Best echelon base stocks of stages in a row when a stage that is out of stock delays the next: the bound that guaranteed service cannot see.

Belongs here: Clark and Scarf's recursion with Poisson demand. Does not: trees and networks (`echelons.py`), policies with lots.

References
----------
Clark & Scarf (1960). Snyder & Shen, *Fundamentals of Supply Chain Theory*, ch. 6.2, in the form of Chen & Zheng (1994).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from planning.errors import PlanningError

_TAIL = 1e-12


@dataclass(frozen=True)
class SerialStock:
    """Echelon base stocks, customer stage first, and their expected cost a unit of time.

    Parameters
    ----------
    echelon_base_stock_units : ndarray of int, shape (n_stages,)
    cost : float
    """

    echelon_base_stock_units: NDArray[np.int64]
    cost: float


def serial_base_stock(
    *, echelon_holding_cost: NDArray[np.float64], lead_time: NDArray[np.float64], demand_rate: float, stockout_cost: float
) -> SerialStock:
    """Optimal base stocks of a serial system, stages from the customer upwards.

    Parameters
    ----------
    echelon_holding_cost, lead_time : ndarray of shape (n_stages,)
        Added holding cost of each stage for a unit of time, > 0, and the time from the stage above to it, >= 0.
    demand_rate : float
        Poisson, > 0.
    stockout_cost : float
        Of a customer waiting for a unit of time, > 0.

    Raises
    ------
    PlanningError
        A number out of its range.

    Notes
    -----
    C0(x) = (b + sum h) x^-;  C_j(y) = E[h_j (y - D_j) + C_(j-1)(min(S_(j-1), y - D_j))],  S_j = argmin C_j.
    """
    holding, lead = np.asarray(echelon_holding_cost, dtype=float), np.asarray(lead_time, dtype=float)
    if not (np.all(holding > 0) and np.all(lead >= 0) and demand_rate > 0 and stockout_cost > 0):
        raise PlanningError(
            "serial stock: holding, demand and stockout cost must be > 0, lead times >= 0; complete costs, lanes and demand"
        )
    most = int(poisson.isf(_TAIL, demand_rate * lead.sum())) + 10
    x = np.arange(-most, most + 1)
    below = (stockout_cost + holding.sum()) * np.maximum(-x, 0.0)  # cost of the stages below by the echelon stock that reaches them
    base = np.zeros(len(holding), np.int64)
    for stage, (h, days) in enumerate(zip(holding, lead, strict=True)):
        inner = h * x + below
        demand = np.arange(int(poisson.isf(_TAIL, demand_rate * days)) + 1 if days > 0 else 1)
        chance = poisson.pmf(demand, demand_rate * days)
        at = np.arange(len(x))[:, None] - demand[None, :]
        slope = inner[0] - inner[1]  # left of the grid the cost goes on in a straight line
        values = np.where(at >= 0, inner[np.maximum(at, 0)], inner[0] - at * slope)
        cost = values @ (chance / chance.sum())
        best = int(np.argmin(cost))
        base[stage] = x[best]
        below = cost[np.minimum(np.arange(len(x)), best)]
    return SerialStock(base, float(cost[best]))
