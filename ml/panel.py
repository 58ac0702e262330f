"""Demand history as one dense block of the active series: series down, days across.

Belongs here: the block, its cumulative sums, its future covariates. Does not: features made of them (`features.py`), nor the
query that fills it (the edge).
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

if TYPE_CHECKING:
    from ml.aggregates import Aggregates

HORIZON_DAYS = 28


@dataclass(frozen=True)
class Panel:
    """Everything a forecast may look at.

    Parameters
    ----------
    series : DataFrame
        Columns sku_id, region_id, category, abc_class, unit_price, launched_date, retired_date; sorted by sku_id, region_id; xyz_class and
        demand_class where scores by them are wanted.
    days : DatetimeIndex of length n_days
        Known days, the last one is the day of the plan.
    demand : ndarray of float32, shape (n_series, n_days)
        Units; NaN before a series starts and where a delivery is missing.
    is_censored : ndarray of bool, shape (n_series, n_days)
        Stock ran out: demand is a lower bound.
    price : ndarray of float32, shape (n_series, n_days + 28)
        Selling price as known on the last day; NaN where unknown.
    discount : ndarray of float32, shape (n_series, n_days + 28)
        Price cut of promotions known on the last day.
    calendar : ndarray of float32, shape (n_signals, n_regions, n_days + 28)
        Holidays and other signals known for the future too.
    calendar_names : tuple of str
    open_share : ndarray of float32, shape (n_series, n_days), or None
        Share of a censored day in which the region could buy; NaN where nobody says, None where nobody ever does.
    sold : ndarray of float32, shape (n_series, n_days), or None
        What was sold, where ``demand`` holds an estimate of what was asked for; None where it does not.
    aggregates : Aggregates or None
        The same demand by category and region over all years there are, ending on the same day.
    """

    series: pd.DataFrame
    days: pd.DatetimeIndex
    demand: NDArray[np.float32]
    is_censored: NDArray[np.bool_]
    price: NDArray[np.float32]
    discount: NDArray[np.float32]
    calendar: NDArray[np.float32]
    calendar_names: tuple[str, ...]
    aggregates: "Aggregates | None" = None
    open_share: NDArray[np.float32] | None = None
    sold: NDArray[np.float32] | None = None

    @cached_property
    def sums(self) -> NDArray[np.float64]:
        """Cumulative demand, shape (n_series, n_days + 1); column t sums days before t."""
        return np.pad(np.cumsum(np.nan_to_num(self.demand), axis=1, dtype=np.float64), ((0, 0), (1, 0)))

    @cached_property
    def squares(self) -> NDArray[np.float64]:
        """Cumulative squared demand."""
        return np.pad(np.cumsum(np.nan_to_num(self.demand) ** 2, axis=1, dtype=np.float64), ((0, 0), (1, 0)))

    @cached_property
    def counts(self) -> NDArray[np.int32]:
        """Cumulative number of known days."""
        return np.pad(np.cumsum(~np.isnan(self.demand), axis=1, dtype=np.int32), ((0, 0), (1, 0)))

    @cached_property
    def sold_days(self) -> NDArray[np.int32]:
        """Cumulative number of days with demand."""
        return np.pad(np.cumsum(np.nan_to_num(self.demand) > 0, axis=1, dtype=np.int32), ((0, 0), (1, 0)))

    @cached_property
    def last_sold(self) -> NDArray[np.int32]:
        """Index of the last day with demand at or before each day, -1 for none."""
        days = np.where(np.nan_to_num(self.demand) > 0, np.arange(self.demand.shape[1], dtype=np.int32), -1)
        return np.maximum.accumulate(days, axis=1)

    @cached_property
    def first_day(self) -> NDArray[np.int64]:
        """Index of each series' first known day; the number of days when there is none."""
        known = ~np.isnan(self.demand)
        return np.where(known.any(axis=1), np.argmax(known, axis=1), self.demand.shape[1])

    @cached_property
    def region_code(self) -> NDArray[np.int64]:
        """Number of each series' region, in order of region_id."""
        return np.unique(self.series["region_id"].to_numpy(dtype=str), return_inverse=True)[1]

    @cached_property
    def category_code(self) -> NDArray[np.int64]:
        """Number of each series' category."""
        return np.unique(self.series["category"].to_numpy(dtype=str), return_inverse=True)[1]

    def window_mean(self, origin: int, width: int) -> NDArray[np.float64]:
        """Mean demand of each series over the ``width`` days ending at index ``origin``; NaN when none is known."""
        low = max(0, origin + 1 - width)
        count = self.counts[:, origin + 1] - self.counts[:, low]
        with np.errstate(invalid="ignore", divide="ignore"):
            return (self.sums[:, origin + 1] - self.sums[:, low]) / count

    def with_demand(self, demand: NDArray[np.float32]) -> "Panel":
        """The same panel with an estimate of demand in place of what was sold."""
        return replace(self, demand=demand, sold=self.demand if self.sold is None else self.sold)
