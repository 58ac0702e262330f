import numpy as np
import pytest
from scipy.stats import nbinom, poisson

from planning.errors import PlanningError
from planning.histograms import interval_histogram, smallest_units_of


def test_days_of_one_negative_binomial_add_to_a_negative_binomial() -> None:
    daily = nbinom.pmf(np.arange(400), 1, 1 / 5)
    found = interval_histogram(daily=daily, days=np.array([3]), shares=np.ones(1), most_units=300)
    assert found == pytest.approx(nbinom.pmf(np.arange(301), 3, 1 / 5), abs=1e-9)


def test_two_lead_times_mix_and_the_smallest_stock_is_found_for_a_level_and_for_a_shortage() -> None:
    found = interval_histogram(daily=poisson.pmf(np.arange(60), 2), days=np.array([5, 15]), shares=np.array([0.8, 0.2]), most_units=200)
    k = np.arange(201)
    truth = 0.8 * poisson.pmf(k, 10) + 0.2 * poisson.pmf(k, 30)
    assert found == pytest.approx(truth, abs=1e-9)
    at = smallest_units_of(found, cycle_service_level=0.95)
    assert truth[: at + 1].sum() >= 0.95 > truth[:at].sum()
    short = [np.sum(np.maximum(k - x, 0) * truth) for x in range(201)]
    assert smallest_units_of(found, most_shortage_units=0.5) == int(np.argmax(np.array(short) <= 0.5))


def test_what_is_no_distribution_or_too_short_is_refused() -> None:
    with pytest.raises(PlanningError, match="daily: probabilities must be"):
        interval_histogram(daily=np.array([0.5, 0.4]), days=np.array([1]), shares=np.ones(1), most_units=3)
    with pytest.raises(PlanningError, match="an interval of -1 days"):
        interval_histogram(daily=np.array([0.5, 0.5]), days=np.array([-1]), shares=np.ones(1), most_units=3)
    with pytest.raises(PlanningError, match="ends before the promise is kept"):
        smallest_units_of(np.array([0.5, 0.2]), cycle_service_level=0.99)
