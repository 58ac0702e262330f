from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ml import metrics
from ml.backtest import run_backtest
from ml.baselines import aligned, level_times_weekday, seasonal_naive
from ml.calendar import holiday_flags
from ml.censoring import unconstrained_demand
from ml.dispersion import spread
from ml.features import all_pairs, feature_names, features
from ml.forecast import choose, demand_means, demand_quantiles
from ml.panel import HORIZON_DAYS, Panel
from ml.train import TrainingChoices, TrainingError, predict, train

CHOICES = TrainingChoices(trees=25, leaves=15, training_rows=20_000, threads=2, seed=1)
DAY = pd.Timestamp("2026-03-31")


def panel(n_days: int = 150, n_skus: int = 12, seed: int = 0) -> Panel:
    rng = np.random.default_rng(seed)
    days = pd.date_range(end=DAY, periods=n_days)
    series = pd.DataFrame([(f"s{i:02d}", r) for i in range(n_skus) for r in ("east", "west")], columns=["sku_id", "region_id"]).assign(
        category=lambda s: np.where(s["sku_id"] < "s06", "a", "b"), abc_class="A", unit_price=5.0, launched_date=pd.NaT, retired_date=pd.NaT
    )
    weekday = np.array([1, 1, 1, 1, 1.5, 2, 0.5])[days.day_of_week]
    demand = rng.poisson(rng.gamma(2, 2, (len(series), 1)) * weekday).astype(np.float32)
    width = n_days + HORIZON_DAYS
    flags = np.repeat(holiday_flags("DE", pd.date_range(days[0], periods=width))[:, None, :], 2, axis=1)
    return Panel(
        series,
        days,
        demand,
        np.zeros(demand.shape, bool),
        np.full((len(series), width), 5, np.float32),
        np.zeros((len(series), width), np.float32),
        flags,
        ("holiday", "holiday_eve"),
    )


def test_features_do_not_see_the_future() -> None:
    p, origin = panel(), 100
    series, horizon = all_pairs(p)
    before = features(p, origin, series, horizon)
    shifted = p.demand.copy()
    shifted[:, origin + 1 :] = 999
    after = features(p.with_demand(shifted), origin, series, horizon)
    assert np.array_equal(before, after, equal_nan=True)
    assert before.shape == (len(series), len(feature_names(p)))


def test_features_follow_the_past_they_are_named_after() -> None:
    p, origin = panel(), 120
    names = feature_names(p)
    x = features(p, origin, np.array([3]), np.array([1]))[0]
    assert x[names.index("mean_7")] == pytest.approx(p.demand[3, origin - 6 : origin + 1].mean())
    assert x[names.index("last_same_weekday")] == p.demand[3, origin - 6]
    assert x[names.index("weekday")] == p.days[origin + 1].day_of_week
    assert x[names.index("weekday_mean_4")] == pytest.approx(p.demand[3, [origin - 6 - 7 * k for k in range(4)]].mean())


def test_the_same_seed_gives_the_same_model_to_the_byte() -> None:
    p = panel()
    assert train(p, last_origin=149, choices=CHOICES).text == train(p, last_origin=149, choices=CHOICES).text


def test_the_model_learns_the_weekday_and_beats_the_seasonal_naive() -> None:
    p = panel(n_skus=40)
    backtest, reason = run_backtest(p, choices=CHOICES)
    assert reason == ""
    assert min(backtest.mean_score(name, "wrmsse") for name in ("model", "model aligned")) < backtest.mean_score("seasonal naive", "wrmsse")
    assert backtest.mean_score("model", "coverage 95") > 0.9


def test_too_little_history_falls_back_to_the_baseline_and_says_so() -> None:
    p = panel(n_days=60)
    backtest, reason = run_backtest(p, choices=CHOICES)
    champion = choose(backtest, None, reason)
    means = demand_means(p, champion, as_of_date=DAY, model_version="v1", threads=2)
    assert "TrainingError" in champion.reason
    assert set(means["method"]) == {"fallback"}
    assert means["model_version"].isna().all()


def test_a_model_that_loses_to_the_baseline_is_left_aside_with_the_scores() -> None:
    p = panel()
    backtest, _ = run_backtest(p, choices=CHOICES)
    worse = backtest.scores.assign(score=np.where(backtest.scores["forecaster"].str.startswith("model"), 9.0, backtest.scores["score"]))
    champion = choose(type(backtest)(worse, backtest.spreads), train(p, last_origin=149, choices=CHOICES), "")
    assert champion.model is None
    assert "loses to level x weekday: WRMSSE 9.0000" in champion.reason


def test_a_model_of_other_features_is_refused() -> None:
    p = panel()
    model = train(p, last_origin=149, choices=CHOICES)
    with pytest.raises(TrainingError, match="other features"):
        predict(type(model)(model.text, ("x",)), p, origin=149, threads=2)


def test_retired_and_unborn_skus_have_no_demand_and_young_ones_are_flagged() -> None:
    p = panel()
    p.demand[4, :-10] = np.nan
    p.series["retired_date"] = p.series["retired_date"].astype("datetime64[ns]")
    p.series["launched_date"] = p.series["launched_date"].astype("datetime64[ns]")
    p.series.loc[0, "retired_date"] = DAY + pd.Timedelta(days=5)
    p.series.loc[2, "launched_date"] = DAY + pd.Timedelta(days=8)
    backtest, reason = run_backtest(p, choices=CHOICES)
    means = demand_means(p, choose(backtest, None, reason), as_of_date=DAY, model_version="v1", threads=2)
    by = means.set_index(["sku_id", "region_id", "demand_date"])["demand_mean_units"]
    assert by.loc[("s00", "east")].iloc[5:].eq(0).all() and by.loc[("s00", "east")].iloc[:5].gt(0).all()
    assert by.loc[("s01", "east")].iloc[:7].eq(0).all() and by.loc[("s01", "east")].iloc[7:].gt(0).all()
    assert set(means[(means["sku_id"] == "s02") & (means["region_id"] == "east")]["method"]) == {"cold start"}


def _level_by_series(p: Panel) -> pd.Series:
    """Mean of the next four weeks by SKU and region, made by the baseline."""
    backtest, reason = run_backtest(p, choices=CHOICES)
    means = demand_means(p, choose(backtest, None, reason), as_of_date=DAY, model_version="v1", threads=2)
    return means.groupby(["sku_id", "region_id"])["demand_mean_units"].mean()


def test_a_known_sku_in_a_new_region_sells_there_as_it_does_elsewhere_scaled_to_the_region() -> None:
    p = panel(n_skus=24)
    p.demand[1::2] *= 3  # the west buys three times as much
    p.demand[4:6] *= 5  # and everybody likes s02
    wanted = _level_by_series(p)[("s02", "west")]
    p.demand[5, :-2] = np.nan
    p.demand[5, -2:] = 0  # unknown there but for two quiet days
    assert _level_by_series(p)[("s02", "west")] == pytest.approx(wanted, rel=0.4)


def test_a_sku_that_is_new_everywhere_starts_at_half_its_category() -> None:
    p = panel(n_skus=24)
    p.demand[4:6] = np.nan
    kin = _level_by_series(p)
    category = kin[[sku < "s06" and sku != "s02" for sku, _ in kin.index]]
    assert kin[("s02", "east")] == pytest.approx(0.5 * category.xs("east", level=1).mean(), rel=0.15)


def test_a_region_with_one_week_of_history_is_forecast_at_its_own_size() -> None:
    p = panel(n_skus=24)
    p.demand[1::2] *= 3
    wanted = _level_by_series(p).xs("west", level=1)
    p.demand[1::2, :-7] = np.nan
    found = _level_by_series(p).xs("west", level=1)
    assert found.sum() == pytest.approx(wanted.sum(), rel=0.15)
    assert np.corrcoef(found, wanted)[0, 1] > 0.8  # each SKU as the other region likes it


def test_quantiles_are_long_complete_and_ascending() -> None:
    p = panel()
    backtest, reason = run_backtest(p, choices=CHOICES)
    rows = demand_quantiles(demand_means(p, choose(backtest, None, reason), as_of_date=DAY, model_version="v1", threads=2))
    assert len(rows) == len(p.series) * 28 * 9
    assert (rows.groupby(["sku_id", "region_id", "demand_date"])["demand_units"].diff().dropna() >= 0).all()


def test_censored_days_are_never_lowered_and_use_earlier_days_only() -> None:
    p = panel()
    censored = np.zeros(p.demand.shape, bool)
    censored[:, 100] = True
    out = unconstrained_demand(p.demand, censored)
    assert np.all(out >= p.demand)
    later = p.demand.copy()
    later[:, 101:] = 500
    assert np.array_equal(unconstrained_demand(later, censored)[:, 100], out[:, 100])


def test_days_cut_short_recover_most_of_what_was_not_asked_for() -> None:
    rng = np.random.default_rng(4)
    true = rng.poisson(20, (200, 200)).astype(np.float32)
    censored = rng.random(true.shape) < 0.2
    seen = np.where(censored, np.floor(true * rng.random(true.shape)), true).astype(np.float32)
    recovered = unconstrained_demand(seen, censored)
    assert abs(recovered[:, 60:].mean() - true[:, 60:].mean()) < 0.1 * abs(seen[:, 60:].mean() - true[:, 60:].mean())


def test_dispersion_and_correlation_are_recovered() -> None:
    rng = np.random.default_rng(5)
    mean = np.full((3, 400, 28), 6.0)
    level = rng.gamma(10, 0.1, (3, 400, 1))
    actual = rng.poisson(mean * level * rng.gamma(4, 0.25, mean.shape)).astype(float)
    found = spread(actual, mean, np.repeat(np.arange(200), 2))
    assert found.dispersion.mean() == pytest.approx(0.375, rel=0.15)  # (1 + 1/10)(1 + 1/4) - 1
    assert found.level_correlation == pytest.approx(0.1 * 36 / (6 + 0.375 * 36), rel=0.4)
    assert found.region_correlation < 0.1


def test_alignment_gives_each_category_region_the_anchors_total() -> None:
    p = panel()
    shape, anchor = seasonal_naive(p, 149), 2 * level_times_weekday(p, 149)
    out = aligned(p, shape, anchor, 1.0)
    pair = p.category_code * 2 + p.region_code
    assert np.bincount(pair, weights=out.sum(axis=1)) == pytest.approx(np.bincount(pair, weights=anchor.sum(axis=1)))
    assert np.array_equal(aligned(p, shape, anchor, 0.0), shape)


def test_measures_have_their_best_value_on_a_perfect_forecast() -> None:
    y = np.array([[1.0, 2.0, 3.0]])
    assert metrics.rmsse(y, y, np.array([2.0])).item() == 0
    assert metrics.pinball(y[0], np.repeat(y[0][:, None], 2, axis=1), (0.1, 0.9)) == 0
    assert metrics.bias(y, y) == 0
    assert metrics.coverage(y, y, y) == 1
    assert np.isnan(metrics.wrmsse(y, y, np.array([np.nan]), np.array([1.0])))


def test_a_day_nobody_delivered_does_not_lower_the_weekday_of_the_baseline() -> None:
    p = panel(n_skus=4)
    demand = np.full_like(p.demand, 10.0)
    origin = demand.shape[1] - 1
    silent = demand.copy()
    silent[:, [origin - 6, origin - 13]] = np.nan
    whole, gaps = (level_times_weekday(p.with_demand(values), origin) for values in (demand, silent))
    np.testing.assert_allclose(gaps, whole)


def test_the_backtest_scores_every_segment_and_segments_of_a_kind_make_the_whole() -> None:
    p = panel()
    classes = p.series.assign(xyz_class=np.where(p.series["sku_id"] < "s03", "X", "Z"), demand_class="smooth")
    backtest, _ = run_backtest(replace(p, series=classes), choices=CHOICES)
    s = backtest.scores
    wanted = {
        "all",
        "abc A",
        "xyz X",
        "xyz Z",
        "demand smooth",
        "region east",
        "region west",
        "horizon 1-7",
        "horizon 8-14",
        "horizon 15-28",
        "old",
    }
    assert wanted <= set(s["segment"])
    pinball = s[(s["measure"] == "pinball") & (s["forecaster"] == "model")].groupby("segment")["score"].mean()
    assert pinball["abc A"] == pytest.approx(pinball["all"])
    assert (pinball["region east"] + pinball["region west"]) / 2 == pytest.approx(pinball["all"])
    assert (7 * pinball["horizon 1-7"] + 7 * pinball["horizon 8-14"] + 14 * pinball["horizon 15-28"]) / 28 == pytest.approx(pinball["all"])
