"""Exact transport of one SKU between nodes with concave values at both ends, compiled.

Belongs here: successive shortest paths from origins to destinations, for every SKU alone or one after another within limits that they share.
Does not: what the numbers mean (`transfers.py`), what shared limits are worth (`shared_limits.py`). Cost grows linearly with SKUs.

Notes
-----
Giving the (k + 1)-th case costs s_i(k), receiving it is worth d_j(k); s rises and d falls in k, so augmenting along the cheapest residual path
until no path pays is optimal for the whole SKU (Ahuja, Magnanti & Orlin, *Network Flows*, ch. 9.7 and 14.5). Values are step functions of k: a
path carries as many cases as the shortest step on it allows. An arc whose first case does not pay on its own carries nothing in any optimum, since
s only rises and d only falls, so it is left out before the search.

Units that reach a node on different days are different goods there: each day of arrival is a receiving end of its own. A SKU is received at a node
on one of those days only; where the ends taken apart would use several, the one that gained most is kept and the SKU solved again. Their optimum
taken apart is never below what both together are worth, so it is a bound.
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 1e-9
FAR = 1e300
_UNLIMITED = 1 << 40


class Rows(NamedTuple):
    """SKU-nodes, rows of a SKU together.

    Parameters
    ----------
    start : ndarray of int, shape (n_skus + 1,)
    node, available_cases, pack : ndarray of int, shape (n_rows,)
    weight_kg, carry_cost_per_unit_day : ndarray of shape (n_rows,)
    may_receive : ndarray of bool, shape (n_rows,)
    """

    start: NDArray[np.int64]
    node: NDArray[np.int64]
    available_cases: NDArray[np.int64]
    pack: NDArray[np.int64]
    weight_kg: NDArray[np.float64]
    carry_cost_per_unit_day: NDArray[np.float64]
    may_receive: NDArray[np.bool_]


class Curves(NamedTuple):
    """What units are worth, row by row; see `marginal_value.MarginalValues` for the meaning.

    Parameters
    ----------
    surplus : ndarray of int32, shape (n_rows, n_paths)
    sellable, urgent : ndarray of int32, shape (n_rows, n_classes, n_paths)
    shortage, later, holding : ndarray of shape (n_rows,)
    urgent_value : ndarray of shape (n_rows, n_classes)
    """

    surplus: NDArray[np.int32]
    sellable: NDArray[np.int32]
    urgent: NDArray[np.int32]
    shortage: NDArray[np.float64]
    later: NDArray[np.float64]
    holding: NDArray[np.float64]
    urgent_value: NDArray[np.float64]


class Arcs(NamedTuple):
    """Lanes that can be used, sorted by origin.

    Parameters
    ----------
    start : ndarray of int, shape (n_nodes + 1,)
        First arc of each origin.
    origin, destination, arrival_class : ndarray of int, shape (n_arcs,)
    cost_per_unit, cost_per_kg, carry_days : ndarray of shape (n_arcs,)
    """

    start: NDArray[np.int64]
    origin: NDArray[np.int64]
    destination: NDArray[np.int64]
    arrival_class: NDArray[np.int64]
    cost_per_unit: NDArray[np.float64]
    cost_per_kg: NDArray[np.float64]
    carry_days: NDArray[np.float64]


class Limits(NamedTuple):
    """Units that arcs may still carry, nodes still send and take in; and pairs of SKU and arc that may not be used, sorted.

    Parameters
    ----------
    arc, out, into : ndarray of int, shape (n_arcs,), (n_nodes,), (n_nodes,)
    blocked : ndarray of int, shape (n,)
        Of SKU number x number of arcs + arc.
    """

    arc: NDArray[np.int64]
    out: NDArray[np.int64]
    into: NDArray[np.int64]
    blocked: NDArray[np.int64]


class Lines(NamedTuple):
    """What the solver found, in places of its own for every SKU: ``count`` of them are filled.

    Parameters
    ----------
    count : ndarray of int, shape (n_skus,)
    arc, row, destination, cases : ndarray of int, shape (n_places,)
    bound : ndarray of shape (n_skus,)
        Optimum at the prices, each day of arrival taken apart.
    """

    count: NDArray[np.int64]
    arc: NDArray[np.int64]
    row: NDArray[np.int64]
    destination: NDArray[np.int64]
    cases: NDArray[np.int64]
    bound: NDArray[np.float64]


def unlimited(n_arcs: int, n_nodes: int) -> Limits:
    """Limits that bind nobody."""
    none = np.zeros(0, np.int64)
    return Limits(np.full(n_arcs, _UNLIMITED), np.full(n_nodes, _UNLIMITED), np.full(n_nodes, _UNLIMITED), none)


@numba.njit(cache=True)
def _above(ordered: NDArray[np.int32], k: int) -> int:
    """Number of entries of an ascending array that are <= k."""
    low, high = 0, ordered.size
    while low < high:
        middle = (low + high) // 2
        if ordered[middle] <= k:
            low = middle + 1
        else:
            high = middle
    return low


@numba.njit(cache=True)
def give_cost(surplus: NDArray[np.int32], k: int, pack: int, shortage: float, holding: float) -> float:
    """Cost of giving units k + 1 … k + pack: a sale is lost where they were not idle, else holding is saved."""
    total = 0.0
    for unit in range(k, k + pack):
        lost = _above(surplus, unit) / surplus.size
        total += shortage * lost - holding * (1.0 - lost)
    return total


@numba.njit(cache=True)
def receive_value(
    sellable: NDArray[np.int32], urgent: NDArray[np.int32], k: int, pack: int, urgent_value: float, later: float, holding: float
) -> float:
    """Value of receiving units k + 1 … k + pack: what waiting would lose where it would, ``later`` where it would not, else holding is paid."""
    total = 0.0
    for unit in range(k, k + pack):
        idle = _above(sellable, unit) / sellable.size
        total += later * (1.0 - idle) - holding * idle
        if later < urgent_value:
            total += (urgent_value - later) * (1.0 - _above(urgent, unit) / urgent.size)
    return total


@numba.njit(cache=True)
def _advance(ordered: NDArray[np.int32], at: int, k: int) -> int:
    """Number of entries that are <= k, which is not below ``at``."""
    while at < ordered.size and ordered[at] <= k:
        at += 1
    return at


@numba.njit(cache=True)
def _give_at(surplus: NDArray[np.int32], at: int, k: int, pack: int, shortage: float, holding: float) -> float:
    """`give_cost` where ``at`` entries of the surplus are <= k."""
    total = 0.0
    for unit in range(k, k + pack):
        at = _advance(surplus, at, unit)
        lost = at / surplus.size
        total += shortage * lost - holding * (1.0 - lost)
    return total


@numba.njit(cache=True)
def _receive_at(
    sellable: NDArray[np.int32], urgent: NDArray[np.int32], at: int, urgent_at: int, k: int, pack: int, urgent_value: float, later: float,
    holding: float,
) -> float:  # fmt: skip
    """`receive_value` where so many entries are <= k."""
    total = 0.0
    for unit in range(k, k + pack):
        at = _advance(sellable, at, unit)
        idle = at / sellable.size
        total += later * (1.0 - idle) - holding * idle
        if later < urgent_value:
            urgent_at = _advance(urgent, urgent_at, unit)
            total += (urgent_value - later) * (1.0 - urgent_at / urgent.size)
    return total


@numba.njit(cache=True)
def _width(ordered: NDArray[np.int32], at: int, k: int, pack: int) -> int:
    """Cases for which the value of one more case stays what it is at k units, below which ``at`` entries lie."""
    if at == ordered.size:
        return _UNLIMITED
    return max(1, (ordered[at] - k) // pack)


@numba.njit(cache=True)
def _is_blocked(blocked: NDArray[np.int64], code: int) -> bool:
    if blocked.size == 0:
        return False
    at = np.searchsorted(blocked, code)
    return at < blocked.size and blocked[at] == code


@numba.njit(cache=True)
def _solve(
    k: int, rows: Rows, curves: Curves, arcs: Arcs, price: NDArray[np.float64], limits: Limits, local: NDArray[np.int64], lines: Lines,
    first_place: int, places: int,
) -> None:  # fmt: skip
    """Write the lines of SKU k and how many there are, which is more than ``places`` where they do not fit."""
    lines.count[k] = 0
    a, b = rows.start[k], rows.start[k + 1]
    n, pack, classes = b - a, rows.pack[rows.start[k]], curves.sellable.shape[1]
    lines.bound[k] = 0.0
    if n < 2:
        return
    most = 0
    for i in range(n):
        local[rows.node[a + i]] = i
        if rows.available_cases[a + i] > 0:
            most += arcs.start[rows.node[a + i] + 1] - arcs.start[rows.node[a + i]]
    give, gain = np.empty(n), np.full(n * classes, np.nan)
    arc_of, tail, head, length, cap = (
        np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most), np.empty(most, np.int64),
    )  # fmt: skip
    out_cap = np.zeros(n, np.int64)
    m = 0
    for i in range(n):
        node = rows.node[a + i]
        out_cap[i] = min(rows.available_cases[a + i], limits.out[node] // pack)
        if out_cap[i] <= 0:
            continue
        give[i] = give_cost(curves.surplus[a + i], 0, pack, curves.shortage[a + i], curves.holding[a + i])
        for arc in range(arcs.start[node], arcs.start[node + 1]):
            j = local[arcs.destination[arc]]
            if j < 0 or not rows.may_receive[a + j] or limits.arc[arc] < pack or limits.into[arcs.destination[arc]] < pack:
                continue
            slot = j * classes + arcs.arrival_class[arc]
            if np.isnan(gain[slot]):
                c = arcs.arrival_class[arc]
                gain[slot] = receive_value(
                    curves.sellable[a + j, c], curves.urgent[a + j, c], 0, pack, curves.urgent_value[a + j, c], curves.later[a + j],
                    curves.holding[a + j],
                )  # fmt: skip
            cost = arcs.cost_per_unit[arc] + arcs.cost_per_kg[arc] * rows.weight_kg[a + i] + price[arc]
            cost = (cost + arcs.carry_days[arc] * rows.carry_cost_per_unit_day[a + i]) * pack
            if gain[slot] - give[i] - cost <= _TOLERANCE or _is_blocked(limits.blocked, k * arcs.origin.size + arc):
                continue
            arc_of[m], tail[m], head[m], length[m], cap[m] = arc, i, slot, cost, limits.arc[arc] // pack
            m += 1
    for i in range(n):
        local[rows.node[a + i]] = -1
    if m == 0:
        return
    closed = np.zeros(n * classes, np.bool_)
    worth = np.empty(n * classes)
    flow, given, received = np.empty(m, np.int64), np.empty(n, np.int64), np.empty(n * classes, np.int64)
    total = _augment(a, n, classes, pack, rows, curves, limits, m, tail, head, length, cap, out_cap, closed, flow, given, received, worth)
    lines.bound[k] = total
    while _keep_one_arrival(n, classes, received, worth, closed):
        _augment(a, n, classes, pack, rows, curves, limits, m, tail, head, length, cap, out_cap, closed, flow, given, received, worth)
    found = 0
    for e in range(m):
        if flow[e] > 0:
            if found < places:
                at = first_place + found
                lines.arc[at], lines.row[at], lines.destination[at], lines.cases[at] = (
                    arc_of[e],
                    a + tail[e],
                    a + head[e] // classes,
                    flow[e],
                )
            found += 1
    lines.count[k] = found


@numba.njit(cache=True)
def _keep_one_arrival(n: int, classes: int, received: NDArray[np.int64], worth: NDArray[np.float64], closed: NDArray[np.bool_]) -> bool:
    """Close all but the most gaining day of arrival of every row that uses several; whether any was closed."""
    if classes == 1:
        return False
    again = False
    for j in range(n):
        best, used = -1, 0
        for c in range(classes):
            if received[j * classes + c] > 0:
                used += 1
                if best < 0 or worth[j * classes + c] > worth[j * classes + best]:
                    best = c
        if used > 1:
            again = True
            for c in range(classes):
                closed[j * classes + c] = c != best
    return again


@numba.njit(cache=True)
def _augment(
    a: int, n: int, classes: int, pack: int, rows: Rows, curves: Curves, limits: Limits, m: int, tail: NDArray[np.int64],
    head: NDArray[np.int64], length: NDArray[np.float64], cap: NDArray[np.int64], out_cap: NDArray[np.int64], closed: NDArray[np.bool_],
    flow: NDArray[np.int64], given: NDArray[np.int64], received: NDArray[np.int64], worth: NDArray[np.float64],
) -> float:  # fmt: skip
    """Fill flow, given and received from nothing to the optimum; returns its value."""
    flow[:] = 0
    given[:] = 0
    received[:] = 0
    worth[:] = 0.0
    slots = n * classes
    give, gain = np.full(n, FAR), np.full(slots, -FAR)
    origin_label, slot_label, room = np.empty(n), np.empty(slots), np.zeros(slots, np.int64)
    origin_from, slot_from = np.empty(n, np.int64), np.empty(slots, np.int64)
    give_at, gain_at, urgent_at = np.zeros(n, np.int64), np.zeros(slots, np.int64), np.zeros(slots, np.int64)
    for e in range(m):
        i, s = tail[e], head[e]
        if give[i] >= FAR:
            give_at[i] = _above(curves.surplus[a + i], 0)
            give[i] = _give_at(curves.surplus[a + i], give_at[i], 0, pack, curves.shortage[a + i], curves.holding[a + i])
        if gain[s] <= -FAR and not closed[s]:
            j, c = s // classes, s % classes
            room[s] = limits.into[rows.node[a + j]] // pack
            gain_at[s], urgent_at[s] = _above(curves.sellable[a + j, c], 0), _above(curves.urgent[a + j, c], 0)
            gain[s] = _receive_at(
                curves.sellable[a + j, c], curves.urgent[a + j, c], gain_at[s], urgent_at[s], 0, pack, curves.urgent_value[a + j, c],
                curves.later[a + j], curves.holding[a + j],
            )  # fmt: skip
    first = np.searchsorted(tail[:m], np.arange(n + 1))
    used, n_used, dirty = np.empty(m, np.int64), 0, np.empty(n, np.bool_)
    total = 0.0
    while True:
        for i in range(n):
            origin_label[i] = give[i] if given[i] < out_cap[i] else FAR
            origin_from[i] = -1
            dirty[i] = origin_label[i] < FAR
        for s in range(slots):
            slot_label[s] = FAR
        again = True
        while again:  # Bellman-Ford between the two sides; the residual graph has no negative cycle
            again = False
            for i in range(n):
                if not dirty[i]:
                    continue
                dirty[i] = False
                for e in range(first[i], first[i + 1]):
                    to = origin_label[i] + length[e]
                    if to < slot_label[head[e]] - _TOLERANCE and flow[e] < cap[e]:
                        slot_label[head[e]] = to
                        slot_from[head[e]] = e
            for at in range(n_used):
                e = used[at]
                if slot_label[head[e]] < FAR:
                    to = slot_label[head[e]] - length[e]
                    if to < origin_label[tail[e]] - _TOLERANCE:
                        origin_label[tail[e]] = to
                        origin_from[tail[e]] = e
                        dirty[tail[e]] = True
                        again = True
        best, best_gain = -1, _TOLERANCE
        for s in range(slots):
            if gain[s] - slot_label[s] > best_gain and received[s] < room[s]:
                best, best_gain = s, gain[s] - slot_label[s]
        if best < 0:
            return total
        j, c = best // classes, best % classes
        amount = _width(curves.sellable[a + j, c], gain_at[best], received[best] * pack, pack)
        if curves.later[a + j] < curves.urgent_value[a + j, c]:
            amount = min(amount, _width(curves.urgent[a + j, c], urgent_at[best], received[best] * pack, pack))
        amount = min(amount, room[best] - received[best])
        s = best
        while True:
            e = slot_from[s]
            i = tail[e]
            amount = min(amount, cap[e] - flow[e])
            if origin_from[i] < 0:
                amount = min(amount, _width(curves.surplus[a + i], give_at[i], given[i] * pack, pack), out_cap[i] - given[i])
                break
            amount = min(amount, flow[origin_from[i]])
            s = head[origin_from[i]]
        s = best
        while True:
            e = slot_from[s]
            i = tail[e]
            if flow[e] == 0:
                used[n_used] = e
                n_used += 1
            flow[e] += amount
            if origin_from[i] < 0:
                given[i] += amount
                give_at[i] = _advance(curves.surplus[a + i], give_at[i], given[i] * pack)
                give[i] = _give_at(curves.surplus[a + i], give_at[i], given[i] * pack, pack, curves.shortage[a + i], curves.holding[a + i])
                break
            back = origin_from[i]
            flow[back] -= amount
            if flow[back] == 0:
                at = 0
                while used[at] != back:
                    at += 1
                n_used -= 1
                used[at] = used[n_used]
            s = head[back]
        total += amount * best_gain
        worth[best] += amount * best_gain
        received[best] += amount
        gain_at[best] = _advance(curves.sellable[a + j, c], gain_at[best], received[best] * pack)
        urgent_at[best] = _advance(curves.urgent[a + j, c], urgent_at[best], received[best] * pack)
        gain[best] = _receive_at(
            curves.sellable[a + j, c], curves.urgent[a + j, c], gain_at[best], urgent_at[best], received[best] * pack, pack,
            curves.urgent_value[a + j, c], curves.later[a + j], curves.holding[a + j],
        )  # fmt: skip


@numba.njit(cache=True, parallel=True)
def solve_apart(
    skus: NDArray[np.int64], rows: Rows, curves: Curves, arcs: Arcs, price: NDArray[np.float64], limits: Limits, places: int, lines: Lines
) -> None:
    """Solve some SKUs, each as if the limits were its own; lines of ``skus[x]`` stand from ``x * places``, their count at the SKU."""
    blocks = 64
    for block in numba.prange(blocks):
        local = np.full(arcs.start.size - 1, -1, np.int64)
        for x in range(block * skus.size // blocks, (block + 1) * skus.size // blocks):
            _solve(skus[x], rows, curves, arcs, price, limits, local, lines, x * places, places)


@numba.njit(cache=True)
def solve_in_turn(
    skus: NDArray[np.int64], rows: Rows, curves: Curves, arcs: Arcs, price: NDArray[np.float64], left: Limits, places: int, lines: Lines
) -> None:
    """Solve some SKUs one after another, each within what those before it, and its own lines of before, left; ``left`` and ``lines`` follow.

    Lines of a SKU stand from ``sku * places``; a SKU whose lines do not fit keeps as many as do.
    """
    local = np.full(arcs.start.size - 1, -1, np.int64)
    for k in skus:
        first, pack = k * places, rows.pack[rows.start[k]]
        for sign in (1, -1):
            for at in range(first, first + min(lines.count[k], places)):
                units = sign * lines.cases[at] * pack
                arc = lines.arc[at]
                left.arc[arc] += units
                left.out[arcs.origin[arc]] += units
                left.into[arcs.destination[arc]] += units
            if sign > 0:
                _solve(k, rows, curves, arcs, price, left, local, lines, first, places)
                lines.count[k] = min(lines.count[k], places)


@numba.njit(cache=True)
def total_values(
    given_units: NDArray[np.int64], received_units: NDArray[np.int64], arrival_class: NDArray[np.int64], curves: Curves
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Total cost of what each row gives and total value of what it receives in its class of arrival."""
    lost = np.zeros(given_units.size)
    won = np.zeros(given_units.size)
    for r in range(given_units.size):
        if given_units[r] > 0:
            lost[r] = give_cost(curves.surplus[r], 0, given_units[r], curves.shortage[r], curves.holding[r])
        if received_units[r] > 0:
            c = arrival_class[r]
            won[r] = receive_value(
                curves.sellable[r, c], curves.urgent[r, c], 0, received_units[r], curves.urgent_value[r, c], curves.later[r],
                curves.holding[r],
            )  # fmt: skip
    return lost, won


@numba.njit(cache=True)
def most_cases(k: int, r: int, j: int, arc: int, rows: Rows, curves: Curves, arcs: Arcs, limits: Limits) -> int:
    """Most cases of SKU k that could pay for themselves on an arc from row r to row j if it were the only one. No optimum carries more."""
    if not rows.may_receive[j] or _is_blocked(limits.blocked, k * arcs.origin.size + arc):
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
