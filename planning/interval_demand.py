"""Demand over a protection interval as a mixture over lead times, without sampling.

Belongs here: mean and spread of demand over each possible interval, and quantiles, probabilities and expected shortage of their mixture. Does
not: what a target makes of them (`stock_targets.py`), paths that keep who asked when (`lead_time_demand.py`, whose model of demand this is).

Notes
-----
Given lead time l, demand is a sum of negative binomial days over l plus the review period. Sums of the same negative binomial are
negative binomial; unequal and correlated days are given the one with the sum's mean and variance (a Poisson or a rounded normal where the
variance is not above the mean):

    V = sum sigma^2 + a (sum_s A_s^2 - sum alpha^2) + c ((sum_s C_s)^2 - sum_s C_s^2)

over flows and days, a and c being the correlations of normal scores of a series and of a SKU (see `lead_time_demand.py`). Counts follow a common
score less closely than their sigma says: days whose scores have correlation r have a covariance of r kappa(r)^2 with
kappa(r)^2 = sum_n r^(n - 1) h_n^2 / n!, h_n = sum_k He_(n-1)(z_k) phi(z_k), z_k = Phi^-1(P(D <= k)) (Mehler's formula, four terms). alpha is
kappa(a), A_s and C_s are sums of kappa(a) and kappa(c) over series s. P(D <= x) is the mixture over l.
"""

import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from planning.lead_time_demand import DemandFlows
from planning.lead_times import LeadTimes
from planning.negative_binomial import LARGE_MEAN, cumulative_table, probability_ratio

_LONGEST_WALK = 100_000  # beyond it demand is taken as a gamma
_TINY = 1e-290  # below it a probability has lost its digits
_NOTHING = 1e-9  # a mean that is no demand


@dataclass(frozen=True)
class IntervalDemand:
    """Demand of SKU-nodes over their protection interval: one component for each lead time that is possible.

    Parameters
    ----------
    mean_units, variance : ndarray of shape (n_rows, n_values)
        Of demand over the interval, for each value.
    shares : ndarray of shape (n_rows, n_values)
        Probability of the value; 0 where it is unused.
    protection_days : ndarray of shape (n_rows,)
        Mean length of the interval.
    daily_variance : ndarray of shape (n_rows,)
        Of a day's demand, on average over the mean interval; what the textbook formula is given.
    """

    mean_units: NDArray[np.float64]
    variance: NDArray[np.float64]
    shares: NDArray[np.float64]
    protection_days: NDArray[np.float64]
    daily_variance: NDArray[np.float64]

    @property
    def expected_units(self) -> NDArray[np.float64]:
        """Expected demand over the interval, shape (n_rows,)."""
        return np.sum(self.mean_units * self.shares, axis=1)

    @property
    def std_units(self) -> NDArray[np.float64]:
        """Standard deviation of demand over the interval, lead time included, shape (n_rows,)."""
        second = np.sum((self.variance + self.mean_units**2) * self.shares, axis=1)
        return np.sqrt(np.maximum(second - self.expected_units**2, 0.0))


def interval_demand(
    *,
    flows: DemandFlows,
    lead_times: LeadTimes,
    review_period_days: NDArray[np.int64],
    level_correlation: float,
    region_correlation: float,
) -> IntervalDemand:
    """Moments of demand over each row's possible intervals, pooled over the nodes that it replenishes.

    Parameters
    ----------
    flows : DemandFlows
        ``means`` reach as far as the longest interval that matters; longer ones are cut there.
    lead_times : LeadTimes
    review_period_days : ndarray of int, shape (n_rows,)
    level_correlation, region_correlation : float
        In [0, 1]; the second at most the first counts.
    """
    n_rows, n_values = len(flows.parent_row), lead_times.days.shape[1]
    mean, variance = np.zeros((n_rows, n_values)), np.zeros((n_rows, n_values))
    daily = np.zeros(n_rows)
    days = np.maximum(lead_times.days[lead_times.kind] + np.asarray(review_period_days)[:, None], 1)
    shares = lead_times.shares[lead_times.kind]
    usual = np.sum(days * shares, axis=1)
    _moments(
        flows.means, flows.dispersions, flows.flow_series, flows.flow_row, flows.flow_share, flows.flow_start, flows.row_start,
        flows.parent_row, days, np.maximum(np.rint(usual), 1).astype(np.int64), level_correlation, min(region_correlation, level_correlation),
        mean, variance, daily,
    )  # fmt: skip
    return IntervalDemand(mean, variance, shares, usual, daily)


def smallest_units(
    demand: IntervalDemand, *, cycle_service_level: NDArray[np.float64], most_shortage_units: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Smallest whole stock x with P(D <= x) >= cycle_service_level and E[(D - x)+] <= most_shortage_units.

    Parameters
    ----------
    demand : IntervalDemand
    cycle_service_level : ndarray of shape (n_rows,)
        In [0, 1); 0 asks nothing.
    most_shortage_units : ndarray of shape (n_rows,)
        Expected units short in an interval, at most; infinity asks nothing.

    Examples
    --------
    >>> one = IntervalDemand(np.array([[18.0]]), np.array([[18.0]]), np.ones((1, 1)), np.ones(1), np.ones(1))
    >>> smallest_units(one, cycle_service_level=np.array([270 / 470]), most_shortage_units=np.array([np.inf])).item()
    19
    """
    out = np.zeros(len(demand.shares), np.int64)
    _smallest(
        demand.mean_units, demand.variance, demand.shares,
        np.ascontiguousarray(cycle_service_level, dtype=float), np.ascontiguousarray(most_shortage_units, dtype=float), out,
    )  # fmt: skip
    return out


def service_at(demand: IntervalDemand, units: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """P(D <= units) and E[(D - units)+] of every row, each of shape (n_rows,)."""
    covered, short = np.zeros(len(units)), np.zeros(len(units))
    _service(demand.mean_units, demand.variance, demand.shares, np.asarray(units, dtype=np.int64), covered, short)
    return covered, short


# ------------------------------------------------------------------------------------------------------------ kernels
@numba.njit(cache=True)
def _normal_score(p: float) -> float:
    """Inverse of the standard normal distribution (Acklam's rational approximation, relative error below 1.2e-9)."""
    if p <= 0.0:
        return -8.3
    if p >= 1.0:
        return 8.3
    if p < 0.02425 or p > 0.97575:
        q = math.sqrt(-2.0 * math.log(min(p, 1.0 - p)))
        top = ((((-7.784894002430293e-03 * q - 3.223964580411365e-01) * q - 2.400758277161838e00) * q - 2.549732539343734e00) * q
               + 4.374664141464968e00) * q + 2.938163982698783e00  # fmt: skip
        z = top / ((((7.784695709041462e-03 * q + 3.224671290700398e-01) * q + 2.445134137142996e00) * q + 3.754408661907416e00) * q + 1.0)
        return z if p < 0.5 else -z
    q = p - 0.5
    r = q * q
    top = (((((-3.969683028665376e01 * r + 2.209460984245205e02) * r - 2.759285104469687e02) * r + 1.383577518672690e02) * r
            - 3.066479806614716e01) * r + 2.506628277459239e00) * q  # fmt: skip
    low = ((((-5.447609879822406e01 * r + 1.615858368580409e02) * r - 1.556989798598866e02) * r + 6.680131188771972e01) * r
           - 1.328068155288572e01) * r + 1.0  # fmt: skip
    return top / low


@numba.njit(cache=True)
def _score_follows(mean: float, dispersion: float, r: float, s: float, table: NDArray[np.float64]) -> tuple[float, float]:
    """kappa(r) / sigma and kappa(s) / sigma of a day's demand, in (0, 1]."""
    if mean <= 0.0 or mean > LARGE_MEAN:
        return 1.0, 1.0
    one, two, three, four = 0.0, 0.0, 0.0, 0.0
    for k in range(cumulative_table(mean, dispersion, table)):
        z = _normal_score(table[k])
        density = 0.3989422804014327 * math.exp(-0.5 * z * z)
        one += density
        two += z * density
        three += (z * z - 1.0) * density
        four += z * (z * z - 3.0) * density
    variance = mean + dispersion * mean * mean
    one, two, three, four = one * one, two * two / 2.0, three * three / 6.0, four * four / 24.0
    first = one + r * (two + r * (three + r * four))
    second = one + s * (two + s * (three + s * four))
    return min(1.0, math.sqrt(first / variance)), min(1.0, math.sqrt(second / variance))


@numba.njit(cache=True, parallel=True)
def _moments(
    means: NDArray[np.float64],
    dispersions: NDArray[np.float64],
    flow_series: NDArray[np.int64],
    flow_row: NDArray[np.int64],
    flow_share: NDArray[np.float64],
    flow_start: NDArray[np.int64],
    row_start: NDArray[np.int64],
    parent_row: NDArray[np.int64],
    days: NDArray[np.int64],
    usual_days: NDArray[np.int64],
    level: float,
    region: float,
    mean_out: NDArray[np.float64],
    variance_out: NDArray[np.float64],
    daily_out: NDArray[np.float64],
) -> None:
    n_days = means.shape[1]
    for k in numba.prange(row_start.size - 1):
        first, rows = row_start[k], row_start[k + 1] - row_start[k]
        base = flow_series[flow_start[k]] if flow_start[k + 1] > flow_start[k] else 0
        n_series = flow_series[flow_start[k + 1] - 1] - base + 1 if flow_start[k + 1] > flow_start[k] else 0
        table = np.empty(2048)
        mean = np.zeros((rows, n_days + 1))  # cumulative over days
        own = np.zeros((rows, n_days + 1))  # sum of sigma^2
        followed = np.zeros((rows, n_days + 1))  # sum of kappa(a)^2
        score = np.zeros((2, rows, n_series, n_days + 1))  # sums of kappa(a) and kappa(c), by series
        for f in range(flow_start[k], flow_start[k + 1]):
            r, s, share = flow_row[f] - first, flow_series[f] - base, flow_share[f]
            dispersion = dispersions[flow_series[f]]
            of_level, of_region = _score_follows(means[flow_series[f]].mean() * share, dispersion, level, region, table)
            for t in range(n_days):
                m = means[flow_series[f], t] * share
                variance = m + dispersion * m * m
                sigma = math.sqrt(variance)
                mean[r, t + 1] += m
                own[r, t + 1] += variance
                followed[r, t + 1] += of_level * of_level * variance
                score[0, r, s, t + 1] += of_level * sigma
                score[1, r, s, t + 1] += of_region * sigma
        for r in range(rows):  # children come before their parent
            up = parent_row[first + r] - first
            if up >= 0:
                mean[up] += mean[r]
                own[up] += own[r]
                followed[up] += followed[r]
                score[:, up] += score[:, r]
            for t in range(n_days):
                mean[r, t + 1] += mean[r, t]
                own[r, t + 1] += own[r, t]
                followed[r, t + 1] += followed[r, t]
                for s in range(n_series):
                    score[0, r, s, t + 1] += score[0, r, s, t]
                    score[1, r, s, t + 1] += score[1, r, s, t]
            usual = min(usual_days[first + r], n_days)
            daily_out[first + r] = own[r, usual] / usual
            for v in range(days.shape[1]):
                h = min(days[first + r, v], n_days)
                within, between, whole = 0.0, 0.0, 0.0
                for s in range(n_series):
                    within += score[0, r, s, h] ** 2
                    between += score[1, r, s, h] ** 2
                    whole += score[1, r, s, h]
                mean_out[first + r, v] = mean[r, h]
                variance_out[first + r, v] = own[r, h] + level * (within - followed[r, h]) + region * (whole * whole - between)


@numba.njit(cache=True)
def _gamma_below(x: float, mean: float, variance: float, extra: float) -> float:
    """P(G <= x) of a gamma whose shape is raised by ``extra``, by Wilson-Hilferty."""
    shape = mean * mean / variance + extra
    root = (max(x, 0.0) / (shape * variance / mean)) ** (1.0 / 3.0)
    z = 3.0 * math.sqrt(shape) * (root - 1.0 + 1.0 / (9.0 * shape))
    return 0.5 * math.erfc(-z * 0.7071067811865476)


@numba.njit(cache=True)
def _large(mean: NDArray[np.float64], variance: NDArray[np.float64], share: NDArray[np.float64], x: float) -> tuple[float, float]:
    """P(D <= x) and E[(D - x)+] of a mixture of gammas."""
    covered, short = 0.0, 0.0
    for v in range(mean.size):
        if share[v] <= 0.0:
            continue
        if mean[v] <= _NOTHING:
            covered += share[v]
            continue
        below = _gamma_below(x, mean[v], variance[v], 0.0)
        covered += share[v] * below
        short += share[v] * max(0.0, mean[v] * (1.0 - _gamma_below(x, mean[v], variance[v], 1.0)) - x * (1.0 - below))
    return covered, short


@numba.njit(cache=True)
def _start(mean: float, variance: float) -> int:
    """Where the lower tail may be left out: 12 standard deviations below the mean, or 0."""
    return max(0, int(mean - 12.0 * math.sqrt(variance)))


@numba.njit(cache=True)
def _probability(k: int, mean: float, variance: float) -> float:
    """P(D = k), D negative binomial, Poisson, or where the variance is below the mean a rounded normal."""
    if variance < mean * (1.0 - 1e-9):
        s = 0.7071067811865476 / math.sqrt(max(variance, 1e-12))
        low = 0.0 if k == 0 else 0.5 * math.erfc(-(k - 0.5 - mean) * s)
        return 0.5 * math.erfc(-(k + 0.5 - mean) * s) - low
    alpha = (variance - mean) / (mean * mean)
    if alpha < 1e-10:
        return math.exp(k * math.log(mean) - mean - math.lgamma(k + 1.0))
    size = 1.0 / alpha
    log_p = math.lgamma(k + size) - math.lgamma(size) - math.lgamma(k + 1.0)
    return math.exp(log_p - size * math.log1p(alpha * mean) + k * (math.log(alpha * mean) - math.log1p(alpha * mean)))


@numba.njit(cache=True)
def _walk(
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    share: NDArray[np.float64],
    level: float,
    most_short: float,
    stop: int,
    state: NDArray[np.float64],
) -> tuple[int, float, float]:
    """Walk up from 0 to the first x that meets level and shortage, or to ``stop``; x, P(D <= x), E[(D - x)+]."""
    covered, short = 0.0, 0.0
    x = 1 << 60
    for v in range(mean.size):
        state[v] = 0.0
        if share[v] <= 0.0:
            continue
        short += share[v] * mean[v]
        x = min(x, _start(mean[v], variance[v])) if mean[v] > _NOTHING else 0
    x = min(x, stop)
    short -= x
    while True:
        for v in range(mean.size):
            if share[v] <= 0.0:
                continue
            if mean[v] <= _NOTHING:
                covered += share[v] if x == 0 else 0.0
                continue
            first = _start(mean[v], variance[v])
            if x < first:
                continue
            if x == first or state[v] < _TINY or variance[v] < mean[v] * (1.0 - 1e-9):  # a step from nothing stays nothing
                state[v] = _probability(x, mean[v], variance[v])
            else:
                alpha = max(0.0, (variance[v] - mean[v]) / (mean[v] * mean[v]))
                state[v] *= probability_ratio(x - 1, mean[v], alpha)
            covered += share[v] * state[v]
        if x >= stop or (covered >= level - 1e-9 and short <= most_short + 1e-12):
            return x, covered, max(short, 0.0)
        short -= 1.0 - covered
        x += 1


@numba.njit(cache=True)
def _longest(mean: NDArray[np.float64], variance: NDArray[np.float64], share: NDArray[np.float64]) -> float:
    """Steps that a walk over all but 1e-9 or so of the mixture would take."""
    low, high = 1e300, 0.0
    for v in range(mean.size):
        if share[v] > 0.0:
            low = min(low, float(_start(mean[v], variance[v])))
            high = max(high, mean[v] + 12.0 * math.sqrt(variance[v]))
    return high - low


@numba.njit(cache=True, parallel=True)
def _smallest(
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    share: NDArray[np.float64],
    level: NDArray[np.float64],
    most_short: NDArray[np.float64],
    out: NDArray[np.int64],
) -> None:
    for r in numba.prange(out.size):
        if _longest(mean[r], variance[r], share[r]) <= _LONGEST_WALK:
            out[r], _, _ = _walk(mean[r], variance[r], share[r], level[r], most_short[r], 1 << 40, np.empty(mean.shape[1]))
            continue
        low, high = -1, 1
        while True:
            covered, short = _large(mean[r], variance[r], share[r], float(high))
            if covered >= level[r] and short <= most_short[r]:
                break
            low, high = high, high * 2
        while high - low > 1:
            middle = (low + high) // 2
            covered, short = _large(mean[r], variance[r], share[r], float(middle))
            if covered >= level[r] and short <= most_short[r]:
                high = middle
            else:
                low = middle
        out[r] = high


@numba.njit(cache=True, parallel=True)
def _service(
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    share: NDArray[np.float64],
    units: NDArray[np.int64],
    covered: NDArray[np.float64],
    short: NDArray[np.float64],
) -> None:
    for r in numba.prange(units.size):
        if _longest(mean[r], variance[r], share[r]) <= _LONGEST_WALK:
            _, covered[r], short[r] = _walk(mean[r], variance[r], share[r], 2.0, 0.0, units[r], np.empty(mean.shape[1]))
        else:
            covered[r], short[r] = _large(mean[r], variance[r], share[r], float(units[r]))
