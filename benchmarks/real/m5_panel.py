"""M5 as the forecast's panel, straight from the competition's files: what the warehouse would hand to `ml` on a day.

Belongs here: the same history, prices, signals and aggregates that `m5.py` delivers as feeds. Does not: scoring (`m5_score.py`).
"""

import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from benchmarks.real import m5
from ml.aggregates import Aggregates
from ml.calendar import holiday_flags
from ml.panel import HORIZON_DAYS, Panel

FIRST_COMPETITION_DATE = dt.date(2011, 1, 29)  # d_1


def competition_date(number: int) -> dt.date:
    """Date of the competition's day ``d_<number>``."""
    return FIRST_COMPETITION_DATE + dt.timedelta(days=number - 1)


def read_m5_panel(data: Path, last: dt.date) -> tuple[Panel, np.ndarray]:
    """The panel of the evening of ``last``, and which of the sorted 30,490 item-stores it holds (those that ever sold)."""
    sales = m5.read_sales(data, last)
    units = sales.units.reshape(-1, len(sales.days)).astype(np.float32)
    started = np.maximum.accumulate(units > 0, axis=1)
    kept = started[:, -1]
    series = pd.DataFrame({"sku_id": np.repeat(sales.items, len(sales.stores)), "region_id": np.tile(sales.stores, len(sales.items))})
    series = series.assign(category=series["sku_id"].str.rsplit("_", n=1).str[0], abc_class="A", launched_date=pd.NaT, retired_date=pd.NaT)
    price = _prices(data, last, series, sales.days)
    signals = m5._signals(data, last)
    calendar, names = _calendar(signals, sales.stores, sales.days)
    panel = Panel(
        series=series.assign(unit_price=price[:, len(sales.days) - 1])[kept].reset_index(drop=True),
        days=sales.days,
        demand=np.where(started, units, np.nan).astype(np.float32)[kept],
        is_censored=np.zeros((int(kept.sum()), len(sales.days)), bool),
        price=price[kept],
        discount=np.zeros((int(kept.sum()), len(sales.days) + HORIZON_DAYS), np.float32),
        calendar=calendar,
        calendar_names=names,
        aggregates=_aggregates(data, last, signals, sales.stores),
    )
    return panel, kept


def _prices(data: Path, last: dt.date, series: pd.DataFrame, days: pd.DatetimeIndex) -> np.ndarray:
    """Price of every item-store and day, carried forward from the day it became effective."""
    changes = m5._prices(data, last).merge(series[["sku_id", "region_id"]].reset_index(names="row"), on=["sku_id", "region_id"])
    width = len(days) + HORIZON_DAYS
    price = np.full((len(series), width), np.nan, np.float32)
    at = (pd.to_datetime(changes["effective_date"]) - days[0]).dt.days.clip(0, width - 1).to_numpy()
    price[changes["row"].to_numpy(), at] = changes["unit_price"].astype(float)
    known = np.maximum.accumulate(np.where(np.isnan(price), 0, np.arange(width)), axis=1)
    return np.take_along_axis(price, known, axis=1)


def _calendar(signals: pd.DataFrame, stores: np.ndarray, days: pd.DatetimeIndex) -> tuple[np.ndarray, tuple[str, ...]]:
    """Holidays and signals of every store from the first of ``days`` to four weeks after the last."""
    width = len(days) + HORIZON_DAYS
    names = sorted(signals["signal_name"].unique())
    found = np.zeros((len(names), len(stores), width), np.float32)
    day = (pd.to_datetime(signals["signal_date"]) - days[0]).dt.days
    inside = signals[(day >= 0) & (day < width)]
    name = inside["signal_name"].map({n: i for i, n in enumerate(names)}).to_numpy()
    region = inside["region_id"].map({s: i for i, s in enumerate(stores)}).to_numpy()
    found[name, region, day[inside.index].to_numpy()] = inside["signal_value"]
    holiday = np.repeat(holiday_flags("US", pd.date_range(days[0], periods=width))[:, None, :], len(stores), axis=1)
    return np.concatenate([holiday, found]), ("holiday", "holiday_eve", *names)


def _aggregates(data: Path, last: dt.date, signals: pd.DataFrame, stores: np.ndarray) -> Aggregates:
    """Level 9, department and store, of all years."""
    rows = duckdb.sql(
        f"""select units from '{data}/m5/aggregates_levels1_9_d1_d1941.parquet'
            where level = 9 and date <= date '{last}' order by dept_id, store_id, date"""
    ).fetchnumpy()["units"]
    days = pd.date_range(FIRST_COMPETITION_DATE, last, freq="D")
    calendar, names = _calendar(signals, stores, days)
    return Aggregates(days, rows.reshape(-1, len(days)).astype(float), len(stores), calendar, names)
