"""Demand over an interval when a day's demand is known as a histogram: exact, by convolution.

Belongs here: sums of independent days of any distribution on whole units, mixed over lead times. Does not: forecasts, whose days are negative binomial
(`interval_demand.py`). For SKUs whose days fit no family, for checks of those that do, and for published cases.
"""

import numpy as np
from numpy.typing import NDArray

from planning.errors import PlanningError


def interval_histogram(
    *, daily: NDArray[np.float64], days: NDArray[np.int64], shares: NDArray[np.float64], most_units: int
) -> NDArray[np.float64]:
    """P(D = k) of demand over an interval, k = 0 … most_units.

    Parameters
    ----------
    daily : ndarray of shape (n_units,)
        P(a day's demand = k), summing to 1.
    days : ndarray of int, shape (n_values,)
        Lengths the interval may have: lead time and review period together.
    shares : ndarray of shape (n_values,)
        Their probabilities.
    most_units : int
        Larger sums are not told apart; they wrap around unless their probability is negligible.

    Raises
    ------
    PlanningError
        Probabilities that are negative or do not sum to 1, or an interval below zero days.

    Notes
    -----
    The transform of a sum of h independent days is the h-th power of a day's.

    Examples
    --------
    >>> coin = np.array([0.5, 0.5])
    >>> interval_histogram(daily=coin, days=np.array([2]), shares=np.ones(1), most_units=3).round(3).tolist()
    [0.25, 0.5, 0.25, 0.0]
    """
    for name, values in (("daily", daily), ("shares", shares)):
        if np.any(values < 0) or abs(values.sum() - 1) > 1e-6:
            raise PlanningError(f"{name}: probabilities must be >= 0 and sum to 1, they sum to {values.sum():.6f}")
    if np.any(days < 0):
        raise PlanningError(f"days: an interval of {days.min()} days; lead times and review periods are >= 0")
    size = 1 << int(most_units).bit_length()
    transform = np.fft.rfft(daily, size)
    mixed = sum(share * transform**h for h, share in zip(days.tolist(), shares.tolist(), strict=True))
    return np.maximum(np.fft.irfft(mixed, size), 0.0)[: most_units + 1]


def smallest_units_of(histogram: NDArray[np.float64], *, cycle_service_level: float = 0.0, most_shortage_units: float = np.inf) -> int:
    """Smallest x with P(D <= x) >= cycle_service_level and E[(D - x)+] <= most_shortage_units.

    Raises
    ------
    PlanningError
        The histogram ends before the promise is kept.

    Examples
    --------
    >>> smallest_units_of(np.array([0.25, 0.5, 0.25]), cycle_service_level=0.7), smallest_units_of(np.array([0.25, 0.5, 0.25]), most_shortage_units=0.1)
    (1, 2)
    """
    covered = np.cumsum(histogram)
    short = np.maximum(histogram @ np.arange(len(histogram)) - np.r_[0.0, np.cumsum(1 - covered)[:-1]], 0.0)
    good = (covered >= cycle_service_level - 1e-12) & (short <= most_shortage_units + 1e-12)
    if not good.any():
        raise PlanningError(f"the histogram of {len(histogram)} values ends before the promise is kept; give it more units")
    return int(np.argmax(good))
