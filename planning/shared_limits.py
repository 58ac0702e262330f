"""SKUs that meet on lanes and at nodes: prices for what they share, flows within it, and a proof of how good they are.

Belongs here: capacities of departures and nodes, what a departure costs and the least that it carries. Does not: a SKU alone
(`min_cost_flow.py`), small days (`small_transfers.py`).

Notes
-----
With a price p on a departure of capacity c and fixed cost F, and q on what a node sends or takes in, every SKU is solved alone; for any prices

    sum over SKUs of their optimum at the prices + sum over departures of max(0, p m - F) + sum over nodes of q * limit

is never less than what any plan is worth (Lagrangian relaxation; Fisher 1981, *Management Science* 27), m being the most the departure could ever
carry: its capacity, or all that pays for itself on it. It is convex in the prices, with load less limit as its slope, and with many SKUs nearly
smooth, so L-BFGS-B finds the least; below F / m a price only costs, so it starts there.

Flows within the limits come of a falling auction: SKUs are solved one after another within what the others left, first at prices well above, where
only who gains most takes part, then lower and lower until nothing is asked. Departures are chosen by charging F over what the departure carried in
the round before (Kim & Pardalos 1999, *Operations Research Letters* 24), closing those that do not pay, and trying each open one to be closed and
each closed one to be opened. Nothing depends on a clock, so a plan is the same everywhere.
"""

import logging
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from planning import min_cost_flow, paying_arcs
from planning.small_transfers import Exact, solve_exactly
from planning.transfer_problem import Flows, TransferProblem, gather, no_lines, solve_apart, worth

log = logging.getLogger(__name__)

_AUCTION = (2.0, 1.7, 1.5, 1.3, 1.2, 1.1, 1.05, 1.02, 1.01, 1.0, 0.99, 0.97, 0.9, 0.7, 0.4, 0.0)  # times the prices of the bound
_SLOPES = 8  # rounds of charging departures by what they carried
_NO_GAP = 1e-9
_FLAT = 1e-6  # relative fall of the bound below which prices are good enough


@dataclass(frozen=True)
class Effort:
    """How much work a plan is worth.

    Parameters
    ----------
    price_rounds : int
        Times that the bound is evaluated, at most.
    lane_trials : int
        Departures tried to be closed or opened, at most.
    exact_moves, exact_nodes : int
        Pairs of SKU and departure up to which the day is one programme for HiGHS, and the branches that it may look at.
    """

    price_rounds: int
    lane_trials: int
    exact_moves: int
    exact_nodes: int


@dataclass(frozen=True)
class Certificate:
    """Why nobody can find a much better plan.

    Parameters
    ----------
    method : str
        ``apart``: no limit is shared; ``exact``: one programme, solved by HiGHS; ``prices``: prices of what is shared.
    skus_value : float
        What SKUs alone are worth at the prices, or in ``exact`` the bound of the programme.
    most_units, price_per_unit : ndarray of shape (n_arcs,)
        Of departures: the most one could carry, and its price.
    out_price_per_unit, into_price_per_unit : ndarray of shape (n_nodes,)
    wanted_units : ndarray of shape (n_arcs,)
        What each departure would carry if nothing were shared and it cost nothing.
    rounds : int
        Times that every SKU was solved.
    """

    method: str
    skus_value: float
    most_units: NDArray[np.float64]
    price_per_unit: NDArray[np.float64]
    out_price_per_unit: NDArray[np.float64]
    into_price_per_unit: NDArray[np.float64]
    wanted_units: NDArray[np.float64]
    rounds: int

    def limits_value(self, problem: TransferProblem) -> float:
        """What limits are worth at their prices."""
        departures = np.maximum(_product(self.price_per_unit, self.most_units) - problem.fixed_cost, 0.0)
        nodes = _product(self.out_price_per_unit, problem.out_units) + _product(self.into_price_per_unit, problem.into_units)
        return float(departures.sum() + nodes.sum())

    def bound(self, problem: TransferProblem) -> float:
        """No plan is worth more."""
        return self.skus_value + self.limits_value(problem)


def _product(price: NDArray[np.float64], units: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(price > 0, price * np.where(price > 0, units, 0.0), 0.0)


@dataclass
class _Search:
    """The best plan so far."""

    problem: TransferProblem
    skus: NDArray[np.int64]
    effort: Effort
    flows: Flows
    value: float
    rounds: int = 0

    def offer(self, flows: Flows) -> None:
        value = worth(self.problem, flows).total
        if value > self.value:
            self.flows, self.value = flows, value


def coordinate(problem: TransferProblem, effort: Effort) -> tuple[Flows, Certificate]:
    """Flows that obey every limit, and their certificate."""
    n_arcs, n_nodes = len(problem.arcs.origin), len(problem.arcs.start) - 1
    free, bounds = solve_apart(problem, np.arange(problem.n_skus), np.zeros(n_arcs), problem.limits())
    nothing = Certificate(
        "apart", float(bounds.sum()), np.full(n_arcs, np.inf), np.zeros(n_arcs), np.zeros(n_nodes), np.zeros(n_nodes), free.load(n_arcs), 1
    )
    is_apart = _obeys(problem, free) and not (problem.fixed_cost[free.arc] > 0).any()
    if is_apart and nothing.skus_value - worth(problem, free).total <= _NO_GAP * max(1.0, nothing.skus_value):
        return free, nothing
    skus = np.unique(free.sku)  # prices only make moving dearer: who does not move for nothing does not move
    paying, potential = paying_arcs.paying_units(skus, problem.rows, problem.curves, problem.arcs, problem.limits())
    exact = _as_one_programme(problem, skus, paying, effort)
    if exact is not None and exact.is_proved:
        return exact.flows, replace(nothing, method="exact", skus_value=exact.bound)
    if is_apart:  # some SKU could arrive on several days, and takes the best of them
        return free, nothing
    start = exact.flows if exact is not None else free.of(np.zeros(len(free), bool))
    search = _Search(problem, skus, effort, start, worth(problem, start).total)
    certificate = _by_prices(search, paying, potential, nothing)
    if exact is not None and exact.bound < certificate.bound(problem):
        certificate = replace(nothing, method="exact", skus_value=exact.bound)
    log.info("transfers by %s: worth %.2f, bound %.2f", certificate.method, search.value, certificate.bound(problem))
    return search.flows, replace(certificate, rounds=search.rounds)


def _as_one_programme(problem: TransferProblem, skus: NDArray[np.int64], paying: NDArray[np.bool_], effort: Effort) -> Exact | None:
    """The day as an integer programme where it is small enough; to fill a departure up to its least load, what does not pay may travel too."""
    if (problem.min_units > 1).any():
        skus = np.arange(problem.n_skus)
        paying = paying_arcs.skus_on_arcs(skus, problem.rows, problem.arcs)
    return solve_exactly(problem, skus, paying, nodes=effort.exact_nodes) if paying.sum() <= effort.exact_moves else None


def _obeys(problem: TransferProblem, flows: Flows) -> bool:
    load = flows.load(len(problem.arcs.origin))
    return not ((load > 0) & (load < problem.min_units)).any() and not _overruns(problem, load)


def _overruns(problem: TransferProblem, load: NDArray[np.float64]) -> bool:
    sent, taken = problem.at_nodes(load)
    return bool((load > problem.capacity_units).any() or (sent > problem.out_units).any() or (taken > problem.into_units).any())


def _by_prices(search: _Search, paying: NDArray[np.bool_], potential: NDArray[np.float64], nothing: Certificate) -> Certificate:
    """Find prices of a low bound, and plans at them; the search has the best, the certificate is returned."""
    problem = search.problem
    has_fixed = problem.fixed_cost > 0
    most = np.where(has_fixed, np.minimum(problem.capacity_units, potential), problem.capacity_units)
    certificate = _low_bound(search, replace(nothing, method="prices", most_units=most))
    arc = certificate.price_per_unit
    shared = problem.arc_price(np.where(has_fixed, 0.0, arc), certificate.out_price_per_unit, certificate.into_price_per_unit)
    if has_fixed.any() or (problem.min_units > 1).any():
        _choose_departures(search, shared, np.where(has_fixed, arc, 0.0))
        _try_departures(search, potential, paying)
    else:
        search.offer(_within(search, shared, np.zeros(len(arc), bool)))
    return certificate


def _low_bound(search: _Search, start: Certificate) -> Certificate:
    """Certificate at the best prices found."""
    problem = search.problem
    n_arcs, n_nodes = len(problem.arcs.origin), len(problem.out_units)
    limit = np.concatenate([start.most_units, problem.out_units, problem.into_units])
    shared = np.isfinite(limit)
    least = np.concatenate(
        [np.where(start.most_units > 0, problem.fixed_cost / np.maximum(start.most_units, 1.0), 0.0), np.zeros(2 * n_nodes)]
    )
    found: list[Certificate] = []

    def bound(x: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        price = np.zeros(len(limit))
        price[shared] = x
        arc, out, into = np.split(price, [n_arcs, n_arcs + n_nodes])
        flows, values = solve_apart(problem, search.skus, problem.arc_price(arc, out, into), problem.limits())
        search.rounds += 1
        load = flows.load(n_arcs)
        one = replace(start, skus_value=float(values.sum()), price_per_unit=arc, out_price_per_unit=out, into_price_per_unit=into)
        found.append(one)
        return one.bound(problem), (limit - np.concatenate([load, *problem.at_nodes(load)]))[shared]

    low = least[shared]
    if len(low):
        minimize(
            bound, low, jac=True, method="L-BFGS-B", bounds=[(one, None) for one in low],
            options={"maxfun": search.effort.price_rounds, "maxiter": search.effort.price_rounds, "maxcor": 20, "ftol": _FLAT},
        )  # fmt: skip
    else:
        bound(low)
    return min(found, key=lambda one: one.bound(problem))


def _within(search: _Search, price: NDArray[np.float64], closed: NDArray[np.bool_]) -> Flows:
    """Flows within every limit on the departures that are not closed, by a falling auction where limits bind."""
    problem, zero = search.problem, np.zeros(len(price))
    apart, _ = solve_apart(problem, search.skus, zero, problem.limits(closed))
    search.rounds += 1
    if not _overruns(problem, apart.load(len(price))):
        return apart
    left = problem.limits(closed)
    lines, places = no_lines(problem)
    for factor in _AUCTION:
        min_cost_flow.solve_in_turn(search.skus, problem.rows, problem.curves, problem.arcs, price * factor, left, places, lines)
        search.rounds += 1
    return gather(problem, lines, search.skus, search.skus, places)


def _choose_departures(search: _Search, shared: NDArray[np.float64], slope: NDArray[np.float64]) -> None:
    """Charge departures by what they carried, and offer what pays of those used."""
    problem, seen = search.problem, set()
    for _ in range(_SLOPES):
        flows, _ = solve_apart(problem, search.skus, shared + slope, problem.limits())
        search.rounds += 1
        load = flows.load(len(slope))
        closed = load <= 0
        if closed.tobytes() in seen:
            return
        seen.add(closed.tobytes())
        _close_unpaid(search, shared, closed)
        slope = np.where(load > 0, problem.fixed_cost / np.maximum(load, 1.0), slope)


def _close_unpaid(search: _Search, shared: NDArray[np.float64], closed: NDArray[np.bool_]) -> None:
    """Solve on what is open, close the worst third of what does not pay or carries too little, until all pays; offer the last."""
    problem = search.problem
    closed = closed.copy()
    while True:
        flows = _within(search, shared, closed)
        net, load = departures_net(problem, flows)
        unpaid = (load > 0) & ((net <= 0) & (problem.fixed_cost > 0) | (load < problem.min_units))
        if not unpaid.any():
            break
        worst = np.flatnonzero(unpaid)[np.argsort(net[unpaid], kind="stable")]
        closed[worst[: max(1, len(worst) // 3)]] = True
    search.offer(flows)


def departures_net(problem: TransferProblem, flows: Flows) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the lines of each departure net after its fixed cost, and what it carries; shape (n_arcs,)."""
    money, n_arcs = worth(problem, flows), len(problem.arcs.origin)
    load = flows.load(n_arcs)
    return np.bincount(flows.arc, weights=money.gain - money.cost, minlength=n_arcs) - np.where(load > 0, problem.fixed_cost, 0.0), load


def _try_departures(search: _Search, potential: NDArray[np.float64], paying: NDArray[np.bool_]) -> None:
    """Close open departures, and open closed ones, one at a time while that gains; only where no capacity stands between SKUs."""
    problem = search.problem
    if _overruns(problem, potential) or (problem.min_units > 1).any():
        return
    closed, zero = search.flows.load(len(potential)) <= 0, np.zeros(len(potential))
    net, _ = departures_net(problem, search.flows)
    trials = [*np.argsort(np.where(closed, np.inf, net), kind="stable")[: int((~closed).sum())]]
    trials += [*np.argsort(-np.where(closed, potential, 0.0), kind="stable")[: int((closed & (potential > 0)).sum())]]
    for arc in trials[: search.effort.lane_trials]:
        tried = closed.copy()
        tried[arc] = not closed[arc]
        skus = np.unique(search.flows.sku[search.flows.arc == arc]) if tried[arc] else search.skus[paying[:, arc]]
        if not len(skus):
            continue
        changed, _ = solve_apart(problem, skus, zero, problem.limits(tried))
        before = search.value
        search.offer(search.flows.with_skus(changed, skus, problem.n_skus))
        if search.value > before:
            closed = search.flows.load(len(closed)) <= 0
