"""The one distribution of daily demand: a negative binomial with a mean and a dispersion.

Belongs here: its quantiles and its inverse, compiled. Does not: where mean and dispersion come from (`ml`), nor sums
over days (`planning/lead_time_demand.py`). variance = mean + dispersion * mean**2; dispersion 0 is Poisson. Thinning a
count with probability p keeps the dispersion and multiplies the mean, so a node's share of a region is again of this
family.

References
----------
Hilbe, *Negative Binomial Regression*, 2nd ed., eq. 8.1 (the NB2 form).
"""

import math

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.stats import nbinom

LARGE_MEAN = 256.0  # above it the probabilities are not walked one by one


@numba.njit(cache=True)
def zero_probability(mean: float, dispersion: float) -> float:
    """Probability of zero."""
    if dispersion < 1e-8:
        return math.exp(-mean)
    return math.exp(-math.log1p(dispersion * mean) / dispersion)


@numba.njit(cache=True)
def probability_ratio(k: int, mean: float, dispersion: float) -> float:
    """Ratio of the probability of k + 1 to that of k."""
    return mean * (1.0 + dispersion * k) / ((1.0 + dispersion * mean) * (k + 1.0))


@numba.njit(cache=True)
def large_quantile(z: float, mean: float, dispersion: float) -> int:
    """Quantile of a large mean at standard normal score z: the gamma of the same mean and variance, by Wilson-Hilferty.

    Rises with z whatever the dispersion.
    """
    shape = mean * mean / (mean + dispersion * mean * mean)
    root = max(0.0, 1.0 - 1.0 / (9.0 * shape) + z / (3.0 * math.sqrt(shape)))
    return int(math.floor(mean * root * root * root + 0.5))


@numba.njit(cache=True)
def cumulative_table(mean: float, dispersion: float, table: NDArray[np.float64]) -> int:
    """Fill ``table`` with P(demand <= k) for k = 0, 1, … and return how many entries were needed."""
    probability = zero_probability(mean, dispersion)
    total = probability
    table[0] = total
    k = 0
    while total < 1.0 - 1e-7 and k + 1 < table.size:
        probability *= probability_ratio(k, mean, dispersion)
        total += probability
        k += 1
        table[k] = total
    return k + 1


@numba.njit(cache=True, parallel=True)
def _quantiles(means: NDArray[np.float64], dispersions: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.int64]:
    out = np.zeros((means.size, levels.size), np.int64)
    for i in numba.prange(means.size):
        mean, dispersion = means[i], dispersions[i]
        if mean > LARGE_MEAN:
            continue
        probability = zero_probability(mean, dispersion)
        total, k = probability, 0
        for j in range(levels.size):
            while total < levels[j] and k < 100_000:
                probability *= probability_ratio(k, mean, dispersion)
                total += probability
                k += 1
            out[i, j] = k
    return out


def quantiles(*, demand_mean_units: NDArray[np.float64], dispersion: NDArray[np.float64], levels: tuple[float, ...]) -> NDArray[np.int64]:
    """Smallest whole demand whose cumulative probability reaches each level.

    Parameters
    ----------
    demand_mean_units, dispersion : ndarray of shape (n,)
        Both >= 0, finite.
    levels : tuple of float
        Probabilities in (0, 1), ascending.

    Returns
    -------
    ndarray of int64, shape (n, len(levels))
        Never crossing: each row ascends.

    Raises
    ------
    ValueError
        Levels that do not ascend, a negative or non-finite mean or dispersion.

    Examples
    --------
    >>> quantiles(demand_mean_units=np.array([18.0]), dispersion=np.array([0.0]), levels=(0.574,)).item()
    19
    """
    grid = np.asarray(levels, dtype=float)
    if np.any(np.diff(grid) <= 0) or grid[0] <= 0 or grid[-1] >= 1:
        raise ValueError(f"levels must ascend inside (0, 1), got {levels}")
    means = np.ascontiguousarray(demand_mean_units, dtype=float)
    dispersions = np.ascontiguousarray(dispersion, dtype=float)
    for name, values in (("demand_mean_units", means), ("dispersion", dispersions)):
        if not np.all(np.isfinite(values)) or np.any(values < 0):
            raise ValueError(f"{name} must be finite and >= 0; {int(np.sum(~(values >= 0)))} values are not")
    out = _quantiles(means, dispersions, grid)
    large = means > LARGE_MEAN
    if large.any():
        size = 1.0 / np.maximum(dispersions[large], 1e-9)
        out[large] = nbinom.ppf(grid[None, :], size[:, None], (1.0 / (1.0 + means[large] / size))[:, None])
    return out
