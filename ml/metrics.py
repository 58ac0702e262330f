"""Scores of a forecast, each defined once.

Belongs here: numbers from arrays. Does not: which origins and segments are scored (`backtest.py`).

References
----------
Makridakis, Spiliotis & Assimakopoulos (2022), *M5 accuracy competition* and *The M5 uncertainty competition*.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import nbinom


def rmsse(actual: NDArray[np.float64], forecast: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Root mean squared scaled error of each series; 0 is best, 1 is the in-sample one-step naive forecast.

    Parameters
    ----------
    actual, forecast : ndarray of shape (n_series, n_days)
    scale : ndarray of shape (n_series,)
        Mean squared one-step difference since the first sale; NaN or 0 gives NaN.

    Examples
    --------
    >>> rmsse(np.array([[2.0, 2.0]]), np.array([[1.0, 3.0]]), np.array([4.0])).tolist()
    [0.5]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sqrt(np.nanmean((actual - forecast) ** 2, axis=1) / np.where(scale > 0, scale, np.nan))


def naive_scale(history: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean squared one-step difference of each row from its first non-zero value on; NaN where there is none.

    Examples
    --------
    >>> naive_scale(np.array([[0.0, 0.0, 1.0, 3.0, 3.0]])).tolist()
    [2.0]
    """
    value = np.nan_to_num(history)
    started = np.maximum.accumulate(value > 0, axis=1)
    step = np.diff(value, axis=1) ** 2
    counts = started[:, :-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts, step, 0).sum(axis=1) / counts.sum(axis=1)


def wrmsse(actual: NDArray[np.float64], forecast: NDArray[np.float64], scale: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    """Mean RMSSE weighted by value; weights are normalised over the series that can be scored."""
    score = rmsse(actual, forecast, scale)
    good = np.isfinite(score)
    total = weight[good].sum()
    return float((score[good] * weight[good]).sum() / total) if total > 0 else float("nan")


def pinball(actual: NDArray[np.float64], quantile_forecast: NDArray[np.float64], levels: tuple[float, ...]) -> float:
    """Mean quantile loss over series, days and levels; lower is better.

    Parameters
    ----------
    actual : ndarray of shape (n,)
    quantile_forecast : ndarray of shape (n, len(levels))
    """
    error = actual[:, None] - quantile_forecast
    level = np.asarray(levels)
    return float(np.mean(np.maximum(level * error, (level - 1) * error)))


def coverage(actual: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]) -> float:
    """Share of days on which demand lies inside the band, ends included."""
    return float(np.mean((actual >= low) & (actual <= high)))


def bias(actual: NDArray[np.float64], forecast: NDArray[np.float64]) -> float:
    """Sum of forecasts over sum of demand, minus one; 0 is best."""
    total = float(np.sum(actual))
    return float(np.sum(forecast)) / total - 1 if total > 0 else float("nan")


def randomised_pit(
    actual: NDArray[np.float64], mean: NDArray[np.float64], dispersion: NDArray[np.float64], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Where each count falls in its negative binomial, drawn uniformly inside the count's own probability; uniform when calibrated.

    Parameters
    ----------
    actual, mean, dispersion : ndarray of one shape
        Whole units, and the forecast of their distribution (variance = mean + dispersion * mean**2).

    References
    ----------
    Czado, Gneiting & Held (2009), *Predictive model assessment for count data*, section 2.1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> u = randomised_pit(rng.poisson(3, 20_000).astype(float), np.full(20_000, 3.0), np.zeros(20_000), rng)
    >>> bool(abs((u <= 0.75).mean() - 0.75) < 0.01)
    True
    """
    size = 1 / np.maximum(dispersion, 1e-8)
    chance = size / (size + np.maximum(mean, 1e-9))
    low = np.where(actual > 0, nbinom.cdf(actual - 1, size, chance), 0.0)
    high = nbinom.cdf(actual, size, chance)
    return low + rng.random(np.shape(actual)) * (high - low)
