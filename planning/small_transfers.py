"""The whole transfer problem as one mixed-integer programme, for days small enough: exact with every shared limit and departure.

Belongs here: the programme for HiGHS. Does not: larger days (`shared_limits.py`).

Notes
-----
Values are concave and piecewise linear, so their pieces fill in order by themselves; integers are the cases on arcs, whether a departure runs, and
on which day a node receives a SKU.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from planning.flow_arrays import give_cost, receive_value
from planning.transfer_problem import Flows, TransferProblem

_SAME = 1e-12


@dataclass
class _Programme:
    cost: list[float] = field(default_factory=list)
    upper: list[float] = field(default_factory=list)
    whole: list[int] = field(default_factory=list)
    entries: list[tuple[int, int, float]] = field(default_factory=list)
    bounds: list[tuple[float, float]] = field(default_factory=list)

    def variable(self, cost: float, upper: float, *, whole: bool) -> int:
        self.cost.append(cost)
        self.upper.append(upper)
        self.whole.append(int(whole))
        return len(self.cost) - 1

    def row(self, entries: list[tuple[int, float]], low: float, high: float) -> None:
        self.entries += [(len(self.bounds), at, value) for at, value in entries]
        self.bounds.append((low, high))


def _pieces(values: list[float]) -> list[tuple[float, int]]:
    """(value, width) of the steps of a list of marginal values."""
    out: list[tuple[float, int]] = []
    for value in values:
        if out and abs(out[-1][0] - value) <= _SAME * max(1.0, abs(value)):
            out[-1] = (out[-1][0], out[-1][1] + 1)
        else:
            out.append((value, 1))
    return out


@dataclass(frozen=True)
class Exact:
    """What HiGHS found.

    Parameters
    ----------
    flows : Flows
    bound : float
        No plan is worth more.
    is_proved : bool
        Whether it looked at every branch.
    """

    flows: Flows
    bound: float
    is_proved: bool


def solve_exactly(problem: TransferProblem, skus: NDArray[np.int64], may: NDArray[np.bool_], *, nodes: int) -> Exact | None:
    """Best flows of some SKUs together and a bound on what any could be worth; None where HiGHS found none.

    Parameters
    ----------
    problem : TransferProblem
    skus : ndarray of int
        Others carry nothing.
    may : ndarray of bool, shape (len(skus), n_arcs)
        Which of them may travel on each arc.
    nodes : int
        Branches that HiGHS looks at, at most; it stops there with the best it has, and a count is the same on every machine.
    """
    p, arcs = _Programme(), problem.arcs
    n_arcs = len(arcs.origin)
    used: list[list[tuple[int, float, float]]] = [[] for _ in range(n_arcs)]
    flow_of: list[tuple[int, int, int, int, int]] = []
    capacity, blocked = problem.limits().arc, set(problem.blocked.tolist())
    for k, mine in zip(skus, may, strict=True):
        for variable, arc, row, destination, most in _sku(p, problem, int(k), mine, capacity, blocked):
            pack = int(problem.rows.pack[row])
            used[arc].append((variable, float(pack), float(most)))
            flow_of.append((int(k), arc, row, destination, variable))
    for arc, carried in enumerate(used):
        load = [(variable, pack) for variable, pack, _ in carried]
        least, fixed, most_units = problem.min_units[arc], problem.fixed_cost[arc], problem.capacity_units[arc]
        if not carried:
            continue
        if fixed > 0 or least > 0:
            runs = p.variable(float(fixed), 1.0, whole=True)
            for variable, _, most in carried:
                p.row([(variable, 1.0), (runs, -most)], -np.inf, 0.0)
            p.row([*load, (runs, -float(least))], 0.0, np.inf)
            if np.isfinite(most_units):
                p.row([*load, (runs, -float(np.floor(most_units)))], -np.inf, 0.0)
        elif np.isfinite(most_units):
            p.row(load, -np.inf, float(np.floor(most_units)))
    for limit, ends in ((problem.out_units, arcs.origin), (problem.into_units, arcs.destination)):
        for node in np.flatnonzero(np.isfinite(limit)):
            load = [(v, pack) for arc in np.flatnonzero(ends == node) for v, pack, _ in used[arc]]
            p.row(load, -np.inf, float(np.floor(limit[node])))
    if not p.cost:
        return Exact(_flows(problem, flow_of, np.zeros(0)), 0.0, True)
    at, variable, value = zip(*p.entries, strict=True) if p.entries else ((), (), ())
    matrix = coo_array((value, (at, variable)), shape=(len(p.bounds), len(p.cost))).tocsr()
    low, high = (np.array(side) for side in zip(*p.bounds, strict=True))
    found = milp(
        np.array(p.cost), integrality=np.array(p.whole), bounds=Bounds(0, np.array(p.upper)), constraints=LinearConstraint(matrix, low, high),
        options={"node_limit": nodes, "mip_rel_gap": 1e-9},
    )  # fmt: skip
    if found.x is None:
        return None
    bound = found.mip_dual_bound if found.mip_dual_bound is not None else found.fun
    return Exact(_flows(problem, flow_of, found.x), -float(bound), found.status == 0)


def _sku(
    p: _Programme, problem: TransferProblem, k: int, may: NDArray[np.bool_], capacity: NDArray[np.int64], blocked: set[int]
) -> list[tuple[int, int, int, int, int]]:
    """Variables and balances of one SKU; returns (variable, arc, row, destination row, most cases) of its arcs."""
    rows, curves, arcs = problem.rows, problem.curves, problem.arcs
    a, b = int(rows.start[k]), int(rows.start[k + 1])
    local = {int(rows.node[r]): r for r in range(a, b)}
    pack, n_arcs = int(rows.pack[a]), len(arcs.origin)
    total, out = int(rows.available_cases[a:b].sum()), []
    leaving: dict[int, list[int]] = {}
    arriving: dict[tuple[int, int], list[int]] = {}
    for r in range(a, b):
        for arc in range(arcs.start[rows.node[r]], arcs.start[rows.node[r] + 1]):
            j = local.get(int(arcs.destination[arc]))
            if j is None or not may[arc] or not rows.may_receive[j] or rows.available_cases[r] == 0 or k * n_arcs + arc in blocked:
                continue
            most = int(min(rows.available_cases[r], capacity[arc] // pack))
            per_unit = (
                arcs.cost_per_unit[arc] + arcs.cost_per_kg[arc] * rows.weight_kg[r] + arcs.carry_days[arc] * rows.carry_cost_per_unit_day[r]
            )
            variable = p.variable(float(per_unit) * pack, most, whole=True)
            leaving.setdefault(r, []).append(variable)
            arriving.setdefault((j, int(arcs.arrival_class[arc])), []).append(variable)
            out.append((variable, arc, r, j, most))
    for r, variables in leaving.items():
        costs = [
            give_cost(curves.surplus[r], c * pack, pack, curves.shortage[r], curves.holding[r]) for c in range(rows.available_cases[r])
        ]
        pieces = [(p.variable(value, width, whole=False), -1.0) for value, width in _pieces(costs)]
        p.row([*((v, 1.0) for v in variables), *pieces], 0.0, 0.0)
    for (j, c), variables in arriving.items():
        values = [
            receive_value(
                curves.sellable[j, c], curves.urgent[j, c], m * pack, pack, curves.urgent_value[j, c], curves.later[j], curves.holding[j]
            )
            for m in range(total)
        ]
        pieces = [(p.variable(-value, width, whole=False), -1.0) for value, width in _pieces(values)]
        p.row([*((v, 1.0) for v in variables), *pieces], 0.0, 0.0)
    for j in {j for j, _ in arriving}:
        days = [c for (row, c) in arriving if row == j]
        if len(days) > 1:
            chosen = [p.variable(0.0, 1.0, whole=True) for _ in days]
            p.row([(z, 1.0) for z in chosen], 0.0, 1.0)
            for c, z in zip(days, chosen, strict=True):
                p.row([*((v, 1.0) for v in arriving[j, c]), (z, -float(total))], -np.inf, 0.0)
    return out


def _flows(problem: TransferProblem, flow_of: list[tuple[int, int, int, int, int]], x: NDArray[np.float64]) -> Flows:
    table = np.array(flow_of, dtype=np.int64).reshape(-1, 5)
    units = np.rint(x[table[:, 4]]).astype(np.int64) * problem.rows.pack[table[:, 2]] if len(table) else np.zeros(0, np.int64)
    order = np.lexsort((table[:, 1], table[:, 0]))
    flows = Flows(table[order, 0], table[order, 1], table[order, 2], table[order, 3], units[order])
    return flows.of(flows.units > 0)
