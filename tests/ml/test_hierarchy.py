"""Totals: they add up, and their spread is what the backtest says."""

import numpy as np
import pandas as pd
import pytest

from ml.hierarchy import demand_totals, relative_errors, summed, total_codes, total_quantiles
from planning.frames import M5_QUANTILES
from tests.ml.test_forecast import DAY, panel


def _totals(seed: int = 0) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame]:
    p = panel()
    mean = np.random.default_rng(seed).gamma(2, 2, (len(p.series), 28))
    errors = {level: np.full(int(code.max()) + 1, 0.1) for level, code in total_codes(p).items()}
    return demand_totals(p, mean, errors, DAY), mean, p.series


def test_every_level_adds_up_to_the_one_below_and_the_last_to_the_forecasts_of_skus() -> None:
    table, mean, series = _totals()
    days = pd.date_range(DAY + pd.Timedelta(days=1), periods=28)
    rows = series[["sku_id", "region_id", "category"]].loc[np.repeat(np.arange(len(series)), 28)].assign(
        demand_date=np.tile(days, len(series)), units=mean.ravel()
    )  # fmt: skip
    for level, by in {
        "total": [],
        "region": ["region_id"],
        "category": ["category"],
        "category-region": ["category", "region_id"],
    }.items():
        wanted = rows.groupby([*by, "demand_date"])["units"].sum()
        found = table[table["level"] == level].set_index([*by, "demand_date"])["demand_mean_units"]
        assert found.sort_index().to_numpy() == pytest.approx(wanted.sort_index().to_numpy(), abs=1e-5)
    sums = table.groupby("level")["demand_mean_units"].sum()
    assert np.ptp(sums) < 1e-3


def test_no_total_is_negative_and_none_crosses() -> None:
    out = total_quantiles(np.array([[0.0, 5.0, 100.0]]), np.array([2.0]))
    assert out.min() >= 0 and np.all(np.diff(out, axis=2) >= 0)
    assert out.shape == (1, 3, len(M5_QUANTILES))


def test_errors_that_move_together_make_totals_stray_more_than_their_parts_alone_would() -> None:
    rng = np.random.default_rng(2)
    code = np.zeros(50, dtype=np.int64)
    mean = np.full((3, 50, 28), 10.0)
    alone = mean + rng.normal(0, 3, mean.shape)
    together = mean * (1 + rng.normal(0, 0.2, (3, 1, 28)))
    assert relative_errors(alone, mean, code)[0] == pytest.approx(0.3 / np.sqrt(50), rel=0.2)
    assert relative_errors(together, mean, code)[0] == pytest.approx(0.2, rel=0.2)


def test_a_day_that_nobody_delivered_is_no_error_of_a_total() -> None:
    mean = np.full((1, 4, 28), 10.0)
    actual = mean.copy()
    actual[0, :2, :] = np.nan
    assert relative_errors(actual, mean, np.zeros(4, dtype=np.int64))[0] == 0
    assert summed(np.ones((4, 2)), np.array([0, 1, 1, 0])).tolist() == [[2, 2], [2, 2]]
