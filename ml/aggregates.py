"""Demand of each category in each region over all the years there are: steadier than any SKU, and it knows the season.

Belongs here: the block of aggregate history, its features, the model of its next 28 days. Does not: the SKUs (`train.py`), nor how
the two are brought together (`baselines.reconciled`).

Notes
-----
The target is demand over the mean of the four weeks before the origin, so that one model serves groups of every size and years of
growth; squared errors are weighted by that mean, which is how errors of a sum count.
"""

from dataclasses import dataclass
from functools import cached_property

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.boosting import boost, threads_for
from ml.panel import HORIZON_DAYS

_WIDTHS = (7, 14, 56, 112, 364)
_WEEKS = 8
_YEARS = (364, 728)  # whole weeks, so that weekdays meet
_LEVEL_DAYS = 28
_LEAST_DAYS = 84  # before the first origin that can be learnt from
_ORIGIN_STEP = 7
_TREES, _LEAVES = 900, 127
_ROWS_FOR_LARGE_LEAVES = 50_000


@dataclass(frozen=True)
class Aggregates:
    """Daily demand of category-regions, the last day is the day of the plan.

    Parameters
    ----------
    days : DatetimeIndex of length n_days
    demand : ndarray of float64, shape (n_categories * n_regions, n_days)
        Units; row = category code * n_regions + region code, NaN where a delivery is missing or nothing is known.
    n_regions : int
    calendar : ndarray of float32, shape (n_signals, n_regions, n_days + 28)
        Holidays and signals known for the future too.
    calendar_names : tuple of str
    discount : ndarray of float32, shape (n_groups, n_days + 28), or None
        Price cut of the group's SKUs on average; NaN where it is not known, None where nobody promotes.
    """

    days: pd.DatetimeIndex
    demand: NDArray[np.float64]
    n_regions: int
    calendar: NDArray[np.float32]
    calendar_names: tuple[str, ...]
    discount: NDArray[np.float32] | None = None

    @cached_property
    def sums(self) -> NDArray[np.float64]:
        """Cumulative demand, shape (n_groups, n_days + 1)."""
        return np.pad(np.cumsum(np.nan_to_num(self.demand), axis=1), ((0, 0), (1, 0)))

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """Cumulative number of known days."""
        return np.pad(np.cumsum(~np.isnan(self.demand), axis=1), ((0, 0), (1, 0)))

    def mean(self, first: NDArray[np.int64] | int, last: NDArray[np.int64] | int) -> NDArray[np.float64]:
        """Mean demand of every group from day index ``first`` through ``last``; NaN where no day is known."""
        low, high = np.maximum(first, 0), np.maximum(np.asarray(last) + 1, 0)
        count = self.counts[:, high] - self.counts[:, low]
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(count > 0, (self.sums[:, high] - self.sums[:, low]) / count, np.nan)


def aggregate_feature_names(aggregates: Aggregates) -> list[str]:
    """Names of the columns of `aggregate_features`, in order."""
    return [
        *(f"mean_{w}" for w in _WIDTHS),
        *(f"same_weekday_{week}" for week in range(1, 5)),
        "weekday_mean_4",
        "weekday_mean_8",
        *(f"{name}_{years}" for years in ("one_year_ago", "two_years_ago") for name in ("lift", "same_day", "growth")),
        "weekday",
        "day_of_month",
        "day_of_year",
        "horizon",
        *(f"signal_{name}" for name in aggregates.calendar_names),
        *(f"signal_{name}_next_day" for name in aggregates.calendar_names),
        "discount",
        "discount_mean_28",
        "log_level",
        "category",
        "region",
    ]


def level(aggregates: Aggregates, origin: int) -> NDArray[np.float64]:
    """Mean of the four weeks up to ``origin``, never 0, shape (n_groups,)."""
    return np.maximum(np.nan_to_num(aggregates.mean(origin - _LEVEL_DAYS + 1, origin)), 1e-6)


def aggregate_features(aggregates: Aggregates, origin: int) -> NDArray[np.float32]:
    """Features of every group and horizon seen from the evening of day ``origin``, shape (n_groups * 28, n_features)."""
    n_groups = len(aggregates.demand)
    base = level(aggregates, origin)[:, None]
    horizon = np.arange(1, HORIZON_DAYS + 1)
    target = origin + horizon
    day = aggregates.days[0] + pd.to_timedelta(target, unit="D")

    def each_day(values: object) -> NDArray[np.float64]:
        return np.broadcast_to(np.asarray(values, dtype=np.float64)[None, :], (n_groups, HORIZON_DAYS))

    def each_group(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.broadcast_to(values[:, None], (n_groups, HORIZON_DAYS))

    lag = target - 7 * (-(-horizon // 7))
    weeks = np.stack([_at(aggregates, lag - 7 * week) for week in range(_WEEKS)]) / base
    columns = [each_group(aggregates.mean(origin + 1 - w, origin) / base[:, 0]) for w in _WIDTHS]
    columns += [*weeks[:4], _nanmean(weeks[:4]), _nanmean(weeks)]
    for back in _YEARS:
        before = aggregates.mean(origin - back - _LEVEL_DAYS + 1, origin - back)[:, None] if origin - back >= _LEVEL_DAYS else np.nan * base
        with np.errstate(invalid="ignore", divide="ignore"):
            around = aggregates.mean(target - back - 3, np.minimum(target - back + 3, origin)) / before
            columns += [around, _at(aggregates, target - back) / before, np.broadcast_to(base / before, around.shape)]
    columns += [each_day(day.day_of_week), each_day(day.day), each_day(day.day_of_year), each_day(horizon)]
    region = np.arange(n_groups) % aggregates.n_regions
    following = np.minimum(target + 1, aggregates.calendar.shape[2] - 1)
    columns += [signal[region][:, when] for when in (target, following) for signal in aggregates.calendar]
    columns += _discounts(aggregates, origin, target)
    columns += [each_group(np.log(base[:, 0])), each_group(np.arange(n_groups) // aggregates.n_regions), each_group(region)]
    return np.stack(columns, axis=-1).reshape(n_groups * HORIZON_DAYS, -1).astype(np.float32)


def _discounts(aggregates: Aggregates, origin: int, target: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    """The group's price cut on each target day, and over the four weeks that the level is the mean of."""
    shape = (len(aggregates.demand), len(target))
    if aggregates.discount is None:
        return [np.zeros(shape), np.zeros(shape)]
    recent = _nanmean(aggregates.discount[:, max(0, origin - _LEVEL_DAYS + 1) : origin + 1].T.astype(np.float64))
    return [aggregates.discount[:, target].astype(np.float64), np.broadcast_to(recent[:, None], shape)]


def _at(aggregates: Aggregates, day: NDArray[np.int64]) -> NDArray[np.float64]:
    """Demand on day indices, NaN before the first."""
    return np.where(day >= 0, aggregates.demand[:, np.maximum(day, 0)], np.nan)


def _nanmean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known.any(axis=0), np.nan_to_num(values).sum(axis=0) / known.sum(axis=0), np.nan)


def train_aggregates(aggregates: Aggregates, *, last_origin: int, threads: int, seed: int) -> str | None:
    """LightGBM text of the model of all groups, learnt from what is known by the evening of ``last_origin``; None when that is too little."""
    origins = range(last_origin - HORIZON_DAYS, _LEAST_DAYS - 1, -_ORIGIN_STEP)
    blocks, targets, weights = [], [], []
    for origin in origins:
        base = level(aggregates, origin)
        y = (aggregates.demand[:, origin + 1 : origin + 1 + HORIZON_DAYS] / base[:, None]).ravel()
        usable = ~np.isnan(y) & np.repeat(base > 1e-3, HORIZON_DAYS)
        blocks.append(aggregate_features(aggregates, origin)[usable])
        targets.append(y[usable])
        weights.append(np.repeat(base, HORIZON_DAYS)[usable])
    if sum(map(len, targets)) < 1_000:
        return None
    y, weight = np.concatenate(targets), np.concatenate(weights)
    is_large = len(y) >= _ROWS_FOR_LARGE_LEAVES
    parameters = {
        "objective": "regression",
        "learning_rate": 0.05,
        "num_leaves": _LEAVES if is_large else 15,
        "min_data_in_leaf": 100 if is_large else 30,
        "feature_fraction": 0.5,
        "bagging_fraction": 0.6,
    }
    names = aggregate_feature_names(aggregates)
    trees = _TREES if is_large else 200
    x = np.concatenate(blocks)
    return boost(x, y, parameters, names=names, trees=trees, threads=threads, seed=seed, weight=weight / weight.mean())


def predict_aggregates(text: str, aggregates: Aggregates, *, origin: int, threads: int) -> NDArray[np.float64]:
    """Demand of every group on the 28 days after ``origin``, shape (n_groups, 28), never negative."""
    x = aggregate_features(aggregates, origin)
    ratio = lgb.Booster(model_str=text).predict(x, num_threads=threads_for(len(x), threads))
    return np.maximum(np.asarray(ratio).reshape(-1, HORIZON_DAYS), 0) * level(aggregates, origin)[:, None]
