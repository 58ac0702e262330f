"""The forecast's panel, read from the warehouse as arrays.

Belongs here: the queries that fill `ml.panel.Panel`. Does not: anything learnt from it.
"""

import datetime as dt

import duckdb
import numpy as np
import pandas as pd

from ml.aggregates import Aggregates
from ml.calendar import holiday_flags
from ml.panel import HORIZON_DAYS, Panel
from orchestration.settings import Settings

_SERIES = """
create or replace temp table series as
with known as (
    select distinct sku_id, region_id from intermediate.int_demand_region_daily where demand_date >= $start
    union  -- a SKU about to be launched has no demand yet
    select sku_id, region_id from marts.dim_sku cross join marts.dim_region
    where launched_date between $day - 60 and $day + 28
)
select sku_id, region_id, row_number() over (order by sku_id, region_id) - 1 as i,
       category, abc_class, xyz_class, demand_class, unit_price::double as unit_price, launched_date, retired_date
from known join marts.dim_sku using (sku_id)
where coalesce(retired_date > $day, true)
order by i
"""
_DEMAND = """
select i, demand_date - $start as t, demand_units::float as units, is_censored, open_share::float as open_share
from intermediate.int_demand_region_daily join series using (sku_id, region_id)
where demand_date >= $start and demand_units is not null
"""
_PRICES = """
select i, greatest(effective_date - $start, 0) as t, p.unit_price::float as price
from staging.stg_marketing__prices p
left join marts.dim_node n on n.node_id = p.node_id
join series s on s.sku_id = p.sku_id and coalesce(s.region_id = coalesce(p.region_id, n.region_id), true)
where effective_date <= $last
order by i, effective_date, (coalesce(p.region_id, n.region_id) is not null)
"""
_DISCOUNTS = """
select i, t, max(discount_rate)::float as rate from (
    select s.i, coalesce(p.discount_rate, 0.1) as discount_rate,
           unnest(generate_series(greatest(p.start_date - $start, 0), least(p.end_date, $last) - $start)) as t
    from staging.stg_marketing__promotions p
    join series s on coalesce(s.sku_id = p.sku_id, s.category = p.category, true) and coalesce(s.region_id = p.region_id, true)
    where p.end_date >= $start and p.start_date <= $last
) group by all
"""
_SIGNALS = """
with wide as (select * from staging.stg_history__signals where signal_date between $start and $last),
     ahead as (select signal_name from wide where signal_date > $day group by all having count(distinct signal_date) >= 28)
select signal_name, region_id, signal_date - $start as t, signal_value::float as value from wide where signal_name in (select signal_name from ahead)
order by all
"""


_AGGREGATES = """
with lines as (
    select s.category, d.region_id, d.demand_date,
        sum(coalesce(u.unconstrained_demand_units, d.demand_units))::double as units, bool_and(d.demand_units is not null) as is_known
    from intermediate.int_demand_region_daily d
    join marts.dim_sku s using (sku_id)
    left join forecast.unconstrained_demand u using (sku_id, region_id, demand_date)
    group by all
), kept as (  -- older history that was kept only in aggregate ends where the lines begin
    select a.category, a.region_id, a.demand_date, a.demand_units::double as units, true as is_known
    from staging.stg_history__aggregates a
    where a.demand_date < (select min(demand_date) from lines)
)
select category, region_id, demand_date, units from (select * from lines union all select * from kept)
where is_known order by demand_date, category, region_id
"""


def read_panel(warehouse: duckdb.DuckDBPyConnection, settings: Settings, as_of_date: dt.date) -> Panel:
    """Everything the forecast of a day may look at, active series only."""
    start = max(settings.first_date, as_of_date - dt.timedelta(days=settings.forecast.history_days - 1))
    n_days = (as_of_date - start).days + 1
    last = as_of_date + dt.timedelta(days=HORIZON_DAYS)
    warehouse.execute(_SERIES, {"start": start, "day": as_of_date})
    series = warehouse.execute("select * exclude (i) from series order by i").df()
    shape = (len(series), n_days)
    demand, censored = np.full(shape, np.nan, np.float32), np.zeros(shape, bool)
    found = warehouse.execute(_DEMAND, {"start": start}).fetchnumpy()
    at = (found["i"].astype(np.int64), found["t"].astype(np.int64))
    demand[at] = found["units"]
    censored[at] = found["is_censored"]
    open_share = np.full(shape, np.nan, np.float32)
    open_share[at] = np.ma.filled(found["open_share"], np.nan)
    days = pd.date_range(start, periods=n_days, freq="D")
    calendar, names = _calendar(warehouse, settings, series, start, as_of_date, last)
    discount = _discounts(warehouse, len(series), start, last, n_days + HORIZON_DAYS)
    return Panel(
        series=series,
        days=days,
        demand=demand,
        is_censored=censored,
        open_share=open_share,
        price=_prices(warehouse, series, start, last, n_days + HORIZON_DAYS),
        discount=discount,
        calendar=calendar,
        calendar_names=names,
        aggregates=_aggregates(warehouse, settings, series, as_of_date, last, discount),
    )


def _aggregates(
    warehouse: duckdb.DuckDBPyConnection, settings: Settings, series: pd.DataFrame, day: dt.date, last: dt.date, discount: np.ndarray
) -> Aggregates | None:
    """Demand by category and region over all history, in the panel's order of categories and regions; None without any."""
    found = warehouse.execute(_AGGREGATES).df()
    categories, regions = ({v: i for i, v in enumerate(sorted(series[c].unique()))} for c in ("category", "region_id"))
    found = found[found["category"].isin(categories.keys()) & found["region_id"].isin(regions.keys())]
    if found.empty:
        return None
    first = found["demand_date"].min()
    days = pd.date_range(first, day, freq="D")
    demand = np.full((len(categories) * len(regions), len(days)), np.nan)
    group = found["category"].map(categories).to_numpy(np.int64) * len(regions) + found["region_id"].map(regions).to_numpy(np.int64)
    demand[group, (found["demand_date"] - first).dt.days.to_numpy(np.int64)] = found["units"]
    calendar, names = _calendar(warehouse, settings, series, first.date(), day, last)
    return Aggregates(days, demand, len(regions), calendar, names, _group_discounts(discount, series, categories, regions, len(days)))


def _group_discounts(
    discount: np.ndarray, series: pd.DataFrame, categories: dict[str, int], regions: dict[str, int], n_days: int
) -> np.ndarray | None:
    """Mean price cut of the series of each category and region, on the last days of the aggregates and those ahead; None without any."""
    if not discount.any():
        return None
    group = series["category"].map(categories).to_numpy(np.int64) * len(regions) + series["region_id"].map(regions).to_numpy(np.int64)
    out = np.full((len(categories) * len(regions), n_days + HORIZON_DAYS), np.nan, np.float32)
    known = min(discount.shape[1], out.shape[1])
    total = np.zeros((len(out), known))
    np.add.at(total, group, discount[:, discount.shape[1] - known :])
    out[:, out.shape[1] - known :] = total / np.maximum(np.bincount(group, minlength=len(out)), 1)[:, None]
    return out


def _prices(warehouse: duckdb.DuckDBPyConnection, series: pd.DataFrame, start: dt.date, last: dt.date, width: int) -> np.ndarray:
    """Prices carried forward from the day they become effective; the SKU's own price before the first."""
    price = np.full((len(series), width), np.nan, np.float32)
    price[:, 0] = series["unit_price"].to_numpy(dtype=np.float32)
    found = warehouse.execute(_PRICES, {"start": start, "last": last}).fetchnumpy()
    price[found["i"].astype(np.int64), found["t"].astype(np.int64)] = found["price"]
    known = np.maximum.accumulate(np.where(np.isnan(price), 0, np.arange(width)), axis=1)
    return np.take_along_axis(price, known, axis=1)


def _discounts(warehouse: duckdb.DuckDBPyConnection, n_series: int, start: dt.date, last: dt.date, width: int) -> np.ndarray:
    discount = np.zeros((n_series, width), np.float32)
    found = warehouse.execute(_DISCOUNTS, {"start": start, "last": last}).fetchnumpy()
    discount[found["i"].astype(np.int64), found["t"].astype(np.int64)] = found["rate"]
    return discount


def _calendar(
    warehouse: duckdb.DuckDBPyConnection, settings: Settings, series: pd.DataFrame, start: dt.date, day: dt.date, last: dt.date
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Holidays, and the signals that are known for the whole horizon."""
    days = pd.date_range(start, last, freq="D")
    regions = {region: i for i, region in enumerate(sorted(series["region_id"].unique()))}
    holiday = np.repeat(holiday_flags(settings.forecast.holiday_country, days)[:, None, :], len(regions), axis=1)
    found = warehouse.execute(_SIGNALS, {"start": start, "last": last, "day": day}).df()
    names = sorted(found["signal_name"].unique())
    signals = np.zeros((len(names), len(regions), len(days)), np.float32)
    found = found[found["region_id"].isin(regions.keys())]
    at = (found["signal_name"].map({n: i for i, n in enumerate(names)}), found["region_id"].map(regions), found["t"])
    signals[tuple(index.to_numpy(dtype=np.int64) for index in at)] = found["value"]
    return np.concatenate([holiday, signals]), ("holiday", "holiday_eve", *names)


def read_censored(
    warehouse: duckdb.DuckDBPyConnection, first: dt.date, last: dt.date
) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Series that ran out of stock between two days, their demand, censoring and open share from ``first`` to ``last``."""
    warehouse.execute(
        """create or replace temp table short_series as
           select sku_id, region_id, row_number() over (order by sku_id, region_id) - 1 as i
           from (select distinct sku_id, region_id from intermediate.int_demand_region_daily
                 where is_censored and demand_date between ? and ?) order by i""",
        [first, last],
    )
    series = warehouse.execute("select sku_id, region_id from short_series order by i").df()
    shape = (len(series), (last - first).days + 1)
    demand, censored = np.full(shape, np.nan, np.float32), np.zeros(shape, bool)
    found = warehouse.execute(
        """select i, demand_date - ?::date as t, demand_units::float as units, is_censored, open_share::float as open_share
           from intermediate.int_demand_region_daily join short_series using (sku_id, region_id)
           where demand_date between ? and ? and demand_units is not null""",
        [first, first, last],
    ).fetchnumpy()
    at = (found["i"].astype(np.int64), found["t"].astype(np.int64))
    demand[at], censored[at] = found["units"], found["is_censored"]
    open_share = np.full(shape, np.nan, np.float32)
    open_share[at] = np.ma.filled(found["open_share"], np.nan)
    return series, demand, censored, open_share
