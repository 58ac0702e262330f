"""Demand on days when stock ran out: what was sold is the least that was asked for.

Belongs here: an estimate of what would have been asked for, from the eight weeks before only, so that a late line can be restated
without touching the past. Does not: deciding which days are censored (dbt facts).

Notes
-----
Demand is taken as negative binomial, D ~ NB(m, alpha). A censored day with s units sold says D >= s, so its expectation is

    E[D | D >= s] = m P(D' >= s - 1) / P(D >= s),   D' ~ NB(m (1 + alpha), alpha / (1 + alpha)),

because k P(D = k) = m P(D' = k - 1). Mean and dispersion of the window are the fixed point of the first two such moments (an EM step each),
so that days on which everything was sold raise the level instead of being dropped, which would lower it. The target day then leans on
its own weekday.

Where a feed tells for what share e of the day the shelf was not empty, sales s are what arrived in that share: the day's rate is Gamma
with mean m and shape 1/alpha, its posterior has mean m (1 + alpha s) / (1 + alpha m e), and the estimate is s + (1 - e) times that. When the
stock ran out may depend on demand; the likelihood is the same. The level m comes from the days that were open throughout, and, like four
days of them, from sales over open share of all.

References
----------
Conrad (1976), *Sales data and the estimation of demand*; Nahmias (1994), *Demand estimation in lost sales inventory systems*.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from planning.negative_binomial import probability_ratio, zero_probability

_WINDOW_DAYS = 56
_STEPS = 24
_WEEKDAY_PRIOR_DAYS = 4.0  # days of the level that a weekday's own mean is shrunk with
_MOST_UNITS = 4_096  # above it, and where chances vanish, the bound itself is taken
_LARGEST_DISPERSION = 5.0
_OPEN_PRIOR_DAYS = 4.0  # days' worth of sales over open share in the level of a day whose share is told
_OPEN_PRIOR_DISPERSION = 0.3


def unconstrained_demand(
    demand: NDArray[np.float32], is_censored: NDArray[np.bool_], open_share: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Replace censored demand by its expectation: given that at least as much was asked for, or given the share of the day it was sold in.

    Parameters
    ----------
    demand : ndarray of float32, shape (n_series, n_days)
        NaN where unknown.
    is_censored : ndarray of bool, shape (n_series, n_days)
    open_share : ndarray of float32, shape (n_series, n_days), or None
        From 0 to 1; NaN where nobody says, and always read on censored days only.

    Returns
    -------
    ndarray of float32, shape (n_series, n_days)
        Never below ``demand``; equal to it on free days, and where the eight weeks before know too little.

    Examples
    --------
    >>> y = np.array([[4.0] * 14 + [0.0]], dtype=np.float32)
    >>> is_last = np.array([[False] * 14 + [True]])
    >>> unconstrained_demand(y, is_last)[0, -1].item()
    4.0
    >>> half = np.full(y.shape, 0.5, np.float32)
    >>> round(unconstrained_demand(y, is_last, half)[0, -1].item(), 1)  # nothing in half a day: a slow one
    1.9
    """
    out = demand.copy()
    is_short = is_censored & ~np.isnan(demand)
    if open_share is not None:
        is_short &= ~(open_share >= 1)  # nothing was lost
    is_told = is_short & ~np.isnan(open_share) if open_share is not None else np.zeros(is_short.shape, bool)
    row, column = np.nonzero(is_told)
    if len(row):
        out[row, column] = _completed(demand, is_short, np.where(is_told, open_share, np.nan).astype(np.float32), row, column)
    row, column = np.nonzero(is_short & ~is_told)
    if len(row):
        out[row, column] = _expected(np.where(is_told, np.float32(np.nan), demand), is_censored, row, column)
    return out


@numba.njit(cache=True, parallel=True)
def _completed(
    demand: NDArray[np.float32],
    is_short: NDArray[np.bool_],
    open_share: NDArray[np.float32],
    row: NDArray[np.int64],
    column: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Expectation of every (series, day) whose open share is told."""
    out = np.empty(len(row), np.float32)
    for n in numba.prange(len(row)):
        series, day = row[n], column[n]
        sold, share = demand[series, day], open_share[series, day]
        free, total, square, weekday_days, weekday_total, arrived, opened = 0, 0.0, 0.0, 0, 0.0, 0.0, 0.0
        for t in range(max(0, day - _WINDOW_DAYS), day):
            y = demand[series, t]
            if np.isnan(y):
                continue
            if is_short[series, t]:
                if not np.isnan(open_share[series, t]):
                    arrived, opened = arrived + y, opened + open_share[series, t]
                continue
            arrived, opened = arrived + y, opened + 1.0
            free, total, square = free + 1, total + y, square + y * (y - 1.0)
            if (day - t) % 7 == 0:
                weekday_days, weekday_total = weekday_days + 1, weekday_total + y
        if opened < 1.0:
            out[n] = sold
            continue
        rate = arrived / opened
        mean = max((total + _OPEN_PRIOR_DAYS * rate) / (free + _OPEN_PRIOR_DAYS), 1e-6)
        second = (square + _OPEN_PRIOR_DAYS * (1 + _OPEN_PRIOR_DISPERSION) * rate * rate) / (free + _OPEN_PRIOR_DAYS)
        dispersion = min(max(second / (mean * mean) - 1.0, 0.0), _LARGEST_DISPERSION)
        own = (weekday_total + _WEEKDAY_PRIOR_DAYS * mean) / (weekday_days + _WEEKDAY_PRIOR_DAYS)
        out[n] = sold + (1 - share) * own * (1 + dispersion * sold) / (1 + dispersion * own * share)
    return out


@numba.njit(cache=True)
def _at_least(count: int, mean: float, dispersion: float) -> float:
    """P(D >= count)."""
    probability = zero_probability(mean, dispersion)
    below = 0.0
    for k in range(count):
        below += probability
        probability *= probability_ratio(k, mean, dispersion)
    return 1.0 - below


@numba.njit(cache=True)
def _moments(sold: float, mean: float, dispersion: float) -> tuple[float, float]:
    """E[D | D >= sold] and E[D (D - 1) | D >= sold]."""
    least = int(sold)
    chance = _at_least(least, mean, dispersion) if least <= _MOST_UNITS else 0.0
    if chance < 1e-7:  # the level says this cannot happen; it did
        return sold, max(sold * (sold - 1.0), 0.0)
    first = mean * _at_least(max(least - 1, 0), mean * (1 + dispersion), dispersion / (1 + dispersion)) / chance
    second = (
        mean
        * mean
        * (1 + dispersion)
        * _at_least(max(least - 2, 0), mean * (1 + 2 * dispersion), dispersion / (1 + 2 * dispersion))
        / chance
    )
    return max(first, sold), max(second, 0.0)


@numba.njit(cache=True, parallel=True)
def _expected(
    demand: NDArray[np.float32], is_censored: NDArray[np.bool_], row: NDArray[np.int64], column: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Expectation of every censored (series, day)."""
    out = np.empty(len(row), np.float32)
    for n in numba.prange(len(row)):
        series, day = row[n], column[n]
        sold = demand[series, day]
        first = max(0, day - _WINDOW_DAYS)
        known, total, square = 0, 0.0, 0.0
        for t in range(first, day):
            y = demand[series, t]
            if not np.isnan(y):
                known, total, square = known + 1, total + y, square + y * (y - 1.0)
        if known < 2:
            out[n] = sold
            continue
        mean, second = total / known, square / known
        dispersion = 0.0
        weekday_total, weekday_days = 0.0, 0
        for _ in range(_STEPS):
            mean = max(mean, 1e-6)
            dispersion = min(max(second / (mean * mean) - 1.0, 0.0), _LARGEST_DISPERSION)
            total, square, weekday_total, weekday_days = 0.0, 0.0, 0.0, 0
            for t in range(first, day):
                y = demand[series, t]
                if np.isnan(y):
                    continue
                x, xx = y, y * (y - 1.0)
                if is_censored[series, t]:
                    x, xx = _moments(y, mean, dispersion)
                total, square = total + x, square + xx
                if (day - t) % 7 == 0:
                    weekday_total, weekday_days = weekday_total + x, weekday_days + 1
            before, mean, second = mean, total / known, square / known
            if abs(mean - before) < 1e-4 * before:
                break
        own = (weekday_total + _WEEKDAY_PRIOR_DAYS * mean) / (weekday_days + _WEEKDAY_PRIOR_DAYS)
        out[n] = max(sold, _moments(sold, max(own, 1e-6), dispersion)[0])
    return out
