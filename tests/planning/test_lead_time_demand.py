import numpy as np
import pytest
from scipy.stats import nbinom, poisson

from planning.errors import PlanningError
from planning.lead_time_demand import DemandFlows, extend_horizon, lead_time_demand, path_seeds
from planning.lead_times import lead_times
from planning.negative_binomial import large_quantile, quantiles


def _flows(means: np.ndarray, dispersions: np.ndarray, parent: list[int], share: float = 1.0) -> DemandFlows:
    """One SKU, one series a row, in order."""
    n = len(means)
    return DemandFlows(
        means, dispersions, np.arange(n), np.arange(n), np.full(n, share), np.array([0, n]), np.array([0, len(parent)]), np.array(parent)
    )


def _draw(
    flows: DemandFlows,
    *,
    lead: float = 3.0,
    spread: float = 0.0,
    paths: int = 20_000,
    level: float = 0.0,
    position: list[int] | None = None,
):
    n = len(flows.parent_row)
    return lead_time_demand(
        flows=flows,
        seeds=path_seeds(as_of_date="2026-01-31", sku_ids=np.array(["a"], dtype=object)),
        position_units=np.array(position or [0] * n),
        lead_times=lead_times(mean_days=np.array([lead]), std_days=np.array([spread]), observed={}, kind=np.zeros(n, np.int64)),
        review_period_days=np.full(n, 4),
        arrival_days=np.full((n, 1), 2),
        next_arrival_days=np.full((n, 1), 3),
        level_correlation=level,
        region_correlation=level,
        sample_paths=paths,
    )


def test_quantiles_are_scipys_negative_binomial() -> None:
    mean = np.array([0.1, 1.0, 7.0, 60.0])
    levels = (0.025, 0.5, 0.75, 0.975)
    found = quantiles(demand_mean_units=mean, dispersion=np.full(4, 0.4), levels=levels)
    assert np.array_equal(found, np.stack([nbinom.ppf(p, 2.5, 1 / (1 + 0.4 * mean)) for p in levels], axis=1))


def test_quantiles_without_dispersion_are_poisson_and_large_means_stay_within_a_unit() -> None:
    mean = np.array([3.0, 255.0, 257.0, 5000.0])
    found = quantiles(demand_mean_units=mean, dispersion=np.zeros(4), levels=(0.5, 0.975))
    truth = np.stack([poisson.ppf(p, mean) for p in (0.5, 0.975)], axis=1)
    assert np.array_equal(found[:2], truth[:2])
    assert np.abs(found[2:] - truth[2:]).max() <= 1


def test_independent_days_add_to_the_negative_binomial_of_the_sum() -> None:
    found = _draw(_flows(np.full((1, 14), 2.0), np.array([0.0]), [-1])).protection_units[0]
    assert found.mean() == pytest.approx(14, rel=0.01)
    assert found.var() == pytest.approx(14, rel=0.05)


def test_correlated_days_widen_the_sum_and_leave_the_mean() -> None:
    flows = _flows(np.full((1, 14), 2.0), np.array([0.5]), [-1])
    alone, together = (_draw(flows, level=level).protection_units[0] for level in (0.0, 0.4))
    assert together.mean() == pytest.approx(alone.mean(), rel=0.03)
    assert together.std() > 1.4 * alone.std()


def test_a_varying_lead_time_widens_the_sum() -> None:
    flows = _flows(np.full((1, 30), 5.0), np.array([0.0]), [-1])
    fixed, varying = (_draw(flows, lead=7.0, spread=s).protection_units[0] for s in (0.0, 3.0))
    assert varying.std() > 1.5 * fixed.std()
    assert varying.mean() == pytest.approx(fixed.mean(), rel=0.05)


def test_thinning_a_region_keeps_its_dispersion() -> None:
    found = _draw(_flows(np.full((1, 1), 20.0), np.array([0.5]), [-1], share=0.25), lead=0.0).protection_units[0]
    assert found.mean() == pytest.approx(5, rel=0.05)
    assert found.var() == pytest.approx(5 + 0.5 * 25, rel=0.1)


def test_a_parent_pools_its_children_and_its_own_stock_covers_what_they_do_not_hold() -> None:
    flows = DemandFlows(
        np.full((2, 14), 1.0),
        np.zeros(2),
        np.array([0, 1]),
        np.array([0, 1]),
        np.ones(2),
        np.array([0, 2]),
        np.array([0, 3]),
        np.array([2, 2, -1]),
    )
    empty = _draw(flows, position=[0, 0, 0])
    full = _draw(flows, position=[1000, 1000, 0])
    assert empty.protection_units[2].mean() == pytest.approx(14, rel=0.02)
    assert full.horizon_units[2].max() == 0
    assert np.array_equal(empty.protection_units, full.protection_units)


def test_what_arrives_in_the_morning_of_a_day_meets_the_demand_of_that_day() -> None:
    found = _draw(_flows(np.full((1, 14), 2.0), np.array([0.0]), [-1]))  # arrives on day 2, sent again on day 3; lasts for 7 days
    assert found.before_arrival_units[0, 0].mean() == pytest.approx(1 * 2.0, rel=0.02)
    assert found.before_next_units[0, 0].mean() == pytest.approx(2 * 2.0, rel=0.02)
    assert found.horizon_units[0].mean() == pytest.approx(7 * 2.0, rel=0.02)


def test_a_child_goes_on_until_its_parent_is_supplied() -> None:
    flows = _flows(np.vstack([np.full((1, 30), 2.0), np.zeros((1, 30))]), np.zeros(2), [1, -1])
    found = lead_time_demand(
        flows=flows, seeds=path_seeds(as_of_date="2026-01-31", sku_ids=np.array(["a"], dtype=object)), position_units=np.array([20, 0]),
        lead_times=lead_times(mean_days=np.array([1.0, 9.0]), std_days=np.zeros(2), observed={}, kind=np.array([0, 1])),
        review_period_days=np.array([4, 4]), arrival_days=np.full((2, 1), 2), next_arrival_days=np.full((2, 1), 3), level_correlation=0.0,
        region_correlation=0.0, sample_paths=20_000,
    )  # fmt: skip
    assert found.after_horizon_units[0].mean() == pytest.approx((13 - 5) * 2.0, rel=0.02)
    assert found.parent_row.tolist() == [1, -1]
    assert (found.after_horizon_units[1] == 0).all()
    late = np.maximum(found.horizon_units[0] + found.after_horizon_units[0] - np.maximum(20, found.horizon_units[0]), 0)
    assert np.array_equal(found.horizon_units[1], late)


def test_the_same_day_and_sku_draw_the_same_paths_in_any_shard() -> None:
    one = _draw(_flows(np.full((1, 14), 3.0), np.array([0.3]), [-1]), paths=64).protection_units[0]
    two = lead_time_demand(
        flows=DemandFlows(
            np.full((2, 14), 3.0), np.full(2, 0.3), np.arange(2), np.arange(2), np.ones(2), np.arange(3), np.arange(3), np.array([-1, -1])
        ),
        seeds=path_seeds(as_of_date="2026-01-31", sku_ids=np.array(["z", "a"], dtype=object)),
        position_units=np.zeros(2, np.int64),
        lead_times=lead_times(mean_days=np.array([3.0]), std_days=np.zeros(1), observed={}, kind=np.zeros(2, np.int64)),
        review_period_days=np.full(2, 4),
        arrival_days=np.full((2, 1), 2),
        next_arrival_days=np.full((2, 1), 3),
        level_correlation=0.0,
        region_correlation=0.0,
        sample_paths=64,
    ).protection_units[1]
    assert np.array_equal(one, two)


def test_a_parent_before_its_child_and_a_negative_lead_time_are_refused() -> None:
    with pytest.raises(PlanningError, match="children first"):
        _draw(_flows(np.ones((2, 9)), np.zeros(2), [-1, 0]))
    with pytest.raises(PlanningError, match="lead times must be >= 0"):
        _draw(_flows(np.ones((1, 9)), np.zeros(1), [-1]), lead=-1.0)


def test_a_horizon_is_extended_by_its_last_week_and_the_days_are_counted() -> None:
    extended, repeated = extend_horizon(np.arange(28.0).reshape(1, 28), 37)
    assert repeated == 9
    assert extended[0, 28:].tolist() == [21, 22, 23, 24, 25, 26, 27, 21, 22]


@pytest.mark.parametrize("dispersion", [0.0, 0.3, 5.0, 20.0])
def test_quantiles_never_cross_whatever_the_mean_and_dispersion(dispersion: float) -> None:
    mean = np.concatenate([np.geomspace(1e-4, 250, 40), np.geomspace(257, 1e6, 20)])
    levels = (0.005, 0.025, 0.165, 0.25, 0.5, 0.75, 0.835, 0.975, 0.995)
    found = quantiles(demand_mean_units=mean, dispersion=np.full(60, dispersion), levels=levels)
    assert np.all(np.diff(found, axis=1) >= 0)
    scores = np.linspace(-4, 4, 81)
    drawn = np.array([[large_quantile(z, m, dispersion) for z in scores] for m in mean[40:]])
    assert np.all(np.diff(drawn, axis=1) >= 0)


def test_large_draws_have_the_mean_and_the_spread_of_the_distribution() -> None:
    found = _draw(_flows(np.full((1, 1), 1000.0), np.array([0.2]), [-1]), lead=0.0).protection_units[0]
    assert found.mean() == pytest.approx(1000, rel=0.02)
    assert found.std() == pytest.approx(np.sqrt(1000 + 0.2 * 1e6), rel=0.03)
