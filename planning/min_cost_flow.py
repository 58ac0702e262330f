"""Exact transport of one SKU between nodes with concave values at both ends, compiled.

Belongs here: successive shortest paths on the bipartite graph origins -> destinations. Does not: what the numbers mean
(`transfers.py`). Every SKU is its own problem, so cost grows linearly with SKUs.

Notes
-----
Giving the (k + 1)-th case costs s_i(k), receiving it is worth d_j(k); s rises and d falls in k, so augmenting along the
cheapest residual path until no path pays is optimal for the whole SKU (Ahuja, Magnanti & Orlin, *Network Flows*,
ch. 9.7 and 14.5). Values are step functions of k: a path carries as many cases as the shortest step on it allows.
"""

import numba
import numpy as np
from numpy.typing import NDArray

_TOLERANCE = 1e-9
FAR = 1e300


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
    sellable: NDArray[np.int32], urgent: NDArray[np.int32], k: int, pack: int, shortage: float, later: float, holding: float
) -> float:
    """Value of receiving units k + 1 … k + pack: a sale where waiting would lose it, ``later`` where it would not, else holding is paid."""
    total = 0.0
    for unit in range(k, k + pack):
        idle = _above(sellable, unit) / sellable.size
        total += later * (1.0 - idle) - holding * idle
        if later < shortage:
            total += (shortage - later) * (1.0 - _above(urgent, unit) / urgent.size)
    return total


@numba.njit(cache=True)
def _width(ordered: NDArray[np.int32], k: int, pack: int) -> int:
    """Cases for which the value of one more case stays what it is at k units."""
    at = _above(ordered, k)
    if at == ordered.size:
        return 1 << 30
    return max(1, (ordered[at] - k) // pack)


@numba.njit(cache=True)
def transport(
    cost: NDArray[np.float64],
    available_cases: NDArray[np.int64],
    accepts: NDArray[np.bool_],
    surplus: NDArray[np.int32],
    sellable: NDArray[np.int32],
    urgent: NDArray[np.int32],
    shortage: NDArray[np.float64],
    later: NDArray[np.float64],
    holding: NDArray[np.float64],
    pack: int,
    flow: NDArray[np.int64],
) -> None:
    """Fill ``flow`` (n, n) with the number of cases that maximises value minus cost.

    ``cost`` is per unit, FAR where there is no lane.
    """
    n = available_cases.size
    given = np.zeros(n, np.int64)
    received = np.zeros(n, np.int64)
    give = np.empty(n)
    gain = np.empty(n)
    for i in range(n):
        give[i] = give_cost(surplus[i], 0, pack, shortage[i], holding[i]) if available_cases[i] > 0 else FAR
        gain[i] = receive_value(sellable[i], urgent[i], 0, pack, shortage[i], later[i], holding[i]) if accepts[i] else -FAR
    origin_label = np.empty(n)
    destination_label = np.empty(n)
    origin_from = np.empty(n, np.int64)
    destination_from = np.empty(n, np.int64)
    while True:
        for i in range(n):
            origin_label[i] = give[i] if given[i] < available_cases[i] else FAR
            origin_from[i] = -1
            destination_label[i] = FAR
            destination_from[i] = -1
        changed = True
        while changed:  # Bellman-Ford between the two sides; residual graph has no negative cycle
            changed = False
            for i in range(n):
                if origin_label[i] >= FAR:
                    continue
                for j in range(n):
                    if cost[i, j] >= FAR:
                        continue
                    length = origin_label[i] + cost[i, j] * pack
                    if length < destination_label[j] - _TOLERANCE:
                        destination_label[j] = length
                        destination_from[j] = i
            for j in range(n):
                if destination_label[j] >= FAR:
                    continue
                for i in range(n):
                    if flow[i, j] > 0:
                        length = destination_label[j] - cost[i, j] * pack
                        if length < origin_label[i] - _TOLERANCE:
                            origin_label[i] = length
                            origin_from[i] = j
                            changed = True
        best, best_gain = -1, _TOLERANCE
        for j in range(n):
            if destination_label[j] < FAR and gain[j] - destination_label[j] > best_gain:
                best, best_gain = j, gain[j] - destination_label[j]
        if best < 0:
            return
        amount = _width(sellable[best], received[best] * pack, pack)
        if later[best] < shortage[best]:
            amount = min(amount, _width(urgent[best], received[best] * pack, pack))
        j = best
        while True:
            i = destination_from[j]
            if origin_from[i] < 0:
                amount = min(amount, _width(surplus[i], given[i] * pack, pack), available_cases[i] - given[i])
                break
            amount = min(amount, flow[i, origin_from[i]])
            j = origin_from[i]
        j = best
        while True:
            i = destination_from[j]
            flow[i, j] += amount
            if origin_from[i] < 0:
                given[i] += amount
                give[i] = give_cost(surplus[i], given[i] * pack, pack, shortage[i], holding[i])
                break
            flow[i, origin_from[i]] -= amount
            j = origin_from[i]
        received[best] += amount
        gain[best] = receive_value(sellable[best], urgent[best], received[best] * pack, pack, shortage[best], later[best], holding[best])


@numba.njit(cache=True, parallel=True)
def transport_all(
    row_start: NDArray[np.int64],
    row_node: NDArray[np.int64],
    lane_cost: NDArray[np.float64],
    lane_cost_per_kg: NDArray[np.float64],
    lane_carry_days: NDArray[np.float64],
    weight_kg: NDArray[np.float64],
    carry_per_day: NDArray[np.float64],
    available_cases: NDArray[np.int64],
    accepts: NDArray[np.bool_],
    surplus: NDArray[np.int32],
    sellable: NDArray[np.int32],
    urgent: NDArray[np.int32],
    shortage: NDArray[np.float64],
    later: NDArray[np.float64],
    holding: NDArray[np.float64],
    pack: NDArray[np.int64],
    flow: NDArray[np.int64],
) -> None:
    """Solve every SKU; ``flow`` of shape (n_rows, n_nodes) gets cases from a row to a node."""
    for k in numba.prange(row_start.size - 1):
        a, b = row_start[k], row_start[k + 1]
        n = b - a
        if n < 2:
            continue
        cost = np.full((n, n), FAR)
        for i in range(n):
            for j in range(n):
                base = lane_cost[row_node[a + i], row_node[a + j]]
                if i == j or base >= FAR:
                    continue
                o, d = row_node[a + i], row_node[a + j]
                cost[i, j] = base + lane_cost_per_kg[o, d] * weight_kg[a + i] + lane_carry_days[o, d] * carry_per_day[a + i]
        moved = np.zeros((n, n), np.int64)
        transport(
            cost,
            available_cases[a:b],
            accepts[a:b],
            surplus[a:b],
            sellable[a:b],
            urgent[a:b],
            shortage[a:b],
            later[a:b],
            holding[a:b],
            pack[a],
            moved,
        )
        for i in range(n):
            for j in range(n):
                flow[a + i, row_node[a + j]] = moved[i, j]


@numba.njit(cache=True)
def total_values(
    given_units: NDArray[np.int64],
    received_units: NDArray[np.int64],
    surplus: NDArray[np.int32],
    sellable: NDArray[np.int32],
    urgent: NDArray[np.int32],
    shortage: NDArray[np.float64],
    later: NDArray[np.float64],
    holding: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Total cost of what each row gives and total value of what it receives."""
    lost = np.zeros(given_units.size)
    won = np.zeros(given_units.size)
    for r in range(given_units.size):
        if given_units[r] > 0:
            lost[r] = give_cost(surplus[r], 0, given_units[r], shortage[r], holding[r])
        if received_units[r] > 0:
            won[r] = receive_value(sellable[r], urgent[r], 0, received_units[r], shortage[r], later[r], holding[r])
    return lost, won


@numba.njit(cache=True)
def runner_up_rows(
    line_row: NDArray[np.int64],
    line_destination: NDArray[np.int64],
    row_start: NDArray[np.int64],
    row_sku: NDArray[np.int64],
    line_cost_per_unit: NDArray[np.float64],
    available_units: NDArray[np.int64],
    given_units: NDArray[np.int64],
    received_units: NDArray[np.int64],
    surplus: NDArray[np.int32],
    shortage: NDArray[np.float64],
    holding: NDArray[np.float64],
    pack: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Cheapest other row that could have sent one more case to each line's destination, -1 for none.

    ``line_cost_per_unit`` of shape (n_lines, widest SKU) holds the lane cost from each row of the SKU to the destination.
    """
    out = np.full(line_row.size, -1, np.int64)
    for at in range(line_row.size):
        k = row_sku[line_row[at]]
        best = FAR
        for r in range(row_start[k], row_start[k + 1]):
            cost = line_cost_per_unit[at, r - row_start[k]]
            if r == line_row[at] or r == line_destination[at] or cost >= FAR or received_units[r] > 0:
                continue
            if available_units[r] - given_units[r] < pack[r]:
                continue
            total = cost * pack[r] + give_cost(surplus[r], given_units[r], pack[r], shortage[r], holding[r])
            if total < best:
                best, out[at] = total, r
    return out
