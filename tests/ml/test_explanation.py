"""What moved a forecast: parts that add up and name what changed."""

from dataclasses import replace

import numpy as np
import pytest

from ml.baselines import level_times_weekday
from ml.explanation import DRIVERS, feature_importance, known_then, revisions
from ml.features import feature_names
from ml.panel import HORIZON_DAYS, Panel
from ml.train import Model, predict, train
from tests.ml.test_forecast import CHOICES, panel

GAP = 1
SERIES = np.arange(24)


@pytest.fixture(scope="module")
def promoted() -> tuple[Panel, Model]:
    """A company in which a promotion doubles demand, and the model that has learnt it."""
    p = panel()
    rng = np.random.default_rng(3)
    discount = np.where(rng.random(p.discount.shape) < 0.15, 0.3, 0).astype(np.float32)
    discount[:, len(p.days) :] = 0
    demand = p.demand * np.where(discount[:, : len(p.days)] > 0, 3, 1)
    p = replace(p, discount=discount, demand=demand.astype(np.float32))
    return p, train(p, last_origin=149, choices=CHOICES)


def _both(model: Model, now: Panel, then: Panel) -> tuple[np.ndarray, np.ndarray]:
    """Means of the last forecast and of today's for the days both speak of."""
    before = predict(model, then, origin=149 - GAP, threads=1)[:, GAP:]
    return before, predict(model, now, origin=149, threads=1)[:, : HORIZON_DAYS - GAP]


def _then(p: Panel) -> Panel:
    ahead = slice(150 - GAP, 150 - GAP + HORIZON_DAYS)
    return known_then(p, 149 - GAP, p.price[:, ahead], p.discount[:, ahead])


def test_parts_of_a_revision_add_up_to_it(promoted: tuple[Panel, Model]) -> None:
    p, model = promoted
    before, after = _both(model, p, _then(p))
    after = after * 1.1  # as a pull to the totals would
    before[0, :3] = 0  # and a launch
    parts = revisions(model, p, _then(p), gap=GAP, series=SERIES, before=before, after=after, is_same_model=True)
    assert sum(parts[name] for name in DRIVERS) == pytest.approx((after - before).sum(axis=1))
    assert parts["other"][0] == pytest.approx(after[0, :3].sum())
    a, c = before[1:], after[1:]
    assert parts["totals"][1:] == pytest.approx(np.log(1.1) * ((c - a) / np.log(c / a)).sum(axis=1), rel=1e-6)
    assert np.abs(parts["model"]).max() == 0


def test_a_promotion_declared_since_is_named_and_its_units_stand_under_it(promoted: tuple[Panel, Model]) -> None:
    then, model = promoted
    discount = then.discount.copy()
    discount[3, 155:160] = 0.3
    now = replace(then, discount=discount)
    before, after = _both(model, then, _then(then))[0], _both(model, now, _then(then))[1]
    parts = revisions(model, now, _then(then), gap=GAP, series=SERIES, before=before, after=after, is_same_model=True)
    largest = np.asarray(DRIVERS)[np.abs(np.stack([parts[name] for name in DRIVERS])).argmax(axis=0)]
    assert largest[3] == "promotion" and parts["promotion"][3] > 0.5 * (after - before)[3].sum() > 0
    assert np.abs(np.delete(parts["promotion"], 3)).max() < 1e-9
    assert np.abs(parts["totals"]).max() < 1e-6


def test_another_models_part_is_called_the_models(promoted: tuple[Panel, Model]) -> None:
    p, model = promoted
    before, after = _both(model, p, _then(p))
    parts = revisions(model, p, _then(p), gap=GAP, series=SERIES, before=before * 0.8, after=after, is_same_model=False)
    assert np.all(parts["model"] > 0) and np.abs(parts["totals"]).max() == 0


def test_a_baselines_revision_is_all_of_the_level() -> None:
    p = panel()
    before, after = level_times_weekday(p, 148)[:, 1:], level_times_weekday(p, 149)[:, :27]
    parts = revisions(None, p, p, gap=1, series=SERIES, before=before, after=after, is_same_model=True)
    assert parts["level"] == pytest.approx((after - before).sum(axis=1))


def test_importance_names_every_feature_and_adds_up_to_one(promoted: tuple[Panel, Model]) -> None:
    p, model = promoted
    found = feature_importance(model)
    assert set(found["feature_name"]) == set(feature_names(p))
    assert found["gain_share"].sum() == pytest.approx(1, abs=1e-4)
    assert found["gain_share"].is_monotonic_decreasing
    assert found.set_index("feature_name").loc["discount", "gain_share"] > 0.01
