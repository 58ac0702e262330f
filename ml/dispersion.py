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

_BINS = 8
_POOL_WEIGHT = 0.5  # series' worth of the pool
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


def spread(actual: NDArray[np.float64], mean: NDArray[np.float64], sku_code: NDArray[np.int64]) -> Spread:
    """Estimate the spread from backtests.

    Parameters
    ----------
    actual, mean : ndarray of shape (n_origins, n_series, n_days)
        Demand (NaN where unknown) and its forecast mean.
    sku_code : ndarray of int, shape (n_series,)
        Number of each series' SKU.
    """
    known = ~np.isnan(actual)
    error = np.where(known, actual - mean, 0.0)
    m = np.where(known, mean, 0.0)
    likelihood = _log_likelihood(np.where(known, actual, 0.0), np.maximum(m, 1e-4), known)
    size = m.sum(axis=(0, 2)) / np.maximum(known.sum(axis=(0, 2)), 1)
    group = np.searchsorted(np.quantile(size, np.linspace(0, 1, _BINS + 1)[1:-1]), size)
    members = np.maximum(np.bincount(group, minlength=_BINS), 1)
    pool = np.stack([np.bincount(group, weights=one, minlength=_BINS) / members for one in likelihood])
    dispersion = _GRID[(likelihood + _POOL_WEIGHT * pool[:, group]).argmax(axis=0)]
    return Spread(dispersion, *_correlations(error, m, known, dispersion, sku_code))


def _log_likelihood(actual: NDArray[np.float64], mean: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Log-likelihood of each series' days under every dispersion of the grid, without what does not depend on it; (n_grid, n_series)."""
    out = np.empty((len(_GRID), actual.shape[1]))
    for row, dispersion in enumerate(_GRID):
        size = 1 / dispersion
        each = gammaln(actual + size) - gammaln(size) + size * np.log(size) - (actual + size) * np.log(size + mean)
        out[row] = np.where(known, each, 0.0).sum(axis=(0, 2))
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
