"""Forecasts of the last week against the days that came."""

import datetime as dt
from collections.abc import Iterator

import duckdb
import pandas as pd
import pytest

from orchestration.drift import Held, last_week
from orchestration.settings import GateSettings
from orchestration.warehouse import columns_ddl
from planning.frames import DEMAND_MEANS, DEMAND_QUANTILES, MODEL_VERSIONS, UNCONSTRAINED_DEMAND

DAY = dt.date(2026, 4, 10)


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    """Five mornings of forecasts of 10 units a day, band 4 to 16; demand is 12 units, but 20 on the day of the plan."""
    with duckdb.connect() as connection:
        connection.execute("create schema forecast; create schema intermediate")
        for frame in (DEMAND_MEANS, DEMAND_QUANTILES, MODEL_VERSIONS, UNCONSTRAINED_DEMAND):
            connection.execute(f"create table {frame.name} ({columns_ddl(frame)})")
        connection.execute(
            """create table intermediate.int_demand_region_daily as
               select 's' as sku_id, 'r' as region_id, d::date as demand_date, case when d::date = $day then 20 else 12 end as demand_units
               from generate_series($day::date - 9, $day::date, interval 1 day) as g(d)""",
            {"day": DAY},
        )
        for back in range(1, 6):
            made = DAY - dt.timedelta(days=back)
            days = pd.date_range(made + dt.timedelta(days=1), periods=28)
            means = pd.DataFrame({"as_of_date": made, "sku_id": "s", "region_id": "r", "demand_date": days, "demand_mean_units": 10.0})
            bands = pd.concat([means.assign(quantile=q, demand_units=u) for q, u in ((0.005, 0), (0.025, 4), (0.975, 16), (0.995, 99))])
            used = pd.DataFrame({"as_of_date": [made], "model_version": ["old" if back == 5 else "new"]})
            for frame, rows in ((DEMAND_MEANS, means), (DEMAND_QUANTILES, bands.drop(columns="demand_mean_units")), (MODEL_VERSIONS, used)):
                connection.register("_rows", rows)
                connection.execute(f"insert into {frame.name} by name select * from _rows")
        yield connection


def test_only_the_present_champion_is_scored_on_every_forecast_of_a_day_that_came(warehouse: duckdb.DuckDBPyConnection) -> None:
    found = last_week(warehouse, DAY)  # four mornings: 4 forecasts of the last day (20 units), 3 + 2 + 1 of those before (12 units)
    assert found is not None
    assert found.days == 4
    assert found.bias == pytest.approx(100 / (4 * 20 + 6 * 12) - 1)
    assert found.coverage_95 == pytest.approx(6 / 10)


def test_a_day_that_nobody_delivered_is_no_day_without_demand(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("update intermediate.int_demand_region_daily set demand_units = null where demand_date = ?", [DAY])
    found = last_week(warehouse, DAY)
    assert found is not None
    assert (found.days, found.bias, found.coverage_95) == (3, pytest.approx(60 / 72 - 1), 1.0)


def test_a_day_on_which_stock_ran_out_counts_with_what_was_asked_for(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("insert into forecast.unconstrained_demand values ('s', 'r', ?, 15)", [DAY])
    found = last_week(warehouse, DAY)
    assert found is not None
    assert (found.bias, found.coverage_95) == (pytest.approx(100 / (4 * 15 + 6 * 12) - 1), 1.0)


def test_a_champion_of_two_days_is_not_judged(warehouse: duckdb.DuckDBPyConnection) -> None:
    warehouse.execute("delete from forecast.model_versions where as_of_date < ?", [DAY - dt.timedelta(days=2)])
    assert last_week(warehouse, DAY) is None


@pytest.mark.parametrize(
    ("bias", "coverage", "said"),
    [(0.1, 0.95, ""), (0.3, 0.95, "off by +30.0%"), (-0.3, 0.95, "off by -30.0%"), (0.1, 0.8, "held 80.0% of the last week")],
)
def test_drift_is_what_a_backtest_would_not_be_allowed(bias: float, coverage: float, said: str) -> None:
    drifted = Held(7, bias, coverage).drifted(GateSettings())
    assert said in drifted and bool(said) == bool(drifted)
