import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from planning.flow_arrays import Arcs, Rows, give_cost, receive_value
from planning.frames import OPEN_TRANSFERS
from planning.lead_time_demand import LeadTimeDemand
from planning.marginal_value import MarginalValues, marginal_values, path_units
from planning.min_cost_flow import FAR
from planning.plan_checks import infeasibilities
from planning.shared_limits import Effort, coordinate
from planning.transfer_problem import TransferProblem
from planning.transfers import TransferPlan, TransferRules, plan_transfers

DAY = pd.Timestamp("2026-01-31")


def positions(on_hand: list[int], **columns: object) -> pd.DataFrame:
    n = len(on_hand)
    base = {
        "sku_id": "s", "node_id": [f"n{i}" for i in range(n)], "on_hand_units": on_hand, "reserved_units": 0, "inbound_units": 0, "unit_cost": 1.0,
        "unit_price": 11.0, "weight_kg": 0.0, "case_pack_units": 1, "holding_cost_rate_per_year": 0.0, "handling_cost_per_unit": 0.0,
        "presentation_units": 0, "penalty_cost_per_unit": 0.0, "cycle_service_level": 0.95, "review_period_days": 7, "lead_time_days": 0.0,
        "lead_time_std_days": 0.0, "is_bulky": False, "replenished_from_node_id": None, "abc_class": "A", "min_units": None, "max_units": None,
        "min_days": None, "max_days": None, "target_method": "cycle service level", "fill_rate_target": None, "reason": None, "volume_m3": None,
        "capacity_m3": None, "node_type": None, "is_pilot": None, "most_service_days": None, "inbound_units_per_day": None,
        "outbound_units_per_day": None, "transferred_in_days": None, "transferred_out_days": None, "remaining_season_days": None,
    }  # fmt: skip
    return pd.DataFrame(base | columns)


def lanes(pairs: list[tuple[str, str]], cost: float | list[float] = 2.0, **columns: object) -> pd.DataFrame:
    base = {
        "origin_node_id": [a for a, _ in pairs], "destination_node_id": [b for _, b in pairs], "mode": "van", "lead_time_days": 0.0,
        "cost_per_unit": cost, "cost_per_kg": 0.0, "fixed_cost_per_shipment": 0.0, "min_units": 0, "ship_date": DAY + pd.Timedelta(days=1),
        "capacity_units_per_day": None, "next_ship_date": None,
    }  # fmt: skip
    return pd.DataFrame(base | columns)


def no_parent(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nothing is asked for after the horizon, and nobody replenishes."""
    return np.zeros(samples.shape, np.int32), np.full(len(samples), -1)


def demand(samples: np.ndarray) -> LeadTimeDemand:
    samples = np.asarray(samples, dtype=np.int32)
    return LeadTimeDemand(
        samples, np.zeros_like(samples)[:, None], samples[:, None], samples, *no_parent(samples), np.full(len(samples), 7.0)
    )


def values(sampled: LeadTimeDemand, on_hand: list[int], margin: float = 10.0, holding: float = 0.0, later: float = np.inf) -> MarginalValues:  # fmt: skip
    n = len(on_hand)
    return marginal_values(
        units=path_units(demand=sampled, position_units=np.array(on_hand)),
        unit_price=np.full(n, margin + 1.0),
        unit_cost=np.ones(n),
        penalty_cost_per_unit=np.zeros(n),
        holding_cost_rate_per_year=np.full(n, holding * 365 / 7),
        holding_days=np.full(n, 7.0),
        ageing_cost_per_unit=np.zeros(n),
        later_cost_per_unit=np.full(n, later),
        rescue_cost_per_unit=np.full((n, sampled.before_arrival_units.shape[1]), np.inf),
    )


EFFORT = Effort(price_rounds=40, lane_trials=100, exact_moves=5_000, exact_nodes=2_000)
NO_OPEN, NO_BLOCKED = (
    pd.DataFrame(columns=list(OPEN_TRANSFERS.fields)),
    pd.DataFrame(columns=["sku_id", "origin_node_id", "destination_node_id"]),
)


def rules(
    least: float = 0.0, shipment: float = 0.0, cool_down: int = 0, pilot_only: bool = False, effort: Effort = EFFORT
) -> TransferRules:
    return TransferRules(least, shipment, cool_down, pilot_only, effort)


def plan(
    on_hand: list[int],
    samples: np.ndarray,
    lane: pd.DataFrame,
    holding: float = 0.0,
    chosen: TransferRules | None = None,
    open_transfers: pd.DataFrame = NO_OPEN,
    blocked_lines: pd.DataFrame = NO_BLOCKED,
    **columns: object,
) -> TransferPlan:
    sampled = demand(samples)
    return plan_transfers(
        positions=positions(on_hand, **columns),
        demand=sampled,
        values=values(sampled, on_hand, holding=holding),
        units_per_day=sampled.horizon_units.mean(axis=1) / 7,
        lanes=lane,
        open_transfers=open_transfers,
        blocked_lines=blocked_lines,
        as_of_date=DAY,
        rules=chosen or rules(),
    )


def _normal(seed: int, n: int, mean: float = 50.0, sd: float = 10.0, paths: int = 20_001) -> np.ndarray:
    return np.maximum(np.random.default_rng(seed).normal(mean, sd, (n, paths)), 0).round()


BOTH_WAYS = [("n0", "n1"), ("n1", "n0")]


def test_two_normal_nodes_move_22_units_and_cost_falls_from_231_to_101() -> None:
    samples = _normal(1, 2)
    found = plan([80, 30], samples, lanes(BOTH_WAYS), holding=1.0)
    line = found.lines.iloc[0]
    assert (line["origin_node_id"], line["destination_node_id"], line["transfer_units"]) == ("n0", "n1", 22)
    assert line["net_gain"] == pytest.approx(230.976 - 100.922, rel=0.01)
    assert line["reason_code"] == "prevent_stockout"


def test_equal_nodes_do_not_trade() -> None:
    assert plan([50, 50], np.repeat(_normal(2, 1), 2, axis=0), lanes(BOTH_WAYS)).lines.empty


def test_doubling_the_lane_cost_never_moves_more() -> None:
    samples = _normal(3, 2)
    moved = [plan([90, 20], samples, lanes(BOTH_WAYS, cost)).lines["transfer_units"].sum() for cost in (1.0, 2.0, 4.0, 8.0, 16.0)]
    assert moved == sorted(moved, reverse=True)
    assert moved[0] > moved[-1] == 0


def test_cases_stay_whole_and_presentation_stock_stays() -> None:
    found = plan([80, 30], _normal(1, 2), lanes(BOTH_WAYS), case_pack_units=12, presentation_units=[62, 0])
    assert found.lines["transfer_units"].tolist() == [12]


def test_a_departure_that_its_lines_do_not_pay_is_closed() -> None:
    found = plan([80, 30], _normal(1, 2), lanes(BOTH_WAYS, fixed_cost_per_shipment=500.0))
    assert found.lines.empty
    assert found.unused_lanes == [("n0", "n1")]


def test_a_departure_that_pays_is_shared_by_its_lines() -> None:
    found = plan([80, 30], _normal(1, 2), lanes(BOTH_WAYS, fixed_cost_per_shipment=50.0))
    assert found.lines["transfer_cost"].sum() == pytest.approx(44 + 50, rel=0.05)
    assert (found.lines["net_gain"] > 0).all()


def test_a_full_lane_keeps_whole_cases_and_says_what_it_trimmed() -> None:
    found = plan([80, 30], _normal(1, 2), lanes(BOTH_WAYS, capacity_units_per_day=10), case_pack_units=4)
    assert found.lines["transfer_units"].sum() == 8
    assert found.limits.set_index("origin_node_id").loc["n0", "limit_units"] == 10


def test_with_the_pilot_switch_lines_that_leave_the_cluster_are_shadows() -> None:
    cluster = plan([80, 30], _normal(1, 2), lanes(BOTH_WAYS), chosen=rules(pilot_only=True), is_pilot=[True, True]).lines
    outside = plan([80, 30], _normal(1, 2), lanes(BOTH_WAYS), chosen=rules(pilot_only=True), is_pilot=[True, False]).lines
    assert (cluster["status"].tolist(), outside["status"].tolist()) == (["proposed"], ["shadow"])
    assert cluster["transfer_units"].tolist() == outside["transfer_units"].tolist()


def test_the_runner_up_is_the_next_best_origin() -> None:
    pairs = [("n0", "n2"), ("n1", "n2")]
    found = plan([80, 80, 10], _normal(4, 3, mean=20, sd=4), lanes(pairs, [1.0, 1.5]))
    best = found.lines.iloc[0]
    assert best["origin_node_id"] == "n0"
    assert best["runner_up_origin_node_id"] == "n1"


def test_stock_does_not_climb_to_the_node_it_came_from() -> None:
    samples = np.stack([np.full(64, 5), np.full(64, 50)])
    found = plan([80, 0], samples, lanes([("n0", "n1")]), replenished_from_node_id=["n1", None])
    assert found.lines.empty


def test_a_unit_that_arrives_after_the_demand_is_worth_nothing() -> None:
    samples = np.full((2, 64), 30, dtype=np.int32)
    before = np.array([[0], [30]], dtype=np.int32) * np.ones((2, 64), np.int32)
    late = LeadTimeDemand(samples, before[:, None], samples[:, None], samples, *no_parent(samples), np.full(2, 7.0))
    assert values(late, [60, 0]).sellable_units[1].max() == 0


small = st.integers(0, 8)


@st.composite
def instances(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    n = draw(st.integers(2, 4))
    on_hand = np.array(draw(st.lists(small, min_size=n, max_size=n)))
    samples = np.array(draw(st.lists(st.lists(small, min_size=5, max_size=5), min_size=n, max_size=n)))
    cost = np.array(draw(st.lists(st.lists(st.sampled_from([0.3, 0.9, 2.1, 6.0, FAR]), min_size=n, max_size=n), min_size=n, max_size=n)))
    return on_hand, samples, cost, draw(st.sampled_from([1, 2]))


def _problem(on_hand: np.ndarray, table: MarginalValues, cost: np.ndarray, pack: int) -> TransferProblem:
    n = len(on_hand)
    origin, destination = np.nonzero((cost < FAR) & ~np.eye(n, dtype=bool))
    zero = np.zeros(len(origin))
    arcs = Arcs(
        np.searchsorted(origin, np.arange(n + 1)), origin, destination, zero.astype(np.int64), cost[origin, destination], zero, zero
    )
    rows = Rows(np.array([0, n]), np.arange(n), on_hand // pack, np.full(n, pack), np.zeros(n), np.zeros(n), np.ones(n, bool))
    free = np.full(len(origin), np.inf), zero, zero, np.full(n, np.inf), np.full(n, np.inf)
    return TransferProblem(rows, table.curves, arcs, *free)


def _solve(on_hand: np.ndarray, samples: np.ndarray, cost: np.ndarray, pack: int) -> tuple[np.ndarray, MarginalValues]:
    n = len(on_hand)
    samples = samples.astype(np.int32)
    soon = LeadTimeDemand(samples, np.zeros_like(samples)[:, None], (samples // 2)[:, None], samples, *no_parent(samples), np.full(n, 7.0))
    table = values(soon, on_hand.tolist(), holding=0.4, later=1.5)
    flows, _ = coordinate(_problem(on_hand, table, cost, pack), EFFORT)
    flow = np.zeros((n, n), np.int64)
    flow[flows.row, flows.destination] = flows.units // pack
    return flow, table


def _received(table: MarginalValues, row: int, k: int, units: int) -> float:
    return receive_value(
        table.sellable_units[row, 0], table.urgent_units[row, 0], k, units, table.urgent_value_per_unit[row, 0],
        table.later_value_per_unit[row], table.holding_cost_per_unit[row],
    )  # fmt: skip


def _objective(flow: np.ndarray, table: MarginalValues, cost: np.ndarray, pack: int) -> float:
    given, received = flow.sum(axis=1) * pack, flow.sum(axis=0) * pack
    worth = -float(np.sum(np.where(flow > 0, flow * pack * np.where(cost >= FAR, 0, cost), 0)))
    for i in range(len(given)):
        m, h = table.shortage_cost_per_unit[i], table.holding_cost_per_unit[i]
        worth -= give_cost(table.surplus_units[i], 0, int(given[i]), m, h) if given[i] else 0.0
        worth += _received(table, i, 0, int(received[i])) if received[i] else 0.0
    return worth


@given(instances())
@settings(max_examples=150, deadline=None)
def test_the_plan_is_the_linear_programmes_optimum(instance: tuple) -> None:
    on_hand, samples, cost, pack = instance
    flow, table = _solve(on_hand, samples, cost, pack)
    n, most = len(on_hand), 10
    arcs = [(i, j) for i, j in itertools.permutations(range(n), 2) if cost[i, j] < FAR]
    give = [
        [
            give_cost(table.surplus_units[i], k * pack, pack, table.shortage_cost_per_unit[i], table.holding_cost_per_unit[i])
            for k in range(on_hand[i] // pack)
        ]
        for i in range(n)
    ]
    gain = [[_received(table, j, k * pack, pack) for k in range(most)] for j in range(n)]
    c = [cost[a] * pack for a in arcs] + [v for row in give for v in row] + [-v for row in gain for v in row]
    bounds = [(0, None)] * len(arcs) + [(0, 1)] * (len(c) - len(arcs))
    balance = np.zeros((2 * n, len(c)))
    for at, (i, j) in enumerate(arcs):
        balance[i, at], balance[n + j, at] = 1, 1
    at = len(arcs)
    for i, row in enumerate(give):
        balance[i, at : at + len(row)] = -1
        at += len(row)
    for j, row in enumerate(gain):
        balance[n + j, at : at + len(row)] = -1
        at += len(row)
    best = -linprog(c, A_eq=balance, b_eq=np.zeros(2 * n), bounds=bounds, method="highs").fun if c else 0.0
    assert _objective(flow, table, cost, pack) == pytest.approx(best, abs=1e-6)
    assert np.all(flow.sum(axis=1) * pack <= on_hand)


def test_the_solver_matches_brute_force_on_two_nodes() -> None:
    rng = np.random.default_rng(8)
    for _ in range(40):
        on_hand, samples = rng.integers(0, 9, 2), rng.integers(0, 9, (2, 7))
        cost = np.array([[FAR, 0.8], [1.1, FAR]])
        flow, table = _solve(on_hand, samples, cost, 1)
        tries = [np.array([[0, a], [b, 0]]) for a in range(on_hand[0] + 1) for b in range(on_hand[1] + 1)]
        assert _objective(flow, table, cost, 1) == pytest.approx(max(_objective(t, table, cost, 1) for t in tries))


@pytest.fixture
def good() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    lane = lanes(BOTH_WAYS, capacity_units_per_day=40)
    return plan([80, 30], _normal(1, 2), lane, case_pack_units=2).lines, positions([80, 30], case_pack_units=2), lane


def _check(good: tuple, **changes: object) -> str:
    return "; ".join(infeasibilities(transfers=good[0].assign(**changes), positions=good[1], lanes=good[2]))


def test_the_post_check_passes_a_good_plan(good: tuple) -> None:
    assert _check(good) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"transfer_units": 82}, "ship more than is available"),
        ({"transfer_units": 42}, "overload a lane"),
        ({"transfer_units": 21}, "are not whole cases"),
        ({"transfer_units": 0}, "are not a positive whole number"),
        ({"transfer_units": 2.5}, "are not a positive whole number"),
        ({"origin_node_id": "n9"}, "leave a node that does not carry the SKU"),
        ({"destination_node_id": "n0"}, "go nowhere"),
        ({"mode": "ship"}, "use a lane that is not open"),
        ({"ship_date": DAY + pd.Timedelta(days=3)}, "leave on a day without a departure"),
        ({"arrival_date": DAY - pd.Timedelta(days=3)}, "arrive before they leave"),
    ],
)
def test_the_post_check_catches_a_mutated_plan(good: tuple, changes: dict, said: str) -> None:
    assert said in _check(good, **changes)


def test_the_post_check_catches_two_way_flow_and_a_line_that_stands_twice(good: tuple) -> None:
    back = good[0].assign(origin_node_id="n1", destination_node_id="n0", transfer_units=2)
    both = pd.concat([good[0], back], ignore_index=True)
    assert any("the other way" in said for said in infeasibilities(transfers=both, positions=good[1], lanes=good[2]))
    twice = pd.concat([good[0].assign(transfer_units=2)] * 2, ignore_index=True)
    assert any("stand twice" in said for said in infeasibilities(transfers=twice, positions=good[1], lanes=good[2]))


def test_powerco_ships_a_million_kwh_for_1020() -> None:
    """Winston, *Operations Research*, example 7.1: three plants, four cities."""
    cost = np.array([[8.0, 6, 10, 9], [9, 12, 13, 7], [14, 9, 16, 5]])
    plants, cities = [35, 50, 40], [45, 20, 30, 30]
    pairs = [(f"n{i}", f"n{3 + j}") for i in range(3) for j in range(4)]
    asked = np.repeat(np.array([0, 0, 0, *cities])[:, None], 8, axis=1)
    sampled = demand(asked)
    found = plan_transfers(
        positions=positions([*plants, 0, 0, 0, 0]), demand=sampled, values=values(sampled, [*plants, 0, 0, 0, 0], margin=100.0),
        units_per_day=np.ones(7), lanes=lanes(pairs, list(cost.ravel())), open_transfers=NO_OPEN, blocked_lines=NO_BLOCKED, as_of_date=DAY, rules=rules(),
    )  # fmt: skip
    assert found.lines["transfer_cost"].sum() == pytest.approx(1020)
    assert found.lines.groupby("destination_node_id")["transfer_units"].sum().tolist() == cities


@given(instances())
@settings(max_examples=100, deadline=None)
def test_the_exact_plan_is_no_worse_than_greedy_and_greedy_no_worse_than_none(instance: tuple) -> None:
    on_hand, samples, cost, pack = instance
    flow, table = _solve(on_hand, samples, cost, pack)
    n, greedy = len(on_hand), np.zeros((len(on_hand), len(on_hand)), np.int64)
    while True:
        now = _objective(greedy, table, cost, pack)
        tries = []
        for i, j in itertools.permutations(range(n), 2):
            if cost[i, j] < FAR and (greedy[i].sum() + 1) * pack <= on_hand[i]:
                more = greedy.copy()
                more[i, j] += 1
                tries.append((_objective(more, table, cost, pack), more))
        best = max(tries, key=lambda one: one[0], default=(now, greedy))
        if best[0] <= now + 1e-9:
            break
        greedy = best[1]
    assert _objective(flow, table, cost, pack) >= now - 1e-6
    assert now >= -1e-9
