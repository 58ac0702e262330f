"""Guaranteed service: published networks, every promise tried on small ones, and what is refused."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies

from planning.echelons import Network, ServiceTimes, optimize_service_times, pooled_deviation
from planning.errors import InfeasiblePlanError, PlanningError

Z95 = 1.6448536269514722


def solve(lead: list[int], cost: list[float], links: list[tuple[int, int]], most: dict[int, int], inbound: dict[int, int] | None = None) -> ServiceTimes:  # fmt: skip
    n = len(lead)
    limits = np.array([most.get(i, -1) for i in range(n)])
    given = np.array([(inbound or {}).get(i, 0) for i in range(n)])
    return optimize_service_times(Network(np.array(lead), np.array([cost], float), links, limits, given))


def test_snyder_and_shen_example_6_3_serial() -> None:
    found = solve([1, 0, 1], [2, 4, 7], [(0, 1), (1, 2)], {2: 1}, {0: 1})
    assert found.cost[0] == pytest.approx(2.828427, rel=1e-6)


def test_snyder_and_shen_example_6_5_tree_with_its_service_times() -> None:
    found = solve([2, 1, 1, 1], [np.sqrt(2), 2 * np.sqrt(2), 3, 3], [(0, 1), (1, 2), (1, 3)], {2: 0, 3: 1}, {0: 1})
    assert found.cost[0] == pytest.approx(8.277917, rel=1e-6)
    assert found.service_days[0].tolist() == [0, 0, 0, 1]


@pytest.mark.parametrize(("customers_wait", "cost"), [(2, 18.824004), (5, 12.468689), (8, 3.257882), (12, 0.232617)])
def test_snyder_and_shen_figure_6_14_imager_at_every_wait_of_its_customers(customers_wait: int, cost: float) -> None:
    holding = np.array([0.01, 0.03, 0.04, 0.06, 0.12, 0.13, 0.2, 0.08, 0.04, 0.5])
    links = [(0, 1), (1, 2), (2, 4), (3, 4), (4, 5), (5, 9), (6, 9), (7, 9), (8, 9)]
    found = solve([2, 3, 2, 4, 2, 3, 6, 4, 3, 2], (holding * Z95 * 10).tolist(), links, {9: customers_wait})
    assert found.cost[0] == pytest.approx(cost, rel=1e-5)


def test_snyder_and_shen_problem_6_7_serial() -> None:
    found = solve([1, 1, 2], [2 * 40, 3 * 40, 4 * 40], [(0, 1), (1, 2)], {2: 0}, {0: 1})
    assert found.cost[0] == pytest.approx(357.770876, rel=1e-6)


def test_graves_and_willems_digital_camera() -> None:
    """24 % a year on cumulative cost; the published 71,757 was found within 1 %."""
    added = [750, 950, 650, 150, 200, 250, 50, 0]
    parts = sum(added[:5])
    cumulative = np.array([*added[:5], parts + 250, parts + 300, parts + 300])
    links = [(i, 5) for i in range(5)] + [(5, 6), (6, 7)]
    found = solve([60, 60, 40, 60, 150, 6, 2, 3], (0.24 * cumulative * 1.645 * 7).tolist(), links, {7: 5})
    assert found.cost[0] == pytest.approx(71_475.76, rel=1e-4)


def test_a_small_bulldozer_line_promises_what_brute_force_found() -> None:
    """Stages at 2400, 6000 and 8400 in all; holding as in the instance, 3.0 units a day, factor 1.645."""
    found = solve([5, 8, 4], (np.array([2400, 6000, 8400]) * 1.645 * 3).tolist(), [(0, 1), (1, 2)], {2: 0})
    assert found.cost[0] == pytest.approx(170_084.857479, rel=1e-6)
    assert found.service_days[0].tolist() == [0, 8, 0]
    assert found.inbound_days[0].tolist() == [0, 0, 8]


def _brute_force(lead: np.ndarray, cost: np.ndarray, links: list[tuple[int, int]], most: np.ndarray) -> float:
    """Least cost over every promise of every stage."""
    n, best = len(lead), np.inf
    suppliers = [[a for a, b in links if b == i] for i in range(n)]
    longest = int(lead.sum())
    limits = [range((longest if m < 0 else int(m)) + 1) for m in most]
    for promise in itertools.product(*limits):
        inbound = np.array([max((promise[s] for s in suppliers[i]), default=0) for i in range(n)])
        net = inbound + lead - np.array(promise)
        if (net >= 0).all():
            best = min(best, float(np.sum(cost * np.sqrt(net))))
    return best


@strategies.composite
def trees(draw: strategies.DrawFn) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]], np.ndarray]:
    n = draw(strategies.integers(1, 5))
    links = []
    for stage in range(1, n):
        other = draw(strategies.integers(0, stage - 1))
        links.append((other, stage) if draw(strategies.booleans()) else (stage, other))
    lead = np.array(draw(strategies.lists(strategies.integers(0, 2), min_size=n, max_size=n)))
    cost = np.array(draw(strategies.lists(strategies.floats(0, 10).map(lambda x: round(x, 2)), min_size=n, max_size=n)))
    ends = set(range(n)) - {a for a, _ in links}
    most = np.array([draw(strategies.integers(0, 3)) if i in ends else -1 for i in range(n)])
    return lead, cost, links, most


@settings(max_examples=120, deadline=None)
@given(trees())
def test_no_promises_cost_less_on_any_small_tree(case: tuple[np.ndarray, np.ndarray, list[tuple[int, int]], np.ndarray]) -> None:
    lead, cost, links, most = case
    found = optimize_service_times(Network(lead, cost[None], links, most))
    assert found.cost[0] == pytest.approx(_brute_force(lead, cost, links, most), abs=1e-9)
    service, inbound = found.service_days[0], found.inbound_days[0]
    assert (found.net_days >= 0).all() and all(service[a] <= inbound[b] for a, b in links)
    assert all(limit < 0 or s <= limit for s, limit in zip(service, most, strict=True))


def test_many_skus_on_one_network_get_what_each_would_get_alone() -> None:
    rng = np.random.default_rng(1)
    links = [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5), (6, 2)]
    lead, most = np.array([9, 3, 2, 1, 1, 2, 5]), np.array([-1, -1, -1, 0, 2, 1, -1])
    cost = rng.gamma(1, 5, (40, 7))
    together = optimize_service_times(Network(lead, cost, links, most))
    for sku in range(40):
        alone = optimize_service_times(Network(lead, cost[sku : sku + 1], links, most))
        assert together.cost[sku] == pytest.approx(alone.cost[0])


def test_cheap_stock_upstream_is_held_and_dear_stock_is_not() -> None:
    found = solve([10, 2], [0.1, 50], [(0, 1)], {1: 0})
    assert found.service_days[0].tolist() == [0, 0]
    assert solve([10, 2], [50, 0.1], [(0, 1)], {1: 0}).service_days[0].tolist() == [10, 0]


def test_a_network_of_one_stage_covers_its_lead_time_and_no_demand_costs_nothing() -> None:
    found = solve([4], [3.0], [], {0: 1})
    assert (found.cost[0], found.net_days[0, 0]) == (pytest.approx(3 * np.sqrt(3)), 3)
    assert solve([4, 1], [0.0, 0.0], [(0, 1)], {1: 0}).cost[0] == 0


def test_demand_that_moves_together_pools_less() -> None:
    assert pooled_deviation(np.full(4, 2.0)) == pytest.approx(4)
    assert pooled_deviation(np.full(4, 2.0), power=1) == pytest.approx(8)


@pytest.mark.parametrize(
    ("lead", "cost", "links", "said"),
    [
        ([1, -1], [1, 1], [(0, 1)], "lead time is negative at stages .1."),
        ([1, 1], [1, np.nan], [(0, 1)], "missing or negative at stages .1."),
        ([1, 1], [-1, 1], [(0, 1)], "missing or negative at stages .0."),
        ([1, 1, 1], [1, 1, 1], [(0, 1), (1, 2), (2, 0)], "in a circle"),
        ([1, 1], [1, 1], [], "fall apart"),
        ([1, 1, 1, 1], [1, 1, 1, 1], [(0, 1), (1, 0), (2, 3)], "in a circle"),
        ([1, 1, 1, 1], [1, 1, 1, 1], [(0, 1), (0, 2), (1, 2)], "fall apart"),
        ([1, 1], [1, 1], [(0, 1), (0, 1)], "stands twice"),
    ],
    ids=[
        "negative lead time",
        "missing cost",
        "negative cost",
        "cycle",
        "two parts",
        "circle of two",
        "a part with two ways",
        "link twice",
    ],
)
def test_what_is_no_network_is_refused_with_its_stages(lead: list[int], cost: list[float], links: list[tuple[int, int]], said: str) -> None:
    with pytest.raises(PlanningError, match=said):
        solve(lead, cost, links, {len(lead) - 1: 0})


def test_a_supplier_later_than_any_promise_allows_is_covered_by_stock_and_a_promise_into_the_past_is_infeasible() -> None:
    network = Network(np.array([1, 0]), np.ones((1, 2)), [(0, 1)], np.array([-1, 0]), np.array([0, 3]))
    assert optimize_service_times(network).net_days[0, 1] == 3
    with pytest.raises(InfeasiblePlanError, match=r"inbound_days is below 0 at stages .0."):
        optimize_service_times(Network(np.array([5]), np.ones((1, 1)), [], np.array([-1]), np.array([-1])))
    with pytest.raises(InfeasiblePlanError, match=r"most_service_days is below -1 at stages .1."):
        optimize_service_times(Network(np.array([5, 1]), np.ones((1, 2)), [(0, 1)], np.array([-1, -2])))


@strategies.composite
def acyclic_networks(draw: strategies.DrawFn) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]], np.ndarray]:
    """A tree with every stage after its suppliers, and one to three links more."""
    n = draw(strategies.integers(3, 5))
    links = {(draw(strategies.integers(0, stage - 1)), stage) for stage in range(1, n)}
    pairs = [(a, b) for b in range(n) for a in range(b) if (a, b) not in links]
    links |= set(draw(strategies.lists(strategies.sampled_from(pairs), min_size=1, max_size=3))) if pairs else set()
    lead = np.array(draw(strategies.lists(strategies.integers(0, 2), min_size=n, max_size=n)))
    cost = np.array(draw(strategies.lists(strategies.floats(0, 10).map(lambda x: round(x, 2)), min_size=n, max_size=n)))
    ends = set(range(n)) - {a for a, _ in links}
    most = np.array([draw(strategies.integers(0, 3)) if i in ends else -1 for i in range(n)])
    return lead, cost, sorted(links), most


@settings(max_examples=150, deadline=None)
@given(acyclic_networks())
def test_no_promises_cost_less_on_any_small_acyclic_network(case: tuple[np.ndarray, np.ndarray, list[tuple[int, int]], np.ndarray]) -> None:
    lead, cost, links, most = case
    found = optimize_service_times(Network(lead, cost[None], links, most))
    assert found.cost[0] == pytest.approx(_brute_force(lead, cost, links, most), abs=1e-9)
    assert all(found.service_days[0][a] <= found.inbound_days[0][b] for a, b in links) and (found.net_days >= 0).all()


def test_skus_on_one_acyclic_network_branch_side_by_side_and_get_what_each_would_get_alone() -> None:
    rng = np.random.default_rng(2)
    links = [(0, 1), (0, 2), (1, 3), (2, 3), (1, 4), (3, 5), (4, 5), (0, 5)]
    lead, most = np.array([12, 7, 3, 4, 9, 2]), np.array([-1, -1, -1, -1, -1, 3])
    cost = rng.gamma(1, 5, (60, 6))
    together = optimize_service_times(Network(lead, cost, links, most))
    for sku in range(0, 60, 7):
        assert optimize_service_times(Network(lead, cost[sku : sku + 1], links, most)).cost[0] == pytest.approx(together.cost[sku])


def test_a_limit_may_be_of_one_sku_alone() -> None:
    limits = np.array([[-1, 0], [2, 0]])
    found = optimize_service_times(Network(np.array([10, 2]), np.array([[50, 0.1], [50, 0.1]]), [(0, 1)], limits))
    assert found.service_days[:, 0].tolist() == [10, 2]
