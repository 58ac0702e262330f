"""What moved the forecast since the last plan: read from the warehouse, split by `ml.explanation`.

Belongs here: which forecast is the last one, what was known ahead then and now, which series are worth a line. Does not: the split.
"""

import datetime as dt

import duckdb
import numpy as np
import pandas as pd

from ml.explanation import DRIVERS, known_then, revisions
from ml.panel import HORIZON_DAYS, Panel
from ml.train import Model
from orchestration.warehouse import has_table
from planning.frames import KNOWN_AHEAD, REVISIONS

_MOST_LINES = 300  # the largest by value
LONGEST_GAP_DAYS = 7
LOOKS_BACK_AT = ("forecast.demand_means", "forecast.known_ahead", "forecast.model_versions")

_LAST = """
select as_of_date, model_version from forecast.model_versions
where as_of_date < $day and as_of_date >= $day - $gap order by as_of_date desc limit 1
"""
_LARGEST = """
select m.sku_id, m.region_id,
    list(m.demand_mean_units order by m.demand_date) filter (where m.as_of_date = $last) as before,
    list(m.demand_mean_units order by m.demand_date) filter (where m.as_of_date = $day) as after
from forecast.demand_means m join marts.dim_sku s using (sku_id)
where m.as_of_date in ($last, $day) and m.demand_date > $day and m.demand_date <= $last + 28
group by m.sku_id, m.region_id
having count(*) filter (where m.as_of_date = $last) = count(*) filter (where m.as_of_date = $day)
order by round(abs(list_sum(after) - list_sum(before)) * any_value(s.unit_price)::double, 6) desc, m.sku_id, m.region_id
limit $most
"""


def known_ahead(panel: Panel, day: dt.date) -> pd.DataFrame:
    """Prices and promotions of future days that differ from the last day's; frame `forecast.known_ahead`."""
    n_days = len(panel.days)
    price, discount = panel.price[:, n_days:], panel.discount[:, n_days:]
    today = panel.price[:, n_days - 1 : n_days]
    differs = (price != today) & ~(np.isnan(price) & np.isnan(today))
    row, ahead = np.nonzero(differs | (discount > 0))
    table = pd.DataFrame(
        {
            "as_of_date": pd.Timestamp(day),
            "sku_id": panel.series["sku_id"].to_numpy()[row],
            "region_id": panel.series["region_id"].to_numpy()[row],
            "demand_date": pd.Timestamp(day) + pd.to_timedelta(ahead + 1, unit="D"),
            "unit_price": np.round(price[row, ahead].astype(float), 4),
            "discount_rate": np.round(discount[row, ahead].astype(float), 6),
        }
    )
    return table[list(KNOWN_AHEAD.fields)]


def since_last_plan(warehouse: duckdb.DuckDBPyConnection, panel: Panel, day: dt.date, model: Model | None, version: str) -> pd.DataFrame:
    """Frame `forecast.revisions` of the day; today's means stand in the warehouse. Empty without a forecast in the week before."""
    empty = pd.DataFrame(columns=list(REVISIONS.fields))
    last = warehouse.execute(_LAST, {"day": day, "gap": LONGEST_GAP_DAYS}).fetchone()
    if last is None or not has_table(warehouse, "forecast", "known_ahead"):
        return empty
    last_date, last_version = last
    gap = (day - last_date).days
    found = warehouse.execute(_LARGEST, {"day": day, "last": last_date, "most": _MOST_LINES}).df()
    if found.empty:
        return empty
    before, after = (np.stack(found[column].to_numpy()).astype(float) for column in ("before", "after"))
    series = _rows(panel, found)
    then = known_then(panel, len(panel.days) - 1 - gap, *_then(warehouse, panel, last_date, gap))
    is_same = last_version == version
    parts = revisions(model, panel, then, gap=gap, series=series, before=before, after=after, is_same_model=is_same)
    table = found[["sku_id", "region_id"]].assign(
        as_of_date=pd.Timestamp(day),
        previous_date=pd.Timestamp(last_date),
        previous_units=before.sum(axis=1).round(4),
        revised_units=after.sum(axis=1).round(4),
        main_driver=np.asarray(DRIVERS)[np.abs(np.stack([parts[name] for name in DRIVERS])).argmax(axis=0)],
        **{f"{name}_revision_units": np.round(parts[name], 4) for name in DRIVERS},
    )
    return REVISIONS.check(table[list(REVISIONS.fields)])


def _rows(panel: Panel, found: pd.DataFrame) -> np.ndarray:
    key = ["sku_id", "region_id"]
    return found[key].merge(panel.series[key].reset_index(names="row"), on=key, how="left")["row"].to_numpy(dtype=np.int64)


def _then(warehouse: duckdb.DuckDBPyConnection, panel: Panel, last_date: dt.date, gap: int) -> tuple[np.ndarray, np.ndarray]:
    """Price and discount of the 28 days after ``last_date`` as they were known on it, each (n_series, 28)."""
    at_last = panel.price[:, len(panel.days) - 1 - gap]
    price = np.repeat(at_last[:, None], HORIZON_DAYS, axis=1)
    discount = np.zeros_like(price)
    told = warehouse.execute("select * from forecast.known_ahead where as_of_date = ?", [last_date]).df()
    told = told.merge(panel.series[["sku_id", "region_id"]].reset_index(names="row"), on=["sku_id", "region_id"])
    at = (told["row"].to_numpy(dtype=np.int64), ((told["demand_date"] - pd.Timestamp(last_date)).dt.days - 1).to_numpy(dtype=np.int64))
    price[at] = told["unit_price"]
    discount[at] = told["discount_rate"]
    return price, discount
