"""The twin: units are conserved, costs add up, rules do what they say, and nobody beats the one who sees the future."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies
from scipy.stats import norm, poisson

from planning.clairvoyant import clairvoyant_bound
from planning.errors import PlanningError
from planning.lead_time_demand import DemandFlows
from planning.lead_times import lead_times
from planning.twin import Moves, Scenario, TwinNetwork, View, simulate, within_capacity
from planning.twin_policies import (
    Knowledge,
    MorningRules,
    do_nothing,
    equal_days_of_cover,
    from_parents,
    order_up_to,
    shipped_policies,
)


def network(n_skus: int = 1, **changes: object) -> TwinNetwork:
    """A hub above two shops; lanes hub-a, hub-b, a-b, b-a."""
    whole = TwinNetwork(
        node_ids=("a", "b", "hub"),
        sku_ids=tuple(f"s{i}" for i in range(n_skus)),
        is_carried=np.ones((3, n_skus), bool),
        parent_lane=np.array([0, 1, -1]),
        lane_origin=np.array([2, 2, 0, 1]),
        lane_destination=np.array([0, 1, 1, 0]),
        lane_cost_per_unit=np.repeat([[0.5], [0.5], [1.0], [1.0]], n_skus, axis=1),
        lane_fixed_cost=np.zeros(4),
        lane_capacity_units=np.full(4, np.inf),
        outbound_capacity_units=np.full(3, np.inf),
        holding_cost_per_unit_day=np.full((3, n_skus), 0.01),
        shortage_cost_per_unit=np.full((3, n_skus), 10.0),
        final_mile_cost_per_unit=np.zeros(3),
        order_cost=0.0,
        case_pack_units=np.ones(n_skus, np.int64),
    )
    return replace(whole, **changes)


def scenario(demand: np.ndarray, on_hand: np.ndarray, **changes: object) -> Scenario:
    whole = Scenario(demand, np.zeros_like(demand), np.zeros_like(demand), on_hand, np.full((len(demand), 4), 2))
    return replace(whole, **changes)


def test_a_day_by_hand_costs_what_it_should() -> None:
    demand = np.array([[[3], [0], [0]], [[3], [1], [0]], [[0], [2], [0]]])
    start = np.array([[4], [1], [5]])

    def policy(view: View) -> Moves:
        return Moves(np.array([[2], [1], [0], [0]]) if view.day == 0 else None)

    net = network(lane_fixed_cost=np.array([7.0, 0, 0, 0]), final_mile_cost_per_unit=np.array([0.1, 0.2, 0]))
    lived = simulate(net, scenario(demand, start), policy)
    assert lived.filled_units[:, :, 0].tolist() == [[3, 0, 0], [1, 1, 0], [0, 1, 0]]  # b's unit arrives on the third morning
    assert lived.shortage_cost == 10 * (2 + 1)
    assert lived.lane_cost == pytest.approx(0.5 * 3 + 7)
    assert lived.final_mile_cost == pytest.approx(0.1 * 4 + 0.2 * 2)
    assert lived.holding_cost == pytest.approx(0.01 * ((1 + 1 + 2 + 3) + (0 + 0 + 2 + 3) + (2 + 0 + 2)))
    assert lived.total_cost == pytest.approx(30 + 8.5 + 0.8 + 0.16)
    assert lived.fill_rate == pytest.approx(6 / 9)


@settings(max_examples=60, deadline=None)
@given(strategies.integers(0, 10_000), strategies.booleans())
def test_units_are_conserved_whatever_a_policy_does(seed: int, is_backordered: bool) -> None:
    rng = np.random.default_rng(seed)
    net = network(5, case_pack_units=rng.integers(1, 4, 5))
    demand = rng.poisson(1.5, (20, 3, 5))
    story = Scenario(
        demand, rng.poisson(0.5, demand.shape), rng.poisson(0.1, demand.shape), rng.poisson(6, (3, 5)), rng.integers(1, 6, (20, 4)), rng.integers(1, 9, demand.shape), is_backordered
    )  # fmt: skip

    def policy(view: View) -> Moves:
        left = view.on_hand.copy()
        units = np.zeros((4, 5), np.int64)
        for lane in range(4):
            units[lane] = rng.integers(0, left[net.lane_origin[lane]] + 1) // net.case_pack_units * net.case_pack_units
            left[net.lane_origin[lane]] -= units[lane]
        return Moves(units, rng.poisson(0.3, (3, 5)))

    lived = simulate(net, story, policy)  # raises when a unit is lost
    assert (lived.filled_units <= lived.demand_units).all()


@pytest.mark.parametrize(
    ("moves", "said"),
    [
        (Moves(np.array([[9], [0], [0], [0]])), "hub sends 9 units of s0 and has 5"),
        (Moves(np.array([[-1], [0], [0], [0]])), "sends"),
        (Moves(np.array([[3], [0], [0], [0]])), "more than its capacity"),
        (Moves(None, np.ones((3, 1), np.int64)), "orders from the supplier"),
    ],
    ids=["more than there is", "less than nothing", "above capacity", "no supplier"],
)
def test_a_policy_that_cheats_is_stopped(moves: Moves, said: str) -> None:
    story = scenario(np.zeros((2, 3, 1), np.int64), np.full((3, 1), 5))
    with pytest.raises(PlanningError, match=said):
        simulate(network(lane_capacity_units=np.full(4, 2.0)), story, lambda view: moves)


def test_a_scenario_that_does_not_fit_is_refused() -> None:
    story = scenario(np.zeros((2, 3, 1), np.int64), np.full((3, 1), 5))
    for changes, said in (
        ({"on_hand": np.zeros((2, 1), np.int64)}, "on_hand has shape"),
        ({"lane_days": np.zeros((2, 4), np.int64)}, "lane_days has values below 1"),
        ({"demand": story.demand - 1}, "demand has values below 0"),
    ):
        with pytest.raises(PlanningError, match=said):
            simulate(network(), replace(story, **changes), do_nothing)


def test_a_parent_that_is_short_gives_each_child_the_same_share() -> None:
    view = View(0, np.array([[0], [0], [9]]), np.zeros((3, 1), np.int64), np.zeros((3, 1), np.int64), network())
    assert from_parents(view, np.array([[12], [6], [0]])).ravel().tolist() == [6, 3, 0, 0]


def test_lanes_and_nodes_above_capacity_are_scaled_in_whole_cases() -> None:
    net = network(2, lane_capacity_units=np.array([10.0, np.inf, np.inf, np.inf]), case_pack_units=np.array([1, 4]))
    cut = within_capacity(net, np.array([[12, 8], [3, 0], [0, 0], [0, 0]]))
    assert cut.tolist() == [[6, 4], [3, 0], [0, 0], [0, 0]]


def test_equal_days_of_cover_levels_what_is_there() -> None:
    know, net = _knowledge(1)
    view = View(0, np.array([[30], [0], [0]]), np.zeros((3, 1), np.int64), np.zeros((3, 1), np.int64), net)
    units = equal_days_of_cover(know, net)(view).lane_units
    assert units[2, 0] == 15  # a and b sell the same


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_base_stock_attains_the_probability_that_demand_of_an_interval_stays_below_it(level: float) -> None:
    """Periodic review, back orders: P(no unit short in a cycle) = P(D over lead time and review <= S)."""
    skus, days, review = 400, 28 * 7, 7
    net = network(skus, is_carried=np.repeat([[False], [False], [True]], skus, axis=1))
    units = int(poisson.ppf(level, 2.0 * (3 + review)))
    rng = np.random.default_rng(3)
    demand = np.zeros((days, 3, skus), np.int64)
    demand[:, 2] = rng.poisson(2.0, (days, skus))
    story = Scenario(
        demand, np.zeros_like(demand), np.zeros_like(demand), np.full((3, skus), units), np.ones((days, 4), np.int64), np.full(demand.shape, 1 + 3), True
    )  # fmt: skip
    top = np.full((3, skus), units)
    lived = simulate(net, story, order_up_to(top - 1, top, is_due=lambda day: np.array(day % review == 0), from_supplier=True))
    # ordered in the evening of day 0, 7, 14 …; a cycle is the seven days from one arrival to the morning of the next
    attained = lived.cycle_service(cycle_days=review, first_day=4 + review)[2].mean()
    assert attained == pytest.approx(poisson.cdf(units, 20.0), abs=0.01)


def _knowledge(n_skus: int, mean: float = 2.0) -> tuple[Knowledge, TwinNetwork]:
    rows = [(f"s{i}", node) for i in range(n_skus) for node in ("a", "b", "hub")]
    from tests.planning.test_transfers import lanes, positions

    table = positions(
        [0] * len(rows), sku_id=[r[0] for r in rows], node_id=[r[1] for r in rows], holding_cost_rate_per_year=0.25,
        replenished_from_node_id=["hub", "hub", None] * n_skus, review_period_days=3, lead_time_days=[1.0, 1.0, 7.0] * n_skus,
    )  # fmt: skip
    series = np.arange(2 * n_skus)
    flows = DemandFlows(
        np.full((2 * n_skus, 28), mean), np.full(2 * n_skus, 0.4), series, np.arange(len(rows)).reshape(-1, 3)[:, :2].ravel(),
        np.ones(2 * n_skus), np.arange(n_skus + 1) * 2, np.arange(n_skus + 1) * 3, np.tile([2, 2, -3], n_skus) + np.where(np.tile([0, 0, 1], n_skus), 2, 0) + np.repeat(np.arange(n_skus) * 3, 3) * np.tile([1, 1, 0], n_skus),
    )  # fmt: skip
    leads = lead_times(mean_days=np.array([1.0, 7.0]), std_days=np.zeros(2), observed={}, kind=np.tile([0, 0, 1], n_skus))
    lane = lanes([("hub", "a"), ("hub", "b"), ("a", "b"), ("b", "a")], [0.5, 0.5, 1.0, 1.0], lead_time_days=1.0)
    return Knowledge(table, lane, flows, leads, 0.1, 0.0, pd.Timestamp("2026-01-31")), network(n_skus)


def _rules(paths: int) -> MorningRules:
    from tests.planning.test_transfers import rules

    return MorningRules(paths, fixed_cost_per_order=0.0, longest_lot_days=28.0, liquidation_share=0.3, transfers=rules())


def _worlds(n_skus: int, days: int, seed: int) -> Scenario:
    rng = np.random.default_rng(seed)
    demand = np.zeros((days, 3, n_skus), np.int64)
    demand[:, :2] = rng.poisson(rng.gamma(2.5, 0.8, (days, 2, n_skus)))
    supply = np.zeros_like(demand)
    supply[::7, 2] = rng.poisson(26, (len(supply[::7]), n_skus))
    on_hand = np.stack([rng.poisson(18, n_skus), rng.poisson(4, n_skus), rng.poisson(10, n_skus)])
    return Scenario(demand, np.zeros_like(supply), supply, on_hand, np.full((days, 4), 2))


def test_nobody_beats_the_clairvoyant_and_nodewise_beats_every_rule_it_ships_with() -> None:
    know, net = _knowledge(40)
    makers = shipped_policies(_rules(128))
    cost = dict.fromkeys(makers, 0.0)
    bound = 0.0
    for seed in range(3):
        story = _worlds(40, 28, seed)
        bound += clairvoyant_bound(net, story).cost.sum()
        for name, maker in makers.items():
            cost[name] += simulate(net, story, maker(know, net)).total_cost
    assert all(bound <= c + 1e-6 for c in cost.values())
    assert cost["nodewise"] == min(cost.values())


@settings(max_examples=15, deadline=None)
@given(strategies.integers(0, 10_000))
def test_the_clairvoyant_on_a_tiny_world_costs_what_trying_everything_finds(seed: int) -> None:
    """Two days and three nodes: every whole number of units on every lane on the first evening."""
    rng = np.random.default_rng(seed)
    demand = rng.integers(0, 4, (3, 3, 1))
    story = scenario(demand, rng.integers(0, 4, (3, 1)), lane_days=np.full((3, 4), 1))
    net = network()
    best = np.inf
    counts = [range(int(story.on_hand[o, 0]) + 1) for o in net.lane_origin]
    grid = np.array(np.meshgrid(*counts)).reshape(4, -1).T
    for first in grid:

        def policy(view: View, units: np.ndarray = first) -> Moves:
            return Moves(units[:, None]) if view.day == 0 else Moves()

        try:
            best = min(best, simulate(net, story, policy).total_cost)
        except PlanningError:
            continue
    assert clairvoyant_bound(net, story).cost[0] <= best + 1e-9


def test_the_same_scenario_and_policy_live_the_same_days() -> None:
    know, net = _knowledge(10)
    maker = shipped_policies(_rules(64))["nodewise"]
    one, two = (simulate(net, _worlds(10, 14, 1), maker(know, net)) for _ in range(2))
    assert np.array_equal(one.filled_units, two.filled_units) and one.total_cost == two.total_cost


def test_guaranteed_service_ignores_that_one_stage_out_of_stock_delays_the_next() -> None:
    """Poisson 10 a day, 95 % at both stages: the customer stage fails more often than its own 5 %."""
    skus, days = 200, 400
    first, second = 30 - 3, 3  # hub covers 27 days of its 30, the shop the 3 that it is promised
    z = norm.ppf(0.95)
    base = [10 * first + z * np.sqrt(10 * first), 10 * (second + 1) + z * np.sqrt(10 * (second + 1))]
    rng = np.random.default_rng(4)
    demand = np.zeros((days, 3, skus), np.int64)
    demand[:, 0] = rng.poisson(10, (days, skus))
    net = network(skus)
    levels = np.repeat(np.ceil([[base[1]], [0.0], [base[0] + 10 * 3]]).astype(np.int64), skus, axis=1)
    story = Scenario(
        demand, np.zeros_like(demand), np.zeros_like(demand), levels, np.full((days, 4), second), np.full(demand.shape, 30), True
    )
    lived = simulate(net, story, order_up_to(levels - 1, levels, from_supplier=True))
    alone = simulate(
        net, replace(story, on_hand=levels + np.array([[0], [0], [10_000]])), order_up_to(levels - 1, levels, from_supplier=True)
    )
    failed = [(run.filled_units[100:, 0] < run.demand_units[100:, 0]).mean() for run in (lived, alone)]
    assert failed[0] > failed[1]
