"""What would have been asked for on days when stock ran out."""

import numpy as np
import pytest
from scipy.stats import nbinom

from ml.censoring import _moments, unconstrained_demand


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
