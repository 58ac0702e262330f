"""Which SKUs could pay for themselves on which arcs, and with how much: a bound on what any optimum carries.

Belongs here: one arc at a time. Does not: the search over all of them (`min_cost_flow.py`).
"""

import numba
import numpy as np
from numpy.typing import NDArray

from planning.flow_arrays import Arcs, Curves, Limits, Rows, give_cost, is_blocked, receive_value

_TOLERANCE = 1e-9


@numba.njit(cache=True)
def most_cases(k: int, r: int, j: int, arc: int, rows: Rows, curves: Curves, arcs: Arcs, limits: Limits) -> int:
    """Most cases of SKU k that could pay for themselves on an arc from row r to row j if it were the only one. No optimum carries more."""
    if not rows.may_receive[j] or is_blocked(limits.blocked, k * arcs.origin.size + arc):
        return 0
    pack, c = rows.pack[r], arcs.arrival_class[arc]
    cost = arcs.cost_per_unit[arc] + arcs.cost_per_kg[arc] * rows.weight_kg[r] + arcs.carry_days[arc] * rows.carry_cost_per_unit_day[r]
    low, high = 0, min(rows.available_cases[r], limits.arc[arc] // pack)
    while low < high:
        m = (low + high + 1) // 2
        net = receive_value(
            curves.sellable[j, c], curves.urgent[j, c], (m - 1) * pack, pack, curves.urgent_value[j, c], curves.later[j], curves.holding[j]
        )
        net -= give_cost(curves.surplus[r], (m - 1) * pack, pack, curves.shortage[r], curves.holding[r]) + cost * pack
        if net > _TOLERANCE:
            low = m
        else:
            high = m - 1
    return low


@numba.njit(cache=True)
def paying_units(
    skus: NDArray[np.int64], rows: Rows, curves: Curves, arcs: Arcs, limits: Limits
) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Which of some SKUs could pay on each arc, shape (len(skus), n_arcs), and the sum of their `most_cases` in units, shape (n_arcs,)."""
    out, total = np.zeros((skus.size, arcs.origin.size), np.bool_), np.zeros(arcs.origin.size)
    local = np.full(arcs.start.size - 1, -1, np.int64)
    for x in range(skus.size):
        a, b = rows.start[skus[x]], rows.start[skus[x] + 1]
        for r in range(a, b):
            local[rows.node[r]] = r
        for r in range(a, b):
            for arc in range(arcs.start[rows.node[r]], arcs.start[rows.node[r] + 1]):
                j = local[arcs.destination[arc]]
                if j >= 0 and rows.available_cases[r] > 0:
                    cases = most_cases(skus[x], r, j, arc, rows, curves, arcs, limits)
                    out[x, arc] = cases > 0
                    total[arc] += cases * rows.pack[r]
        for r in range(a, b):
            local[rows.node[r]] = -1
    return out, total


@numba.njit(cache=True)
def skus_on_arcs(skus: NDArray[np.int64], rows: Rows, arcs: Arcs) -> NDArray[np.bool_]:
    """Which of some SKUs stand at both ends of each arc and could leave; shape (len(skus), n_arcs)."""
    out = np.zeros((skus.size, arcs.origin.size), np.bool_)
    here = np.zeros(arcs.start.size - 1, np.bool_)
    for x in range(skus.size):
        a, b = rows.start[skus[x]], rows.start[skus[x] + 1]
        for r in range(a, b):
            here[rows.node[r]] = True
        for r in range(a, b):
            if rows.available_cases[r] > 0:
                for arc in range(arcs.start[rows.node[r]], arcs.start[rows.node[r] + 1]):
                    out[x, arc] = here[arcs.destination[arc]]
        for r in range(a, b):
            here[rows.node[r]] = False
    return out
