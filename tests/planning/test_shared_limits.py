"""SKUs that share departures and nodes: against brute force, and what the certificate says of larger days."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning.flow_arrays import Arcs, Rows, give_cost, receive_value
from planning.lead_time_demand import LeadTimeDemand
from planning.marginal_value import MarginalValues, marginal_values, path_units
from planning.shared_limits import Effort, coordinate
from planning.transfer_problem import Flows, TransferProblem, worth
from tests.planning.test_transfers import no_parent

EXACT = Effort(price_rounds=40, lane_trials=100, exact_moves=5_000, exact_nodes=20_000)
PRICES = replace(EXACT, exact_moves=-1)


def values(samples: np.ndarray, before: np.ndarray, on_hand: np.ndarray) -> MarginalValues:
    """``before`` of shape (n_rows, n_classes, n_paths): demand until a unit of the class arrives; nothing later can be sent."""
    n = len(on_hand)
    samples = samples.astype(np.int32)
    drawn = LeadTimeDemand(
        samples, before, np.broadcast_to(samples[:, None], before.shape).copy(), samples, *no_parent(samples), np.full(n, 7.0)
    )
    return marginal_values(
        units=path_units(demand=drawn, position_units=on_hand), unit_price=np.full(n, 11.0), unit_cost=np.ones(n), penalty_cost_per_unit=np.zeros(n),
        holding_cost_rate_per_year=np.full(n, 0.3 * 365 / 7), holding_days=np.full(n, 7.0), ageing_cost_per_unit=np.zeros(n), later_cost_per_unit=np.full(n, np.inf),
        rescue_cost_per_unit=np.full(before.shape[:2], np.inf),
    )  # fmt: skip


def problem(
    on_hand: np.ndarray, samples: np.ndarray, lanes: list[tuple[int, int, int, float]], classes: int = 1, pack: int = 1, **limits: object
) -> TransferProblem:
    """SKUs at every node: ``on_hand`` of shape (n_skus, n_nodes), ``samples`` (n_skus, n_nodes, n_paths), lanes of (from, to, class, cost)."""
    n_skus, n = on_hand.shape
    lanes = sorted(lanes)
    origin, destination, arrival = (np.array([lane[i] for lane in lanes], dtype=np.int64) for i in range(3))
    zero = np.zeros(len(lanes))
    flat = samples.reshape(n_skus * n, -1)
    before = np.stack([np.minimum(flat, c * (flat // classes)) for c in range(classes)], axis=1).astype(np.int32)
    arcs = Arcs(np.searchsorted(origin, np.arange(n + 1)), origin, destination, arrival, np.array([lane[3] for lane in lanes]), zero, zero)
    rows = Rows(
        np.arange(n_skus + 1) * n, np.tile(np.arange(n), n_skus), on_hand.ravel() // pack, np.full(on_hand.size, pack),
        np.zeros(on_hand.size), np.zeros(on_hand.size), np.ones(on_hand.size, bool),
    )  # fmt: skip
    open_ = {
        "capacity_units": np.full(len(lanes), np.inf), "fixed_cost": zero, "min_units": zero, "out_units": np.full(n, np.inf),
        "into_units": np.full(n, np.inf),
    }  # fmt: skip
    return TransferProblem(rows, values(flat, before, on_hand.ravel()).curves, arcs, **(open_ | limits))


def plans_of_sku(p: TransferProblem, k: int) -> list[tuple[float, np.ndarray]]:
    """Every way to move one SKU, with its worth before departures and its load on the arcs."""
    a, b, arcs, curves = int(p.rows.start[k]), int(p.rows.start[k + 1]), p.arcs, p.curves
    pack, out = int(p.rows.pack[a]), []
    ranges = [range(int(p.rows.available_cases[a + o]) + 1) for o in arcs.origin]
    for cases in itertools.product(*ranges):
        load = np.array(cases) * pack
        given = np.bincount(arcs.origin, weights=load, minlength=b - a).astype(int)
        received = np.bincount(arcs.destination, weights=load, minlength=b - a).astype(int)
        days = [set(arcs.arrival_class[(arcs.destination == j) & (load > 0)]) for j in range(b - a)]
        if np.any(given > p.rows.available_cases[a:b] * pack) or any(len(one) > 1 for one in days):
            continue
        total = -float(arcs.cost_per_unit @ load)
        for n in range(b - a):
            r = a + n
            total -= give_cost(curves.surplus[r], 0, int(given[n]), curves.shortage[r], curves.holding[r])
            if received[n]:
                c = days[n].pop()
                total += receive_value(
                    curves.sellable[r, c],
                    curves.urgent[r, c],
                    0,
                    int(received[n]),
                    curves.urgent_value[r, c],
                    curves.later[r],
                    curves.holding[r],
                )
        out.append((total, load))
    return out


def best_of_all(p: TransferProblem) -> float:
    best = 0.0
    for chosen in itertools.product(*(plans_of_sku(p, k) for k in range(p.n_skus))):
        load = sum((one[1] for one in chosen), np.zeros(len(p.arcs.origin)))
        if allowed(p, load):
            best = max(best, sum(one[0] for one in chosen) - float(p.fixed_cost[load > 0].sum()))
    return best


def allowed(p: TransferProblem, load: np.ndarray) -> bool:
    n = len(p.out_units)
    sent = np.bincount(p.arcs.origin, weights=load, minlength=n)
    taken = np.bincount(p.arcs.destination, weights=load, minlength=n)
    return bool(
        np.all(load <= p.capacity_units) and np.all((load == 0) | (load >= p.min_units)) and np.all(sent <= p.out_units)
        and np.all(taken <= p.into_units)
    )  # fmt: skip


def load_of(p: TransferProblem, flows: Flows) -> np.ndarray:
    given = np.bincount(flows.row, weights=flows.units, minlength=len(p.rows.node))
    assert np.all(given <= p.rows.available_cases * p.rows.pack)
    assert np.all(flows.units % p.rows.pack[flows.row] == 0)
    return flows.load(len(p.arcs.origin))


@st.composite
def shared_days(draw: st.DrawFn) -> TransferProblem:
    n_skus, pack = draw(st.sampled_from([(1, 1), (2, 1), (2, 2)]))
    classes = draw(st.sampled_from([1, 2]))
    stock = np.array(draw(st.lists(st.lists(st.integers(0, 3 * pack), min_size=3, max_size=3), min_size=n_skus, max_size=n_skus)))
    stock[:, 2] = 0  # node 2 only receives, so that every plan can be tried
    samples = np.array(draw(st.lists(st.integers(0, 6), min_size=n_skus * 12, max_size=n_skus * 12))).reshape(n_skus, 3, 4)
    pairs = [(0, 1), (0, 2), (1, 2)]
    lanes = [(o, d, draw(st.integers(0, classes - 1)), draw(st.sampled_from([0.2, 1.0, 3.0]))) for o, d in pairs]
    few = st.sampled_from([1.0, 2.0, 3.0, np.inf])
    return problem(
        stock, samples, lanes, classes, pack,
        capacity_units=np.array(draw(st.lists(few, min_size=3, max_size=3))),
        fixed_cost=np.array(draw(st.lists(st.sampled_from([0.0, 2.0, 9.0]), min_size=3, max_size=3))),
        min_units=np.array(draw(st.lists(st.sampled_from([0.0, 0.0, 2.0]), min_size=3, max_size=3))),
        out_units=np.array(draw(st.lists(few, min_size=3, max_size=3))),
        into_units=np.array(draw(st.lists(few, min_size=3, max_size=3))),
    )  # fmt: skip


@given(shared_days())
@settings(max_examples=120, deadline=None)
def test_a_small_day_is_the_best_of_all_plans(p: TransferProblem) -> None:
    flows, certificate = coordinate(p, EXACT)
    best = best_of_all(p)
    assert allowed(p, load_of(p, flows))
    assert worth(p, flows).total == pytest.approx(best, abs=1e-6)
    assert certificate.bound(p) == pytest.approx(best, rel=1e-6, abs=1e-6)


@given(shared_days())
@settings(max_examples=120, deadline=None)
def test_prices_give_a_plan_within_every_limit_and_a_bound_that_no_plan_passes(p: TransferProblem) -> None:
    flows, certificate = coordinate(p, PRICES)
    best = best_of_all(p)
    assert allowed(p, load_of(p, flows))
    assert 0 <= worth(p, flows).total <= best + 1e-6
    assert certificate.bound(p) >= best - 1e-6


def _large(seed: int, n_skus: int, nodes: int, **limits: object) -> TransferProblem:
    rng = np.random.default_rng(seed)
    samples = rng.poisson(rng.gamma(1.5, 2.0, (n_skus, nodes, 1)), (n_skus, nodes, 32))
    stock = rng.poisson(rng.gamma(1.2, 3.0, (n_skus, nodes)))
    lanes = [(o, d, 0, float(rng.uniform(0.4, 3.0))) for o in range(nodes) for d in range(nodes) if o != d]
    return problem(stock, samples, lanes, **limits)


def test_on_a_day_of_many_skus_prices_prove_a_plan_to_a_thousandth() -> None:
    nodes, lanes = 6, 30
    rng = np.random.default_rng(5)
    p = _large(4, 2500, nodes, capacity_units=rng.uniform(400, 1500, lanes).round(), out_units=np.full(nodes, 2500.0), into_units=np.full(nodes, 3000.0))  # fmt: skip
    flows, certificate = coordinate(p, PRICES)
    assert certificate.method == "prices"
    assert allowed(p, load_of(p, flows))
    assert worth(p, flows).total >= (1 - 1e-3) * certificate.bound(p)


def test_prices_of_departures_that_cost_find_what_the_whole_programme_finds() -> None:
    p = _large(9, 12, 4, fixed_cost=np.full(12, 15.0))
    exact, _ = coordinate(p, EXACT)
    found, certificate = coordinate(p, PRICES)
    assert worth(p, found).total >= 0.99 * worth(p, exact).total
    assert certificate.bound(p) >= worth(p, exact).total - 1e-6


def test_a_plan_is_the_same_every_time() -> None:
    p = _large(2, 300, 5, capacity_units=np.full(20, 40.0), fixed_cost=np.full(20, 30.0))
    one, other = (coordinate(p, PRICES)[0] for _ in range(2))
    assert np.array_equal(one.units, other.units)
    assert np.array_equal(one.arc, other.arc)


def test_a_day_without_demand_or_without_lanes_moves_nothing() -> None:
    idle = problem(np.array([[5, 0]]), np.zeros((1, 2, 4), int), [(0, 1, 0, 1.0)], fixed_cost=np.array([1.0]))
    assert len(coordinate(idle, EXACT)[0]) == 0
    alone = problem(np.array([[5, 0]]), np.full((1, 2, 4), 3), [])
    assert len(coordinate(alone, EXACT)[0]) == 0
