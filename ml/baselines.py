"""Forecasts anybody would make without a model; what a model has to beat and what stands in when it does not.

Belongs here: seasonal naive and level times weekday. Does not: scores (`metrics.py`).
"""

import numpy as np
from numpy.typing import NDArray

from ml.panel import HORIZON_DAYS, Panel

_LEVEL_DAYS = 56
_PROFILE_WEIGHT = 28.0  # units of demand that pull a series' weekday profile to its region's


def seasonal_naive(panel: Panel, origin: int) -> NDArray[np.float64]:
    """The last known same weekday, shape (n_series, 28); the series' level where that day is unknown."""
    horizon = np.arange(1, HORIZON_DAYS + 1)
    value = panel.demand[:, origin + horizon - 7 * (-(-horizon // 7))].astype(np.float64)
    level = np.nan_to_num(panel.window_mean(origin, _LEVEL_DAYS))
    return np.where(np.isnan(value), level[:, None], value)


def level_times_weekday(panel: Panel, origin: int) -> NDArray[np.float64]:
    """Mean of eight weeks times a weekday profile shrunk to the region's, shape (n_series, 28)."""
    level = np.nan_to_num(panel.window_mean(origin, _LEVEL_DAYS))
    low = max(0, origin + 1 - _LEVEL_DAYS)
    known = ~np.isnan(panel.demand[:, low : origin + 1])  # a day nobody delivered is no day without demand
    window = np.nan_to_num(panel.demand[:, low : origin + 1])
    start = panel.days[low].day_of_week
    weekday = (start + np.arange(window.shape[1])) % 7
    total, count = (np.stack([values[:, weekday == d].sum(axis=1) for d in range(7)], axis=1) for values in (window, known))
    by_weekday = np.where(count > 0, total / np.maximum(count, 1), level[:, None])
    regions = panel.region_code.max() + 1 if len(panel.region_code) else 0
    region = np.stack([np.bincount(panel.region_code, weights=by_weekday[:, d], minlength=regions) for d in range(7)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        region_profile = np.nan_to_num(region / region.mean(axis=1, keepdims=True), nan=1.0)[panel.region_code]
    units = window.sum(axis=1, keepdims=True)
    own = by_weekday * 7 / np.maximum(by_weekday.sum(axis=1, keepdims=True), 1e-9)
    profile = (units * own + _PROFILE_WEIGHT * region_profile) / (units + _PROFILE_WEIGHT)
    target = (panel.days[origin].day_of_week + np.arange(1, HORIZON_DAYS + 1)) % 7
    return level[:, None] * profile[:, target]


def aligned(panel: Panel, mean: NDArray[np.float64], anchor: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """Scale each category-region of ``mean`` towards the 28-day total of ``anchor``.

    Parameters
    ----------
    mean, anchor : ndarray of shape (n_series, 28)
        A forecast with the better shape and one with the steadier level.
    strength : float
        0 leaves the forecast, 1 gives it the anchor's totals; between, the ratio is raised to this power.
    """
    pair = panel.category_code * (panel.region_code.max() + 1) + panel.region_code
    mine, theirs = (np.bincount(pair, weights=values.sum(axis=1)) for values in (mean, anchor))
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where((mine > 0) & (theirs > 0), theirs / mine, 1.0) ** strength
    return mean * ratio[pair][:, None]


def reconciled(panel: Panel, mean: NDArray[np.float64], totals: NDArray[np.float64], strength: float) -> NDArray[np.float64]:
    """Scale each category-region and day of ``mean`` towards its forecast total.

    Parameters
    ----------
    mean : ndarray of shape (n_series, 28)
        Forecast of the series: their shares of the total are kept.
    totals : ndarray of shape (n_categories * n_regions, 28)
        Forecast of the totals, row = category code * n_regions + region code.
    strength : float
        0 leaves the forecast, 1 gives it the totals; between, the ratio is raised to this power.

    Notes
    -----
    Sums over SKUs, regions and categories are sums of the result, so every level adds up and none is negative.
    """
    pair = panel.category_code * (panel.region_code.max() + 1) + panel.region_code
    mine = np.zeros_like(totals)
    np.add.at(mine, pair, mean)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = np.where((mine > 0) & (totals > 0), totals / mine, 1.0) ** strength
    return mean * ratio[pair]
