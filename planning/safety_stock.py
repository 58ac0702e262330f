"""How much stock a promise needs: targets from sampled demand, and the textbook formulas as a labelled fallback.

Belongs here: reorder points, safety stock, expected shortage, fill rate of one node. Does not: lot sizes
(`lot_sizes.py`), the demand itself (`lead_time_demand.py`).

References
----------
Chopra & Meindl, *Supply Chain Management*, ch. 12, eqs. 12.2-12.5.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri


def reorder_points(*, protection_units: NDArray[np.int32], cycle_service_level: NDArray[np.float64]) -> NDArray[np.int64]:
    """Smallest whole stock that covers the interval's demand with the asked probability.

    Parameters
    ----------
    protection_units : ndarray of int, shape (n, n_paths)
        Sampled demand over the protection interval.
    cycle_service_level : ndarray of shape (n,)
        Probabilities in [0, 1).

    Returns
    -------
    ndarray of int64, shape (n,)
        x = min{x : P(demand <= x) >= cycle_service_level} under the sample.

    Examples
    --------
    >>> reorder_points(protection_units=np.array([[3, 1, 2, 4]]), cycle_service_level=np.array([0.75]))
    array([3])
    """
    n_paths = protection_units.shape[1]
    rank = np.clip(np.ceil(np.asarray(cycle_service_level) * n_paths - 1e-9).astype(int) - 1, 0, n_paths - 1)
    ordered = np.sort(protection_units, axis=1)
    return ordered[np.arange(len(ordered)), rank].astype(np.int64)


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
