"""How far demand strays from its mean, and how errors move together.

Belongs here: dispersion and rank correlations from backtest errors. Does not: the distribution itself
(`planning/negative_binomial.py`).

Notes
-----
The dispersion of a series is the one of a grid that makes its backtest most likely, together with the mean log-likelihood of the series
of the same size, which counts like half a series. Moments would follow the few largest errors and be too wide for all other days.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln
from scipy.stats import nbinom

_BINS = 8
_POOL_WEIGHT = 0.5  # series' worth of the pool
_LOG_LEAST = -20.0  # a day that the mean says cannot be is no reason to give up the others
_GRID = np.geomspace(0.01, 8.0, 16)


@dataclass(frozen=True)
class Spread:
    """Spread of the forecast errors.

    Parameters
    ----------
    dispersion : ndarray of shape (n_series,)
    level_correlation, region_correlation : float
        See `planning/lead_time_demand.py`.
    """

    dispersion: NDArray[np.float64]
    level_correlation: float
    region_correlation: float


@dataclass(frozen=True)
class Sold:
    """What was seen of demand: all of it, or what stock allowed.

    Parameters
    ----------
    units : ndarray of shape (n_origins, n_series, n_days)
    is_censored : ndarray of bool, of that shape
    open_share : ndarray of that shape
        Share of a censored day in which it was sold; NaN where nobody says, and the units are a lower bound.
    """

    units: NDArray[np.float64]
    is_censored: NDArray[np.bool_]
    open_share: NDArray[np.float64]


def spread(actual: NDArray[np.float64], mean: NDArray[np.float64], sku_code: NDArray[np.int64], sold: Sold | None = None) -> Spread:
    """Estimate the spread from backtests.

    Parameters
    ----------
    actual, mean : ndarray of shape (n_origins, n_series, n_days)
        Demand (NaN where unknown) and its forecast mean.
    sku_code : ndarray of int, shape (n_series,)
        Number of each series' SKU.
    sold : Sold or None
        Days on which ``actual`` is an estimate count in the dispersion with what was seen, not as if the estimate had been: an expectation
        strays less than demand does.
    """
    known = ~np.isnan(actual)
    error = np.where(known, actual - mean, 0.0)
    m = np.where(known, mean, 0.0)
    likelihood = _log_likelihood(np.where(known, actual, 0.0), np.maximum(m, 1e-4), known, sold)
    size = m.sum(axis=(0, 2)) / np.maximum(known.sum(axis=(0, 2)), 1)
    group = np.searchsorted(np.quantile(size, np.linspace(0, 1, _BINS + 1)[1:-1]), size)
    members = np.maximum(np.bincount(group, minlength=_BINS), 1)
    pool = np.stack([np.bincount(group, weights=one, minlength=_BINS) / members for one in likelihood])
    dispersion = _GRID[(likelihood + _POOL_WEIGHT * pool[:, group]).argmax(axis=0)]
    return Spread(dispersion, *_correlations(error, m, known, dispersion, sku_code))


def _log_likelihood(
    actual: NDArray[np.float64], mean: NDArray[np.float64], known: NDArray[np.bool_], sold: Sold | None
) -> NDArray[np.float64]:
    """Log-likelihood of each series' days under every dispersion of the grid, without what does not depend on it; (n_grid, n_series)."""
    bounds = np.zeros(known.shape, bool)
    if sold is not None:
        told = sold.is_censored & ~np.isnan(sold.open_share)
        bounds = sold.is_censored & ~told & known
        actual, mean = np.where(told, sold.units, actual), np.where(told, np.maximum(mean * sold.open_share, 1e-4), mean)
        known = known & ~bounds
    at = np.nonzero(bounds)
    least = np.ceil(sold.units[at]) if sold is not None else np.empty(0)
    out = np.empty((len(_GRID), actual.shape[1]))
    for row, dispersion in enumerate(_GRID):
        size = 1 / dispersion
        each = gammaln(actual + size) - gammaln(size) + size * np.log(size) - (actual + size) * np.log(size + mean)
        out[row] = np.where(known, each, 0.0).sum(axis=(0, 2))
        if len(least):
            at_least = nbinom.logsf(least - 1, size, size / (size + mean[at]))
            out[row] += np.bincount(at[1], weights=np.maximum(at_least, _LOG_LEAST), minlength=out.shape[1])
    return out


def _correlations(
    error: NDArray[np.float64],
    mean: NDArray[np.float64],
    known: NDArray[np.bool_],
    dispersion: NDArray[np.float64],
    sku_code: NDArray[np.int64],
) -> tuple[float, float]:
    """Correlation between days within a series, and the part of it that the regions of a SKU share."""
    n_days = error.shape[2]
    score = np.where(known, error / np.sqrt(np.maximum(mean + dispersion[None, :, None] * mean**2, 1e-9)), 0.0)
    usable = known.all(axis=2) & (mean.mean(axis=2) > 0.05)
    if usable.sum() < 30:
        return 0.1, 0.05
    average = score.mean(axis=2)
    variance = float(np.mean(score[usable] ** 2))
    level = (n_days * float(np.mean(average[usable] ** 2)) / max(variance, 1e-9) - 1) / (n_days - 1)
    level = float(np.clip(level, 0.0, 0.8))
    together, alone = 0.0, 0.0
    for origin in range(len(average)):
        a = np.where(usable[origin], average[origin], 0.0)
        total = np.bincount(sku_code, weights=a)
        squares = np.bincount(sku_code, weights=a**2)
        regions = np.bincount(sku_code, weights=usable[origin])
        together += float(np.sum(total**2 - squares))
        alone += float(np.sum(np.where(regions > 1, squares * (regions - 1), 0.0)))
    shared = np.clip(together / alone, 0.0, 1.0) if alone > 0 else 0.0
    return round(level, 6), round(float(level * shared), 6)
