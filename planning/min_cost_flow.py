"""Exact transport of one SKU between nodes with concave values at both ends, compiled.

Belongs here: successive shortest paths from origins to destinations, for every SKU alone or one after another within limits that they share.
Does not: the arrays (`flow_arrays.py`), what the numbers mean (`transfers.py`), what shared limits are worth (`shared_limits.py`). Cost grows linearly with SKUs.

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

import numba
import numpy as np
from numpy.typing import NDArray

from planning.flow_arrays import (
    Arcs,
    Curves,
    Limits,
    Lines,
    Rows,
    above,
    advance,
    give_cost,
    give_from,
    is_blocked,
    receive_from,
    receive_value,
    width,
)

_TOLERANCE = 1e-9
FAR = 1e300


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
            if gain[slot] - give[i] - cost <= _TOLERANCE or is_blocked(limits.blocked, k * arcs.origin.size + arc):
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
            give_at[i] = above(curves.surplus[a + i], 0)
            give[i] = give_from(curves.surplus[a + i], give_at[i], 0, pack, curves.shortage[a + i], curves.holding[a + i])
        if gain[s] <= -FAR and not closed[s]:
            j, c = s // classes, s % classes
            room[s] = limits.into[rows.node[a + j]] // pack
            gain_at[s], urgent_at[s] = above(curves.sellable[a + j, c], 0), above(curves.urgent[a + j, c], 0)
            gain[s] = receive_from(
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
        amount = width(curves.sellable[a + j, c], gain_at[best], received[best] * pack, pack)
        if curves.later[a + j] < curves.urgent_value[a + j, c]:
            amount = min(amount, width(curves.urgent[a + j, c], urgent_at[best], received[best] * pack, pack))
        amount = min(amount, room[best] - received[best])
        s = best
        while True:
            e = slot_from[s]
            i = tail[e]
            amount = min(amount, cap[e] - flow[e])
            if origin_from[i] < 0:
                amount = min(amount, width(curves.surplus[a + i], give_at[i], given[i] * pack, pack), out_cap[i] - given[i])
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
                give_at[i] = advance(curves.surplus[a + i], give_at[i], given[i] * pack)
                give[i] = give_from(curves.surplus[a + i], give_at[i], given[i] * pack, pack, curves.shortage[a + i], curves.holding[a + i])
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
        gain_at[best] = advance(curves.sellable[a + j, c], gain_at[best], received[best] * pack)
        urgent_at[best] = advance(curves.urgent[a + j, c], urgent_at[best], received[best] * pack)
        gain[best] = receive_from(
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
