"""What a forecast for (series, origin, horizon) may know, as arrays.

Belongs here: features computed as sets from the panel's cumulative sums; nothing after the origin but declared prices,
promotions and calendar. Does not: the model (`train.py`).
"""

import numpy as np
from numpy.typing import NDArray

from ml.panel import HORIZON_DAYS, Panel

_WIDTHS = (7, 14, 28, 56, 112, 224)
_WEEKDAY_WEEKS = (2, 4, 8)
_GROUP_WIDTHS = (7, 28)
PRICE_FEATURES = ("price", "price_ratio_28", "price_ratio_180")
DISCOUNT_FEATURES = ("discount", "discount_mean_28")


def feature_names(panel: Panel) -> list[str]:
    """Names of the columns of `features`, in order."""
    return [
        *(f"mean_{w}" for w in _WIDTHS),
        *(f"weekday_mean_{w}" for w in _WEEKDAY_WEEKS),
        "last_same_weekday",
        "std_28",
        "sold_share_28",
        "sold_share_112",
        "censored_share_28",
        "days_since_sold",
        "days_since_start",
        *(f"sku_mean_{w}" for w in _GROUP_WIDTHS),
        *(f"group_trend_{g}" for g in ("region", "category_region")),
        "yearly_lift",
        *PRICE_FEATURES,
        *DISCOUNT_FEATURES,
        "weekday",
        "day_of_month",
        "month",
        "horizon",
        "region",
        "category",
        *(f"signal_{name}" for name in panel.calendar_names),
    ]


def features(panel: Panel, origin: int, series: NDArray[np.int64], horizon: NDArray[np.int64]) -> NDArray[np.float32]:
    """Feature rows for pairs of series and horizon, seen from the evening of day ``origin``.

    Parameters
    ----------
    panel : Panel
    origin : int
        Index of the last known day.
    series, horizon : ndarray of int, shape (n_rows,)
        Row of the panel, and days ahead from 1 to 28.

    Returns
    -------
    ndarray of float32, shape (n_rows, n_features)
    """
    level = _level_features(panel, origin)[series]
    target = origin + horizon
    weekday = [_weekday_mean(panel, origin, series, horizon, weeks) for weeks in _WEEKDAY_WEEKS]
    lag = target - 7 * (-(-horizon // 7))
    columns = [
        *weekday,
        panel.demand[series, lag],
        _yearly_lift(panel, origin, series, target),
        *_price_features(panel, origin, series, target),
        *_calendar_features(panel, target),
        horizon,
        panel.region_code[series],
        panel.category_code[series],
        *panel.calendar[:, panel.region_code[series], target],
    ]
    own = np.stack([np.asarray(c, dtype=np.float32) for c in columns], axis=1)
    n_weekday = len(_WEEKDAY_WEEKS) + 1
    first, rest = level[:, : len(_WIDTHS)], level[:, len(_WIDTHS) :]
    return np.hstack([first, own[:, :n_weekday], rest, own[:, n_weekday:]])


def all_pairs(panel: Panel) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every series with every horizon, series by series."""
    n_series = len(panel.series)
    return np.repeat(np.arange(n_series), HORIZON_DAYS), np.tile(np.arange(1, HORIZON_DAYS + 1), n_series)


def _level_features(panel: Panel, origin: int) -> NDArray[np.float32]:
    """Features that depend on series and origin only, shape (n_series, n)."""
    means = [panel.window_mean(origin, w) for w in _WIDTHS]
    low28, low112 = max(0, origin - 27), max(0, origin - 111)
    count = panel.counts[:, origin + 1] - panel.counts[:, low28]
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = (panel.squares[:, origin + 1] - panel.squares[:, low28]) / count - means[2] ** 2
        sold28 = (panel.sold_days[:, origin + 1] - panel.sold_days[:, low28]) / count
        sold112 = (panel.sold_days[:, origin + 1] - panel.sold_days[:, low112]) / (panel.counts[:, origin + 1] - panel.counts[:, low112])
    censored = panel.is_censored[:, low28 : origin + 1].mean(axis=1)
    last = panel.last_sold[:, origin]
    sku = _codes(panel.series["sku_id"].to_numpy(dtype=str))
    pair = panel.category_code * (panel.region_code.max() + 1) + panel.region_code
    columns = [
        *means,
        np.sqrt(np.maximum(variance, 0)),
        sold28,
        sold112,
        censored,
        np.where(last >= 0, origin - last, np.nan),
        np.maximum(origin - panel.first_day, 0),
        *(_group_mean(panel, origin, w, sku) for w in _GROUP_WIDTHS),
        *(_trend(panel, origin, code) for code in (panel.region_code, pair)),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _codes(values: NDArray[np.str_]) -> NDArray[np.int64]:
    return np.unique(values, return_inverse=True)[1]


def _group_mean(panel: Panel, origin: int, width: int, code: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean level of the series of a group."""
    mean = np.nan_to_num(panel.window_mean(origin, width))
    return (np.bincount(code, weights=mean) / np.maximum(np.bincount(code), 1))[code]


def _trend(panel: Panel, origin: int, code: NDArray[np.int64]) -> NDArray[np.float64]:
    """Last week of a group against its last four."""
    return (_group_mean(panel, origin, 7, code) + 1e-3) / (_group_mean(panel, origin, 28, code) + 1e-3)


def _weekday_mean(panel: Panel, origin: int, series: NDArray[np.int64], horizon: NDArray[np.int64], weeks: int) -> NDArray[np.float64]:
    """Mean of the last known same weekdays of the target day."""
    total, count = np.zeros(len(series)), np.zeros(len(series))
    first = origin + horizon - 7 * (-(-horizon // 7))
    for week in range(weeks):
        day = first - 7 * week
        value = np.where(day >= 0, panel.demand[series, np.maximum(day, 0)], np.nan)
        total += np.nan_to_num(value)
        count += ~np.isnan(value)
    with np.errstate(invalid="ignore", divide="ignore"):
        return total / count


def _yearly_lift(panel: Panel, origin: int, series: NDArray[np.int64], target: NDArray[np.int64]) -> NDArray[np.float64]:
    """How the category in the region moved a year ago between the origin's month and the target's fortnight; NaN without it."""
    pair = panel.category_code * (panel.region_code.max() + 1) + panel.region_code
    if origin < 364 + 14:
        return np.full(len(series), np.nan)
    sums = np.stack(
        [np.bincount(pair, weights=panel.sums[:, t]) for t in range(origin - 364 - 28, min(origin - 364 + 45, panel.sums.shape[1]))]
    )
    base = origin - 364 - 28

    def total(low: NDArray[np.int64], high: NDArray[np.int64]) -> NDArray[np.float64]:
        last = len(sums) - 1
        return sums[np.clip(high - base, 0, last), pair[series]] - sums[np.clip(low - base, 0, last), pair[series]]

    there = target - 364
    before = total(np.full_like(there, origin - 364 - 27), np.full_like(there, origin - 364 + 1)) / 28
    after = total(there - 6, there + 8) / 14
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(before > 0.05, after / before, np.nan)


def _price_features(panel: Panel, origin: int, series: NDArray[np.int64], target: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    price = panel.price[series, target].astype(np.float64)
    low28, low180 = max(0, origin - 27), max(0, origin - 179)
    with np.errstate(invalid="ignore", divide="ignore"):
        recent = _nanmean(panel.price[:, low28 : origin + 1])[series]
        older = _nanmean(panel.price[:, low180 : origin + 1 : 7])[series]
        ratios = [price / recent, price / older]
    return [price, *ratios, panel.discount[series, target], panel.discount[:, low28 : origin + 1].mean(axis=1)[series]]


def _nanmean(values: NDArray[np.float32]) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    return np.where(known, values, 0).sum(axis=1, dtype=np.float64) / known.sum(axis=1)


def _calendar_features(panel: Panel, target: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    day = panel.days[0].to_datetime64().astype("datetime64[D]") + target.astype("timedelta64[D]")
    month = day.astype("datetime64[M]")
    weekday = (day.astype(np.int64) + 3) % 7
    return [weekday, (day - month).astype(np.int64) + 1, month.astype(np.int64) % 12 + 1]
