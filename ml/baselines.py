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
    window = np.nan_to_num(panel.demand[:, low : origin + 1])
    start = panel.days[low].dayofweek
    weekday = (start + np.arange(window.shape[1])) % 7
    by_weekday = np.stack([window[:, weekday == d].mean(axis=1) if np.any(weekday == d) else level for d in range(7)], axis=1)
    regions = panel.region_code.max() + 1 if len(panel.region_code) else 0
    region = np.stack([np.bincount(panel.region_code, weights=by_weekday[:, d], minlength=regions) for d in range(7)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        region_profile = np.nan_to_num(region / region.mean(axis=1, keepdims=True), nan=1.0)[panel.region_code]
    units = window.sum(axis=1, keepdims=True)
    own = by_weekday * 7 / np.maximum(by_weekday.sum(axis=1, keepdims=True), 1e-9)
    profile = (units * own + _PROFILE_WEIGHT * region_profile) / (units + _PROFILE_WEIGHT)
    target = (panel.days[origin].dayofweek + np.arange(1, HORIZON_DAYS + 1)) % 7
    return level[:, None] * profile[:, target]
