"""Demand over a protection interval, as sample paths summed over days, lead time drawn too.

Belongs here: joint draws of daily demand and their sums by node. Does not: what a target or a value makes of them
(`safety_stock.py`, `marginal_value.py`). Paths are never stored: they are seeded by (as_of_date, sku_id) and nothing
else, so any step and any shard of SKUs draws the same ones.

Notes
-----
Daily quantiles do not add, so sums are taken over paths. Day t of flow f (a region's demand that reaches a node) has a
normal score

    z = sqrt(c) * Z_sku + sqrt(a - c) * Z_region + sqrt(1 - a) * e_(f, t)

with a the rank correlation of forecast errors between days and c the one between regions; demand is the negative
binomial quantile at Phi(z). An upstream node sees what its children will ask for beyond what they hold and beyond
their own protection interval: max(0, D_child(0, H_parent] - max(x_child, D_child(0, H_child])).
"""

import hashlib
import math
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from planning.errors import PlanningError
from planning.lead_times import LeadTimes
from planning.negative_binomial import LARGE_MEAN, cumulative_table, large_quantile

_TABLE = 2048
SCORES = ndtri((np.arange(1 << 14) + 0.5) / (1 << 14))  # normal scores of a fine grid of uniforms


@dataclass(frozen=True)
class DemandFlows:
    """Which share of which regional forecast reaches which node, for a shard of SKUs.

    Parameters
    ----------
    means : ndarray of shape (n_series, n_days)
        Expected units of SKU-region s on day t + 1 after as_of_date.
    dispersions : ndarray of shape (n_series,)
    flow_series, flow_row : ndarray of int, shape (n_flows,)
        Series and SKU-node row of each flow, sorted by SKU.
    flow_share : ndarray of shape (n_flows,)
        Fraction of the series that reaches the row.
    flow_start, row_start : ndarray of int, shape (n_skus + 1,)
        First flow and first SKU-node row of each SKU; rows are sorted by SKU, children before their parent.
    parent_row : ndarray of int, shape (n_rows,)
        Row of the same SKU at the parent node, -1 for none.
    """

    means: NDArray[np.float64]
    dispersions: NDArray[np.float64]
    flow_series: NDArray[np.int64]
    flow_row: NDArray[np.int64]
    flow_share: NDArray[np.float64]
    flow_start: NDArray[np.int64]
    row_start: NDArray[np.int64]
    parent_row: NDArray[np.int64]


@dataclass(frozen=True)
class LeadTimeDemand:
    """Sampled sums of demand, one row per SKU-node, one column per path.

    Parameters
    ----------
    protection_units : ndarray of int32, shape (n_rows, n_paths)
        Demand over lead time plus review period, pooled over the nodes the row replenishes.
    before_arrival_units : ndarray of int32, shape (n_rows, n_classes, n_paths)
        Demand until a unit sent today arrives, by class of arrival.
    before_next_units : ndarray of int32, shape (n_rows, n_classes, n_paths)
        Demand until a unit sent at the next opportunity after today arrives.
    horizon_units : ndarray of int32, shape (n_rows, n_paths)
        Demand the row's own stock has to meet within its protection interval.
    after_horizon_units : ndarray of int32, shape (n_rows, n_paths)
        Demand of the row and those below it from the end of its interval to the end of its parent's; 0 where that ends earlier, or is none.
    parent_row : ndarray of int, shape (n_rows,)
        See `DemandFlows`.
    protection_days : ndarray of float64, shape (n_rows,)
        Mean length of the interval.
    """

    protection_units: NDArray[np.int32]
    before_arrival_units: NDArray[np.int32]
    before_next_units: NDArray[np.int32]
    horizon_units: NDArray[np.int32]
    after_horizon_units: NDArray[np.int32]
    parent_row: NDArray[np.int64]
    protection_days: NDArray[np.float64]


def parents_first(parent_row: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Rows below the roots, echelon by echelon from the top.

    Examples
    --------
    >>> [rows.tolist() for rows in parents_first(np.array([2, 3, 3, -1]))]
    [[1, 2], [0]]
    """
    echelons = []
    above = parent_row < 0
    while not above.all():
        rows = np.flatnonzero(~above & above[parent_row])
        if not len(rows):
            raise PlanningError("demand flows: rows replenish each other in a circle; one of them needs another parent")
        echelons.append(rows)
        above[rows] = True
    return echelons


def path_seeds(*, as_of_date: str, sku_ids: NDArray[np.object_]) -> NDArray[np.uint64]:
    """Seed of each SKU's paths: the first 8 bytes of SHA-256("as_of_date|sku_id").

    Examples
    --------
    >>> path_seeds(as_of_date="2026-01-31", sku_ids=np.array(["a", "b"], dtype=object)).dtype
    dtype('uint64')
    """
    digest = (hashlib.sha256(f"{as_of_date}|{sku}".encode()).digest()[:8] for sku in sku_ids)
    return np.fromiter((int.from_bytes(d, "little") for d in digest), dtype=np.uint64, count=len(sku_ids))


@numba.njit(cache=True, inline="always")
def _uniform(seed: np.uint64, counter: np.uint64) -> float:
    """The counter-th uniform of a seed (SplitMix64, Steele et al. 2014)."""
    x = seed + (counter + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return (np.float64(x >> np.uint64(11)) + 0.5) * 2.0**-53


@numba.njit(cache=True, inline="always")
def normal_at(seed: np.uint64, counter: np.uint64, scores: NDArray[np.float64]) -> float:
    """The counter-th standard normal score of a seed."""
    return scores[int(_uniform(seed, counter) * scores.size)]


@numba.njit(cache=True)
def add_flow(
    seed: np.uint64,
    stream: int,
    means: NDArray[np.float64],
    share: float,
    dispersion: float,
    common: NDArray[np.float64],
    own_weight: float,
    scores: NDArray[np.float64],
    table: NDArray[np.float64],
    demand: NDArray[np.int32],
) -> None:
    """Add the flow's daily draws to ``demand`` of shape (n_days, n_paths)."""
    n_days, n_paths = demand.shape
    for t in range(n_days):
        mean = means[t] * share
        if mean <= 0.0:
            continue
        filled = cumulative_table(mean, dispersion, table) if mean <= LARGE_MEAN else 0
        base = np.uint64((stream * n_days + t) * n_paths)
        for s in range(n_paths):
            z = common[s] + own_weight * normal_at(seed, base + np.uint64(s), scores)
            if filled == 0:
                demand[t, s] += large_quantile(z, mean, dispersion)
                continue
            u = 0.5 * math.erfc(-z * 0.7071067811865476)
            k = 0
            while k < filled - 1 and table[k] < u:
                k += 1
            demand[t, s] += k


@numba.njit(cache=True, parallel=True)
def _draw(
    seeds: NDArray[np.uint64],
    means: NDArray[np.float64],
    dispersions: NDArray[np.float64],
    flow_series: NDArray[np.int64],
    flow_row: NDArray[np.int64],
    flow_share: NDArray[np.float64],
    flow_start: NDArray[np.int64],
    row_start: NDArray[np.int64],
    parent_row: NDArray[np.int64],
    position: NDArray[np.int64],
    lead_kind: NDArray[np.int64],
    lead_values: NDArray[np.int64],
    lead_below: NDArray[np.float64],
    review_days: NDArray[np.int64],
    arrival_days: NDArray[np.int64],
    next_days: NDArray[np.int64],
    day_weight: float,
    region_weight: float,
    scores: NDArray[np.float64],
    protection: NDArray[np.int32],
    before: NDArray[np.int32],
    before_next: NDArray[np.int32],
    horizon: NDArray[np.int32],
    after: NDArray[np.int32],
) -> None:
    n_days = means.shape[1]
    n_paths = protection.shape[1]
    own_weight = math.sqrt(max(0.0, 1.0 - day_weight))
    shared_weight = math.sqrt(min(day_weight, region_weight))
    series_weight = math.sqrt(max(0.0, day_weight - region_weight))
    for k in numba.prange(seeds.size):
        seed = seeds[k]
        first, last = row_start[k], row_start[k + 1]
        rows = last - first
        sums = np.zeros((rows, n_days + 1, n_paths), np.int32)  # cumulative demand of the row's own customers
        table = np.empty(2048)
        common = np.empty(n_paths)
        for f in range(flow_start[k], flow_start[k + 1]):
            series = flow_series[f]
            key = np.uint64(series - flow_series[flow_start[k]])
            for s in range(n_paths):
                sku_score = normal_at(seed ^ np.uint64(0xA5A5A5A5), np.uint64(s), scores)
                series_score = normal_at(seed ^ np.uint64(0x5A5A5A5A), key * np.uint64(n_paths) + np.uint64(s), scores)
                common[s] = shared_weight * sku_score + series_weight * series_score
            add_flow(
                seed,
                f - flow_start[k],
                means[series],
                flow_share[f],
                dispersions[series],
                common,
                own_weight,
                scores,
                table,
                sums[flow_row[f] - first, 1:],
            )
        for r in range(rows):
            for t in range(1, n_days + 1):
                for s in range(n_paths):
                    sums[r, t, s] += sums[r, t - 1, s]
        interval = np.empty((rows, n_paths), np.int64)
        for r in range(rows):
            row = first + r
            below = lead_below[lead_kind[row]]
            for s in range(n_paths):
                u = _uniform(seed ^ np.uint64(0xC3C3C3C3), np.uint64(r * n_paths + s))
                v = 0
                while v < below.size - 1 and below[v] < u:
                    v += 1
                interval[r, s] = min(max(lead_values[lead_kind[row], v] + review_days[row], 1), n_days)
        late = np.zeros((rows, n_paths), np.int32)  # what the children leave to their parent's stock
        pooled = np.zeros((rows, n_days + 1, n_paths), np.int32)
        for r in range(rows):
            row = first + r
            pooled[r] += sums[r]
            parent = parent_row[row] - first
            for s in range(n_paths):
                h = interval[r, s]
                protection[row, s] = pooled[r, h, s]
                horizon[row, s] = sums[r, h, s] + late[r, s]
                for c in range(arrival_days.shape[1]):
                    before[row, c, s] = min(sums[r, min(arrival_days[row, c] - 1, h), s], horizon[row, s])
                    later = next_days[row, c] - 1
                    before_next[row, c, s] = horizon[row, s] if later >= h else min(sums[r, later, s], horizon[row, s])
                if parent >= 0:
                    asked = pooled[r, interval[parent, s], s]
                    after[row, s] = max(0, asked - pooled[r, h, s])
                    late[parent, s] += max(0, asked - max(position[row], pooled[r, h, s]))
            if parent >= 0:
                pooled[parent] += pooled[r]


def lead_time_demand(
    *,
    flows: DemandFlows,
    seeds: NDArray[np.uint64],
    position_units: NDArray[np.int64],
    lead_times: LeadTimes,
    review_period_days: NDArray[np.int64],
    arrival_days: NDArray[np.int64],
    next_arrival_days: NDArray[np.int64],
    level_correlation: float,
    region_correlation: float,
    sample_paths: int,
) -> LeadTimeDemand:
    """Draw demand paths and sum them over every row's protection interval.

    Parameters
    ----------
    flows : DemandFlows
    seeds : ndarray of uint64, shape (n_skus,)
        From `path_seeds`.
    position_units : ndarray of int, shape (n_rows,)
        On hand minus reserved plus committed inbound.
    lead_times : LeadTimes
        Of the lane or supplier that replenishes each row; drawn for every path.
    review_period_days : ndarray of int, shape (n_rows,)
    arrival_days : ndarray of int, shape (n_rows, n_classes)
        Day from the morning of which a unit sent today can be sold there, at least 1, by class of arrival (`transfer_lanes.TransferLanes`).
    next_arrival_days : ndarray of int, shape (n_rows, n_classes)
        Day from which a unit sent at the next opportunity can be sold there; beyond the horizon where there is none.
    level_correlation, region_correlation : float
        In [0, 1]; see Notes of the module.
    sample_paths : int
        Paths per SKU.

    Raises
    ------
    PlanningError
        A parent that stands before its child.
    """
    rows = np.arange(flows.parent_row.size)
    if np.any((flows.parent_row >= 0) & (flows.parent_row <= rows)):
        raise PlanningError("demand flows: a parent row stands before its child; sort the rows by echelon, children first")
    protection, horizon, after = (np.zeros((rows.size, sample_paths), np.int32) for _ in range(3))
    before, before_next = (np.zeros((*arrival_days.shape, sample_paths), np.int32) for _ in range(2))
    _draw(
        seeds,
        flows.means,
        flows.dispersions,
        flows.flow_series,
        flows.flow_row,
        flows.flow_share,
        flows.flow_start,
        flows.row_start,
        flows.parent_row,
        position_units,
        lead_times.kind,
        lead_times.days,
        np.cumsum(lead_times.shares, axis=1),
        review_period_days,
        arrival_days,
        next_arrival_days,
        level_correlation,
        region_correlation,
        SCORES,
        protection,
        before,
        before_next,
        horizon,
        after,
    )
    return LeadTimeDemand(protection, before, before_next, horizon, after, flows.parent_row, lead_times.mean_days + review_period_days)


def extend_horizon(means: NDArray[np.float64], n_days: int) -> tuple[NDArray[np.float64], int]:
    """Repeat the last week until ``n_days`` columns stand; returns the means and how many days were repeated.

    Examples
    --------
    >>> extend_horizon(np.arange(8.0).reshape(1, 8), 10)[0].tolist()
    [[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 1.0, 2.0]]
    """
    known = means.shape[1]
    if n_days <= known:
        return np.ascontiguousarray(means[:, :n_days]), 0
    week = means[:, -min(7, known) :]
    repeats = -(-(n_days - known) // week.shape[1])
    tail = np.tile(week, repeats)[:, : n_days - known]
    return np.ascontiguousarray(np.hstack([means, tail])), n_days - known
