import numpy as np
import pytest
from hypothesis import given, settings, strategies
from scipy.stats import nbinom, norm, poisson

from planning.errors import PlanningError
from planning.interval_demand import IntervalDemand, interval_demand, service_at, smallest_units
from planning.lead_time_demand import DemandFlows, lead_time_demand, path_seeds
from planning.lead_times import lead_times

NOTHING = np.array([np.inf])


def _one(mean: list[float], variance: list[float], share: list[float]) -> IntervalDemand:
    m = np.array([mean])
    return IntervalDemand(m, np.array([variance]), np.array([share]), np.ones(1), np.ones(1))


@pytest.mark.parametrize(("mean", "alpha"), [(0.05, 3.0), (0.9, 0.0), (18.0, 0.4), (700.0, 0.01), (3000.0, 2.0)])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.975, 0.999])
def test_the_smallest_units_of_one_lead_time_are_scipys_quantiles(mean: float, alpha: float, level: float) -> None:
    truth = nbinom.ppf(level, 1 / alpha, 1 / (1 + alpha * mean)) if alpha else poisson.ppf(level, mean)
    found = smallest_units(
        _one([mean], [mean + alpha * mean**2], [1.0]), cycle_service_level=np.array([level]), most_shortage_units=NOTHING
    )
    assert found[0] == truth


def test_large_and_steady_demand_whose_first_probability_is_too_small_to_write_is_walked_all_the_same() -> None:
    mean, std = 40_000.0, 3_340.0
    demand = _one([mean], [std**2], [1.0])
    covered, short = service_at(demand, np.array([int(mean + 3 * std)]))
    assert covered[0] == pytest.approx(norm.cdf(3), abs=2e-3) and 0 < short[0] < std * 0.01
    found = smallest_units(demand, cycle_service_level=np.array([0.95]), most_shortage_units=NOTHING)
    assert found[0] == pytest.approx(mean + 1.645 * std, rel=0.01)


def test_demand_steadier_than_poisson_is_a_rounded_normal() -> None:
    found = smallest_units(_one([100.0], [25.0], [1.0]), cycle_service_level=np.array([0.95]), most_shortage_units=NOTHING)
    assert found[0] == np.ceil(norm.ppf(0.95, 100, 5) - 0.5)


def test_service_and_shortage_are_sums_over_the_mixture() -> None:
    demand = _one([10.0, 40.0], [10.0, 90.0], [0.8, 0.2])
    k = np.arange(400)
    mixed = 0.8 * poisson.pmf(k, 10) + 0.2 * nbinom.pmf(k, 32, 32 / 72)
    for units in (0, 9, 30, 77):
        covered, short = service_at(demand, np.array([units]))
        assert covered[0] == pytest.approx(mixed[: units + 1].sum(), abs=1e-9)
        assert short[0] == pytest.approx(np.sum(np.maximum(k - units, 0) * mixed), abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(
    strategies.lists(strategies.tuples(strategies.floats(0, 60), strategies.floats(0, 3), strategies.floats(0.05, 1)), min_size=1, max_size=4),
    strategies.floats(0.5, 0.99),
    strategies.floats(0.01, 5),
)  # fmt: skip
def test_one_unit_less_would_break_the_promise(parts: list[tuple[float, float, float]], level: float, allowed: float) -> None:
    share = np.array([p[2] for p in parts])
    demand = _one([p[0] for p in parts], [p[0] + p[1] * p[0] ** 2 for p in parts], (share / share.sum()).tolist())
    found = smallest_units(demand, cycle_service_level=np.array([level]), most_shortage_units=np.array([allowed]))
    covered, short = service_at(demand, found)
    assert covered[0] >= level - 1e-8 and short[0] <= allowed + 1e-8
    if found[0] > 0:
        covered, short = service_at(demand, found - 1)
        assert covered[0] < level or short[0] > allowed


def test_very_large_demand_is_within_a_thousandth_of_its_quantile() -> None:
    mean, alpha = 60_000.0, 0.05
    found = smallest_units(_one([mean], [mean + alpha * mean**2], [1.0]), cycle_service_level=np.array([0.98]), most_shortage_units=NOTHING)
    assert nbinom.cdf(found[0], 1 / alpha, 1 / (1 + alpha * mean)) == pytest.approx(0.98, abs=1e-3)


def test_newsvendor_of_snyder_and_shen_with_poisson_demand() -> None:
    demand = _one([18.0], [18.0], [1.0])
    best = smallest_units(demand, cycle_service_level=np.array([270 / 470]), most_shortage_units=NOTHING)
    _, short = service_at(demand, best)
    assert best[0] == 19
    assert 200 * (19 - 18 + short[0]) + 270 * short[0] == pytest.approx(786.0884, rel=1e-6)


# -------------------------------------------------------------------------------------------------- held against paths
def _flows(means: np.ndarray, dispersion: float, series: list[int], rows: list[int], share: list[float], parent: list[int]) -> DemandFlows:
    return DemandFlows(
        means, np.full(len(means), dispersion), np.array(series), np.array(rows), np.array(share), np.array([0, len(series)]),
        np.array([0, len(parent)]), np.array(parent),
    )  # fmt: skip


@pytest.mark.parametrize("mean", [0.2, 2.0, 30.0])
@pytest.mark.parametrize("level", [0.0, 0.3])
def test_moments_and_quantiles_are_those_of_sample_paths_at_leaves_and_where_demand_is_pooled(mean: float, level: float) -> None:
    """Two regions, one of them split over two nodes, two nodes below a third; lead times with two peaks."""
    season = np.array([0.6, 0.8, 1.0, 1.0, 1.2, 1.5, 0.9])
    means = mean * np.tile(season, (2, 4))[:, :26]
    flows = _flows(means, 0.5, [0, 0, 1], [0, 1, 1], [0.6, 0.4, 1.0], [2, 2, -1])
    leads = lead_times(mean_days=np.array([2.0, 6.0]), std_days=np.array([0.0, 2.0]), observed={0: {9: 3}}, kind=np.array([0, 0, 1]))
    same = {"review_period_days": np.full(3, 4), "level_correlation": level, "region_correlation": level / 2}
    found = interval_demand(flows=flows, lead_times=leads, **same)
    paths = lead_time_demand(
        flows=flows, seeds=path_seeds(as_of_date="2026-01-31", sku_ids=np.array(["a"], dtype=object)), position_units=np.zeros(3, np.int64),
        lead_times=leads, arrival_days=np.full((3, 1), 2), next_arrival_days=np.full((3, 1), 3), sample_paths=200_000, **same,
    ).protection_units  # fmt: skip
    assert found.expected_units == pytest.approx(paths.mean(axis=1), rel=0.01)
    assert found.std_units == pytest.approx(paths.std(axis=1), rel=0.02)
    for service in (0.9, 0.98):
        units = smallest_units(found, cycle_service_level=np.full(3, service), most_shortage_units=np.full(3, np.inf))
        covered, short = service_at(found, units)
        assert np.mean(paths <= units[:, None], axis=1) == pytest.approx(covered, abs=0.008)
        assert np.mean(np.maximum(paths - units[:, None], 0), axis=1) == pytest.approx(short, rel=0.15, abs=0.01)


def test_a_negative_lead_time_is_refused_and_no_demand_needs_no_stock() -> None:
    with pytest.raises(PlanningError, match="lead times must be >= 0; 1 of 2 are not"):
        lead_times(mean_days=np.array([1.0, -1.0]), std_days=np.zeros(2), observed={}, kind=np.zeros(1, int))
    with pytest.raises(PlanningError, match="lead times must be >= 0"):
        lead_times(mean_days=np.array([np.nan]), std_days=np.zeros(1), observed={}, kind=np.zeros(1, int))
    nothing = _one([0.0, 0.0], [0.0, 0.0], [0.5, 0.5])
    assert smallest_units(nothing, cycle_service_level=np.array([0.99]), most_shortage_units=np.array([0.0]))[0] == 0


def test_a_declared_lead_time_keeps_its_mean_and_spread_and_gives_way_to_what_was_seen() -> None:
    one = np.zeros(1, int)
    declared = lead_times(mean_days=np.array([7.0]), std_days=np.array([2.0]), observed={}, kind=one)
    assert (declared.mean_days[0], declared.std_days[0]) == (pytest.approx(7, abs=0.02), pytest.approx(2, rel=0.03))
    seen = lead_times(mean_days=np.array([7.0]), std_days=np.array([2.0]), observed={0: {5: 800, 15: 200}}, kind=one)
    assert seen.mean_days[0] == pytest.approx(7, abs=0.05)
    assert seen.std_days[0] == pytest.approx(4, rel=0.03)
