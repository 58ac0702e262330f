"""The model of the totals, and SKUs brought to it."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies

from ml.aggregates import Aggregates, aggregate_feature_names, aggregate_features, level, predict_aggregates, train_aggregates
from ml.backtest import RECONCILIATIONS, run_backtest, variants
from ml.baselines import reconciled
from ml.forecast import choose
from ml.panel import HORIZON_DAYS
from ml.train import train
from tests.ml.test_forecast import CHOICES, DAY, panel

YEARS = 1_100


def totals(n_days: int = YEARS, seed: int = 0) -> Aggregates:
    """Two categories in two regions with a week and a year."""
    rng = np.random.default_rng(seed)
    days = pd.date_range(end=DAY, periods=n_days)
    week = np.array([1, 1, 1, 1, 1.3, 1.6, 0.6])[days.day_of_week]
    year = 1 + 0.5 * np.sin(2 * np.pi * np.asarray(days.day_of_year) / 365.25)
    demand = rng.poisson(np.array([[400], [250], [150], [90]]) * week * year).astype(float)
    return Aggregates(days, demand, 2, np.zeros((1, 2, n_days + HORIZON_DAYS), np.float32), ("holiday",))


def test_features_of_totals_do_not_see_the_future() -> None:
    t, origin = totals(), 900
    before = aggregate_features(t, origin)
    shifted = t.demand.copy()
    shifted[:, origin + 1 :] = 9e6
    assert np.array_equal(before, aggregate_features(replace(t, demand=shifted), origin), equal_nan=True)
    assert before.shape == (4 * HORIZON_DAYS, len(aggregate_feature_names(t)))


def test_features_of_totals_follow_what_they_are_named_after() -> None:
    t, origin = totals(), 900
    names = aggregate_feature_names(t)
    row = aggregate_features(t, origin)[2 * HORIZON_DAYS + 3]  # third group, four days ahead
    base = t.demand[2, origin - 27 : origin + 1].mean()
    year_before = t.demand[2, origin - 364 - 27 : origin - 363].mean()
    assert row[names.index("mean_7")] == pytest.approx(t.demand[2, origin - 6 : origin + 1].mean() / base)
    assert row[names.index("same_weekday_1")] == pytest.approx(t.demand[2, origin + 4 - 7] / base)
    assert row[names.index("same_day_one_year_ago")] == pytest.approx(t.demand[2, origin + 4 - 364] / year_before, rel=1e-5)
    assert row[names.index("lift_one_year_ago")] == pytest.approx(t.demand[2, origin - 363 : origin - 356].mean() / year_before, rel=0.2)
    assert (row[names.index("category")], row[names.index("region")], row[names.index("horizon")]) == (1, 0, 4)


def test_a_day_that_nobody_delivered_does_not_lower_the_level() -> None:
    t = totals()
    gone = t.demand.copy()
    gone[:, 890:896] = np.nan
    assert level(replace(t, demand=gone), 900) == pytest.approx(level(t, 900), rel=0.1)


def test_a_total_under_promotion_is_forecast_higher_on_its_days_and_on_no_other() -> None:
    t = totals()
    rng = np.random.default_rng(6)
    discount = np.full((4, YEARS + HORIZON_DAYS), np.nan, np.float32)
    discount[:, -428:] = 0.3 * np.repeat(rng.random((4, 107)) < 0.2, 4, axis=1)
    discount[:, YEARS:] = 0
    lifted = t.demand * (1 + np.nan_to_num(discount[:, :YEARS]))
    t = replace(t, demand=lifted, discount=discount)
    text = train_aggregates(t, last_origin=YEARS - 1, threads=2, seed=1)
    assert text is not None
    plain = predict_aggregates(text, t, origin=YEARS - 1, threads=2)
    promoted = discount.copy()
    promoted[1, YEARS + 9 : YEARS + 13] = 0.3
    found = predict_aggregates(text, replace(t, discount=promoted), origin=YEARS - 1, threads=2) / plain
    assert found[1, 9:13].mean() > 1.1
    found[1, 9:13] = 1
    assert found == pytest.approx(1)


def test_the_model_of_totals_knows_the_season_and_the_same_seed_gives_the_same_bytes() -> None:
    t, origin = totals(), YEARS - 1 - HORIZON_DAYS
    text = train_aggregates(t, last_origin=origin, threads=2, seed=3)
    assert text is not None
    assert text == train_aggregates(t, last_origin=origin, threads=2, seed=3)
    found = predict_aggregates(text, t, origin=origin, threads=2)
    naive = np.tile(t.demand[:, origin - 6 : origin + 1], (1, 4))
    actual = t.demand[:, origin + 1 :]
    assert np.abs(found - actual).sum() < 0.9 * np.abs(naive - actual).sum()


def test_too_short_a_history_has_no_model_of_totals_and_no_variant_of_it() -> None:
    assert train_aggregates(totals(90), last_origin=89, threads=2, seed=3) is None
    short = replace(panel(), aggregates=totals(90))
    model = train(short, last_origin=len(short.days) - 1, choices=CHOICES)
    assert model.aggregates_text is None
    assert not set(RECONCILIATIONS) & set(variants(model, short, origin=len(short.days) - 1, threads=2))


def test_the_backtest_may_choose_a_variant_that_leans_on_the_totals() -> None:
    p = panel()
    pair = p.category_code * 2 + p.region_code
    own = np.zeros((4, len(p.days)))
    np.add.at(own, pair, p.demand)
    t = totals()
    history = np.hstack([t.demand[:, : YEARS - len(p.days)] * (own.mean() / t.demand.mean()), own])
    p = replace(p, aggregates=replace(t, demand=history))
    backtest, reason = run_backtest(p, choices=CHOICES)
    assert set(RECONCILIATIONS) <= set(backtest.spreads)
    model = train(p, last_origin=len(p.days) - 1, choices=CHOICES)
    rivals = [name for name in backtest.spreads if name != "seasonal naive"]
    best = min(rivals, key=lambda name: backtest.mean_score(name, "wrmsse"))
    assert choose(backtest, model, reason).forecaster == best
    favoured = backtest.scores.assign(score=backtest.scores["score"].where(backtest.scores["forecaster"] != "model to totals", 0.0))
    assert choose(replace(backtest, scores=favoured), model, reason).forecaster == "model to totals"


@settings(max_examples=40, deadline=None)
@given(seed=strategies.integers(0, 10_000), strength=strategies.sampled_from([0.0, 0.5, 1.0]))
def test_every_level_adds_up_and_none_is_negative(seed: int, strength: float) -> None:
    """SKU-region, SKU, category-region, region, total: sums of one table, whatever the pull."""
    p = panel(n_days=40)
    rng = np.random.default_rng(seed)
    mean = rng.gamma(1, 2, (len(p.series), HORIZON_DAYS)) * (rng.random((len(p.series), HORIZON_DAYS)) < 0.8)
    wanted = rng.gamma(2, 20, (4, HORIZON_DAYS))
    found = reconciled(p, mean, wanted, strength)
    assert (found >= 0).all()
    pair = p.category_code * 2 + p.region_code
    mine, after = np.zeros((4, HORIZON_DAYS)), np.zeros((4, HORIZON_DAYS))
    np.add.at(mine, pair, mean)
    np.add.at(after, pair, found)
    target = np.where(mine > 0, mine ** (1 - strength) * wanted**strength, 0)
    assert after == pytest.approx(target)
    by_region = np.stack([found[p.region_code == r].sum(axis=0) for r in range(2)])
    by_sku = pd.DataFrame(found).groupby(p.series["sku_id"].to_numpy()).sum().to_numpy()
    assert by_region == pytest.approx(np.stack([after[0] + after[2], after[1] + after[3]]))
    assert by_region.sum(axis=0) == pytest.approx(by_sku.sum(axis=0))
