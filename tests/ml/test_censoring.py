"""What would have been asked for on days when stock ran out."""

import numpy as np
import pytest
from scipy.stats import nbinom

from ml.censoring import _moments, unconstrained_demand
from ml.dispersion import Sold, spread


def _sales(mean: float, dispersion: float, stock: int, n_series: int, n_days: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Demand, what was sold of it, and whether stock ran out."""
    rng = np.random.default_rng(4)
    size = 1 / dispersion
    demand = rng.negative_binomial(size, size / (size + mean), (n_series, n_days)).astype(np.float32)
    sold = np.minimum(demand, stock)
    return demand, sold, sold >= stock


def test_known_answer_demand_of_mean_20_behind_a_stock_of_25() -> None:
    """Known answers, censored demand: raw sales mean 17.83, stockout days dropped 14.98, truth 20."""
    demand, sold, censored = _sales(20, 0.2, 25, 300, 140)
    late = slice(56, None)
    assert sold[:, late].mean() == pytest.approx(17.83, abs=0.15)
    assert sold[:, late][~censored[:, late]].mean() == pytest.approx(14.98, abs=0.15)
    found = unconstrained_demand(sold, censored)[:, late]
    assert found.mean() == pytest.approx(demand[:, late].mean(), rel=0.015)


@pytest.mark.parametrize(
    ("mean", "dispersion", "stock", "share_of_gap"),
    [
        (3, 0.3, 4, 0.35),
        (40, 0.05, 45, 0.35),
        (0.8, 0.5, 2, 0.35),
        (0.8, 0.5, 1, 0.5),
    ],  # with a stock of one nothing tells how demand spreads
)
def test_recovered_demand_is_nearer_the_truth_than_sales_or_free_days(
    mean: float, dispersion: float, stock: int, share_of_gap: float
) -> None:
    demand, sold, censored = _sales(mean, dispersion, stock, 400, 140)
    late = slice(56, None)
    truth, found = demand[:, late].mean(), unconstrained_demand(sold, censored)[:, late].mean()
    raw, free = sold[:, late].mean(), sold[:, late][~censored[:, late]].mean()
    assert abs(found - truth) < share_of_gap * min(abs(raw - truth), abs(free - truth))


def test_moments_of_a_count_that_is_at_least_something_are_those_of_its_distribution() -> None:
    mean, dispersion, k = 6.0, 0.4, np.arange(4_000)
    weight = nbinom.pmf(k, 1 / dispersion, 1 / (1 + dispersion * mean))
    for least in (0, 1, 2, 7, 15):
        tail = np.where(k >= least, weight, 0) / weight[k >= least].sum()
        assert _moments(float(least), mean, dispersion) == pytest.approx(
            (float((tail * k).sum()), float((tail * k * (k - 1)).sum())), rel=1e-6
        )


def test_the_estimate_depends_on_the_eight_weeks_before_and_on_nothing_else() -> None:
    _, sold, censored = _sales(5, 0.3, 7, 20, 200)
    whole = unconstrained_demand(sold, censored)
    assert np.array_equal(unconstrained_demand(sold[:, 60:], censored[:, 60:])[:, 56:], whole[:, 116:])
    changed = sold.copy()
    changed[:, 150:] = 99
    assert np.array_equal(unconstrained_demand(changed, censored)[:, :150], whole[:, :150])
    assert (whole >= sold).all()
    assert np.array_equal(whole[~censored], sold[~censored])


@pytest.mark.parametrize(("mean", "dispersion"), [(0.8, 0.4), (5.0, 0.3), (40.0, 0.1)])
def test_days_with_a_told_open_share_are_recovered_without_bias(mean: float, dispersion: float) -> None:
    """Hours taken at random: what is left is no bound of demand, but a sample of it."""
    rng = np.random.default_rng(8)
    true = rng.poisson(rng.gamma(1 / dispersion, dispersion * mean, (2_000, 120))).astype(np.float32)
    censored = rng.random(true.shape) < 0.3
    share = np.where(censored, rng.integers(0, 16, true.shape) / 16, np.nan).astype(np.float32)
    seen = np.where(censored, rng.binomial(true.astype(int), np.nan_to_num(share, nan=1.0)), true).astype(np.float32)
    at = censored & (np.arange(120) >= 56)
    found = unconstrained_demand(seen, censored, share)
    assert found[at].mean() == pytest.approx(true[at].mean(), rel=0.01)
    assert seen[at].mean() < 0.6 * true[at].mean()
    mine, blind = (np.abs(x[at] - true[at]).mean() for x in (found, np.full(true.shape, mean)))
    assert mine < 0.8 * blind
    assert np.array_equal(found[~censored], seen[~censored])


def test_stock_that_ran_out_at_a_told_hour_is_recovered_though_the_hour_depends_on_demand() -> None:
    rng = np.random.default_rng(9)
    rate = rng.gamma(4, 5, (400, 120))  # units a day; the shelf holds 25
    true = rng.poisson(rate).astype(np.float32)
    n = true.astype(int)
    came = np.arange(80) < n[..., None]
    times = np.sort(np.where(came, rng.random(came.shape), 2.0), axis=2)
    censored = n > 25
    share = np.where(censored, times[:, :, 24], np.nan).astype(np.float32)
    seen = np.where(censored, 25, true).astype(np.float32)
    found = unconstrained_demand(seen, censored, share)
    at = np.s_[:, 56:]
    assert found[at].mean() == pytest.approx(true[at].mean(), rel=0.03)
    assert abs(found[at].mean() - true[at].mean()) < 0.3 * abs(seen[at].mean() - true[at].mean())


def test_the_spread_of_demand_behind_empty_shelves_is_that_of_demand() -> None:
    """Estimates stray less than demand; what was seen says how far demand strays."""
    rng = np.random.default_rng(10)
    mean = np.full((3, 500, 28), 6.0)
    true = rng.poisson(rng.gamma(2.5, mean / 2.5)).astype(float)
    stock = rng.integers(4, 9, mean.shape)
    censored = true >= stock
    seen = np.minimum(true, stock)
    estimate = np.where(censored, 9.0, true)
    sku = np.arange(500)
    honest = spread(true, mean, sku).dispersion.mean()
    blind = spread(estimate, mean, sku).dispersion.mean()
    found = spread(estimate, mean, sku, Sold(seen, censored, np.full(mean.shape, np.nan))).dispersion.mean()
    assert honest == pytest.approx(0.4, rel=0.1)
    assert blind < 0.7 * honest
    assert found == pytest.approx(honest, rel=0.2)
    thinned = rng.random(mean.shape) < 0.5
    half = np.where(thinned, rng.binomial(true.astype(int), 0.5), true)
    told = spread(true, mean, sku, Sold(half, thinned, np.where(thinned, 0.5, np.nan)))
    assert told.dispersion.mean() == pytest.approx(honest, rel=0.15)
