"""Demand on days when stock ran out.

Belongs here: an estimate of what would have been asked for, from earlier days only, so that a late line can be restated
without touching the past. Does not: deciding which days are censored (dbt facts).
"""

import numpy as np
from numpy.typing import NDArray

_WEEKS = 8


def unconstrained_demand(demand: NDArray[np.float32], is_censored: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Replace censored demand by the larger of itself and the mean of the last eight free same weekdays.

    Parameters
    ----------
    demand : ndarray of float32, shape (n_series, n_days)
        NaN where unknown.
    is_censored : ndarray of bool, shape (n_series, n_days)

    Returns
    -------
    ndarray of float32, shape (n_series, n_days)
        Never below ``demand``; equal to it on free days. With fewer than two free same weekdays the mean of all free
        days of those eight weeks is taken.

    Examples
    --------
    >>> y = np.array([[4.0] * 14 + [0.0]], dtype=np.float32)
    >>> unconstrained_demand(y, np.array([[False] * 14 + [True]]))[0, -1].item()
    4.0
    """
    free = np.where(is_censored, np.nan, demand)
    known = ~np.isnan(free)
    value = np.nan_to_num(free)
    total, count = np.zeros_like(value, dtype=np.float64), np.zeros(value.shape, dtype=np.int32)
    for week in range(1, _WEEKS + 1):
        lag = 7 * week
        total[:, lag:] += value[:, :-lag] if lag < value.shape[1] else 0
        count[:, lag:] += known[:, :-lag] if lag < value.shape[1] else 0
    sums = np.pad(np.cumsum(value, axis=1, dtype=np.float64), ((0, 0), (1, 0)))
    counts = np.pad(np.cumsum(known, axis=1), ((0, 0), (1, 0)))
    end = np.arange(value.shape[1])
    start = np.maximum(end - 7 * _WEEKS, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        weekday_mean = total / count
        mean = (sums[:, end] - sums[:, start]) / (counts[:, end] - counts[:, start])
    estimate = np.nan_to_num(np.where(count >= 2, weekday_mean, mean))
    return np.where(is_censored & ~np.isnan(demand), np.maximum(demand, estimate), demand).astype(np.float32)
