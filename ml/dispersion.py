"""How far demand strays from its mean, and how errors move together.

Belongs here: dispersion and rank correlations from backtest errors. Does not: the distribution itself
(`planning/negative_binomial.py`).

Notes
-----
Moment estimate of the negative binomial: alpha = sum((y - m)^2 - m) / sum(m^2). A series has few days, so numerator and
denominator are pooled with those of series of the same size, weighted like four weeks of them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_BINS = 8
_POOL_DAYS = 28.0
_LARGEST = 20.0


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
    excess = (error**2 - m).sum(axis=(0, 2))
    square = (m**2).sum(axis=(0, 2))
    size = m.sum(axis=(0, 2)) / np.maximum(known.sum(axis=(0, 2)), 1)
    edges = np.quantile(size, np.linspace(0, 1, _BINS + 1)[1:-1])
    group = np.searchsorted(edges, size)
    pooled_excess = np.bincount(group, weights=excess, minlength=_BINS)
    pooled_square = np.bincount(group, weights=square, minlength=_BINS)
    total = max(pooled_square.sum(), 1e-9)
    pool = np.where(pooled_square > 0, pooled_excess / np.maximum(pooled_square, 1e-9), pooled_excess.sum() / total)
    pool = np.clip(pool, 0.0, _LARGEST)[group]
    weight = _POOL_DAYS * np.maximum(size, 1e-6) ** 2
    dispersion = np.clip((excess + weight * pool) / (square + weight), 0.0, _LARGEST)
    return Spread(dispersion, *_correlations(error, m, known, dispersion, sku_code))


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
