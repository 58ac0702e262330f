"""Demand of regions, categories and the whole: sums of the forecasts of SKUs, with a spread of their own.

Belongs here: which series make which total, and how far totals stray. Does not: the pull of SKUs to forecast totals
(`baselines.reconciled`).

Notes
-----
Means of totals are sums of means, so every level adds up. Quantiles do not add up: errors of SKUs move together, and what that comes
to is read off the backtest, at each total. A total's relative error is shrunk to its level's, which counts like four weeks of days.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from ml.panel import HORIZON_DAYS, Panel
from planning.frames import DEMAND_TOTALS, M5_QUANTILES

_SHRINKAGE_DAYS = 28.0
LEVELS = ("total", "region", "category", "category-region")


def total_codes(panel: Panel) -> dict[str, NDArray[np.int64]]:
    """Number of each series' total, by level of `LEVELS`; shape (n_series,) each."""
    regions = panel.region_code.max(initial=0) + 1
    return {
        "total": np.zeros(len(panel.series), dtype=np.int64),
        "region": panel.region_code,
        "category": panel.category_code,
        "category-region": panel.category_code * regions + panel.region_code,
    }


def summed(values: NDArray[np.floating], code: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums of rows with the same code, shape (codes, n_columns)."""
    out = np.zeros((int(code.max(initial=-1)) + 1, values.shape[1]))
    np.add.at(out, code, values)
    return out


def relative_errors(actual: NDArray[np.floating], mean: NDArray[np.floating], code: NDArray[np.int64]) -> NDArray[np.float64]:
    """Standard deviation of each total's error over its mean, from a backtest.

    Parameters
    ----------
    actual, mean : ndarray of shape (n_origins, n_series, n_days)
        Unknown demand (NaN) is left out on both sides.
    code : ndarray of int, shape (n_series,)

    Returns
    -------
    ndarray of shape (codes,)
    """
    known = ~np.isnan(actual)
    pairs = [(summed(np.where(k, a, 0), code), summed(np.where(k, m, 0), code)) for a, m, k in zip(actual, mean, known, strict=True)]
    error = sum(((a - m) ** 2).sum(axis=1) for a, m in pairs)
    square = sum((m**2).sum(axis=1) for _, m in pairs)
    days = actual.shape[0] * actual.shape[2]
    pooled = error.sum() / max(square.sum(), 1e-9)
    own = np.where(square > 0, error / np.maximum(square, 1e-9), pooled)
    return np.sqrt((days * own + _SHRINKAGE_DAYS * pooled) / (days + _SHRINKAGE_DAYS))


def total_quantiles(mean: NDArray[np.float64], relative_error: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nine M5 quantiles of totals, never negative, never crossing; shape (codes, n_days, 9).

    Parameters
    ----------
    mean : ndarray of shape (codes, n_days)
    relative_error : ndarray of shape (codes,)
    """
    away = 1 + relative_error[:, None, None] * norm.ppf(M5_QUANTILES)[None, None, :]
    return np.maximum(mean[:, :, None] * away, 0.0)


def total_names(panel: Panel) -> dict[str, pd.DataFrame]:
    """Columns region_id and category of every total, by level, in the order of its codes; "all" where a level does not tell them apart."""
    regions, categories = (np.unique(panel.series[c].to_numpy(dtype=str)) for c in ("region_id", "category"))
    each = {
        "total": (["all"], ["all"]),
        "region": (regions, ["all"] * len(regions)),
        "category": (["all"] * len(categories), categories),
        "category-region": (np.tile(regions, len(categories)), np.repeat(categories, len(regions))),
    }
    return {level: pd.DataFrame({"region_id": region, "category": category}) for level, (region, category) in each.items()}


def demand_totals(
    panel: Panel, mean: NDArray[np.float64], errors: dict[str, NDArray[np.float64]], as_of_date: pd.Timestamp
) -> pd.DataFrame:
    """Frame `forecast.demand_totals`: mean and central 95 % of every total on each of the next 28 days.

    Parameters
    ----------
    mean : ndarray of shape (n_series, 28)
    errors : dict of str to ndarray
        `relative_errors` by level.
    """
    days = pd.date_range(as_of_date + pd.Timedelta(days=1), periods=HORIZON_DAYS)
    names = total_names(panel)
    blocks = []
    for level, code in total_codes(panel).items():
        present = np.unique(code)
        total = summed(mean, code)[present]
        spread_out = total_quantiles(total, errors[level][present])
        block = names[level].iloc[np.repeat(present, HORIZON_DAYS)].reset_index(drop=True)
        blocks.append(
            block.assign(
                as_of_date=as_of_date,
                level=level,
                demand_date=np.tile(days.to_numpy(), len(present)),
                demand_mean_units=np.round(total.ravel(), 6),
                demand_low_units=np.round(spread_out[:, :, M5_QUANTILES.index(0.025)].ravel(), 6),
                demand_high_units=np.round(spread_out[:, :, M5_QUANTILES.index(0.975)].ravel(), 6),
            )
        )
    return DEMAND_TOTALS.check(pd.concat(blocks, ignore_index=True)[list(DEMAND_TOTALS.fields)])
