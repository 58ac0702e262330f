import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from planning.errors import InfeasiblePlanError, PlanningError
from planning.facility_location import Sites, locate


def test_csplib_034_warehouses_of_ten_stores() -> None:
    cost = np.array(
        [[20, 24, 11, 25, 30], [28, 27, 82, 83, 74], [74, 97, 71, 96, 70], [2, 55, 73, 69, 61], [46, 96, 59, 83, 4], [42, 22, 29, 67, 59],
         [1, 5, 73, 59, 56], [10, 73, 13, 43, 96], [93, 35, 63, 85, 46], [47, 65, 55, 71, 95]]
    ).T.astype(float)  # fmt: skip
    sites = Sites(np.full(5, 30.0), cost, np.ones(10), np.array([1.0, 4, 2, 1, 3]))
    found = locate(sites, is_single_source=True)
    assert found.cost == pytest.approx(383)
    assert found.bound == pytest.approx(383)


@strategies.composite
def instances(draw: strategies.DrawFn) -> Sites:
    n, m = draw(strategies.integers(1, 4)), draw(strategies.integers(1, 4))
    rng = np.random.default_rng(draw(strategies.integers(0, 10_000)))
    pooled = rng.uniform(0, 4, n) if draw(strategies.booleans()) else None
    needs = [(1, 0)] if n > 1 and draw(strategies.booleans()) else []
    return Sites(rng.uniform(0, 20, n), rng.uniform(0, 20, (n, m)), rng.uniform(1, 9, m), np.full(n, np.inf), pooled, needs)


@settings(max_examples=60, deadline=None)
@given(instances())
def test_no_set_of_sites_costs_less_where_each_customer_has_one(sites: Sites) -> None:
    n, m = sites.service_cost.shape
    best = np.inf
    for by in itertools.product(range(n), repeat=m):
        opened = np.zeros(n, bool)
        opened[list(by)] = True
        for extra in itertools.product([False, True], repeat=n):
            sites_open = opened | np.array(extra)
            if any(sites_open[a] and not sites_open[b] for a, b in sites.needs):
                continue
            load = np.bincount(by, weights=sites.demand, minlength=n)
            pooled = 0.0 if sites.pooled_cost is None else sites.pooled_cost @ np.sqrt(load)
            best = min(best, sites.fixed_cost @ sites_open + sites.service_cost[list(by), np.arange(m)].sum() + pooled)
    found = locate(sites, is_single_source=True)
    assert found.share.sum(axis=0) == pytest.approx(1)
    assert best - 1e-6 <= found.cost <= best * 1.03 + 1e-6  # the tangents are close to the square root, not on it


def test_capacity_splits_a_customer_and_a_count_opens_as_many() -> None:
    sites = Sites(np.array([1.0, 1.0]), np.array([[1.0, 1.0], [9.0, 9.0]]), np.array([5.0, 5.0]), np.array([7.0, 10.0]))
    found = locate(sites)
    assert found.share[0] @ sites.demand == pytest.approx(7)
    assert found.is_open.all()
    free = Sites(sites.fixed_cost, sites.service_cost, sites.demand, np.full(2, np.inf))
    assert [locate(free, open_count=k).is_open.sum() for k in (1, 2)] == [1, 2]
    assert locate(free, is_open=np.array([0.0, np.nan])).is_open.tolist() == [False, True]


def test_pooling_opens_fewer_sites() -> None:
    cost = np.where(np.eye(4, dtype=bool), 1.0, 3.0) * 10
    apart = Sites(np.full(4, 5.0), cost, np.full(4, 10.0), np.full(4, np.inf))
    pooled = Sites(apart.fixed_cost, cost, apart.demand, apart.capacity, np.full(4, 12.0))
    assert locate(apart).is_open.sum() == 4
    assert locate(pooled).is_open.sum() < 4


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"capacity": np.array([2.0, 2.0])}, InfeasiblePlanError, "all together hold 4 for a demand of 10"),
        ({"service_cost": np.array([[1.0, np.inf], [1.0, np.inf]])}, InfeasiblePlanError, r"no site may serve 1 customers .1."),
        ({"fixed_cost": np.array([1.0, np.nan])}, PlanningError, "fixed_cost is missing or negative at 1"),
        ({"demand": np.array([1.0, -1.0])}, PlanningError, "demand is missing or negative"),
        ({"demand": np.ones(3)}, PlanningError, "one a customer"),
    ],
    ids=["capacity short", "nobody may serve", "missing cost", "negative demand", "shape"],
)
def test_what_cannot_be_designed_is_refused_with_its_reason(changes: dict, error: type, said: str) -> None:
    base = {"fixed_cost": np.ones(2), "service_cost": np.ones((2, 2)), "demand": np.full(2, 5.0), "capacity": np.full(2, 9.0)}
    with pytest.raises(error, match=said):
        locate(Sites(**(base | changes)))
