"""How much stock a promise needs when demand is normal, and what a unit short against a unit left makes of the promise.

Belongs here: the textbook formulas, which are the labelled fallback of `stock_targets.py`, and the newsvendor. Does not: demand as it is
(`interval_demand.py`), lot sizes (`lot_sizes.py`).

References
----------
Chopra & Meindl, *Supply Chain Management*, ch. 12, eqs. 12.2-12.11. Snyder & Shen, *Fundamentals of Supply Chain Theory*, ch. 4.3.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri


def textbook_safety_stock(
    *,
    cycle_service_level: NDArray[np.float64],
    demand_mean_units_per_day: NDArray[np.float64],
    demand_std_units_per_day: NDArray[np.float64],
    lead_time_days: NDArray[np.float64],
    lead_time_std_days: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Normal approximation SS = z * sqrt(L * sigma_d^2 + d^2 * sigma_L^2) (Chopra & Meindl eq. 12.11)."""
    variance = lead_time_days * demand_std_units_per_day**2 + (demand_mean_units_per_day * lead_time_std_days) ** 2
    return ndtri(cycle_service_level) * np.sqrt(variance)


def cycle_service_level(*, safety_stock_units: float, demand_std_units: float) -> float:
    """Probability of no stockout in a cycle, demand over the lead time being normal (eq. 12.4)."""
    return float(ndtr(safety_stock_units / demand_std_units))


def expected_shortage_per_cycle(*, safety_stock_units: float, demand_std_units: float) -> float:
    """Units short in a cycle, ESC = -ss * (1 - Phi(ss/s)) + s * phi(ss/s) (eq. 12.8)."""
    ratio = safety_stock_units / demand_std_units
    density = np.exp(-0.5 * ratio**2) / np.sqrt(2 * np.pi)
    return float(-safety_stock_units * (1 - ndtr(ratio)) + demand_std_units * density)


def fill_rate(*, safety_stock_units: float, demand_std_units: float, lot_units: float) -> float:
    """Share of units served from stock, 1 - ESC / Q (eq. 12.6)."""
    return 1 - expected_shortage_per_cycle(safety_stock_units=safety_stock_units, demand_std_units=demand_std_units) / lot_units


def safety_stock_for_fill_rate(*, fill_rate_target: float, demand_std_units: float, lot_units: float) -> float:
    """Least safety stock, below zero perhaps, whose fill rate is the target (eq. 12.6 solved for ss).

    Examples
    --------
    >>> round(safety_stock_for_fill_rate(fill_rate_target=0.975, demand_std_units=707.1, lot_units=10_000), 1)
    66.7
    """
    reach = lot_units + 10 * demand_std_units

    def missing(safety_stock: float) -> float:
        return fill_rate(safety_stock_units=safety_stock, demand_std_units=demand_std_units, lot_units=lot_units) - fill_rate_target

    return float(brentq(missing, -reach, reach))


def critical_ratio(*, shortage_cost_per_unit: NDArray[np.float64], holding_cost_per_unit: NDArray[np.float64]) -> NDArray[np.float64]:
    """Probability of no stockout at which one more unit earns what it costs, b / (b + h) (Snyder & Shen eq. 4.17).

    Examples
    --------
    >>> critical_ratio(shortage_cost_per_unit=np.array([270.0]), holding_cost_per_unit=np.array([200.0])).round(4)
    array([0.5745])
    """
    shortage, holding = np.asarray(shortage_cost_per_unit, dtype=float), np.asarray(holding_cost_per_unit, dtype=float)
    whole = shortage + holding
    return np.divide(shortage, whole, out=np.zeros_like(whole), where=whole > 0)


def newsvendor_normal(
    *, demand_mean_units: float, demand_std_units: float, holding_cost_per_unit: float, shortage_cost_per_unit: float
) -> tuple[float, float]:
    """Best stock and its expected cost when demand is normal (Snyder & Shen eqs. 4.24 and 4.30).

    Examples
    --------
    >>> units, cost = newsvendor_normal(demand_mean_units=50, demand_std_units=8, holding_cost_per_unit=0.18, shortage_cost_per_unit=0.70)
    >>> round(units, 5), round(cost, 6)
    (56.60395, 1.997605)
    """
    z = ndtri(shortage_cost_per_unit / (shortage_cost_per_unit + holding_cost_per_unit))
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    return (
        float(demand_mean_units + z * demand_std_units),
        float((holding_cost_per_unit + shortage_cost_per_unit) * density * demand_std_units),
    )
