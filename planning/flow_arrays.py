"""Arrays of a transfer problem, and what units are worth by them: what compiled code reads.

Belongs here: the shapes, and values read off curves. Does not: the search (`min_cost_flow.py`), which arcs can pay (`paying_arcs.py`).
"""

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

UNLIMITED = 1 << 40


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


@numba.njit(cache=True)
def above(ordered: NDArray[np.int32], k: int) -> int:
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
        lost = above(surplus, unit) / surplus.size
        total += shortage * lost - holding * (1.0 - lost)
    return total


@numba.njit(cache=True)
def receive_value(
    sellable: NDArray[np.int32], urgent: NDArray[np.int32], k: int, pack: int, urgent_value: float, later: float, holding: float
) -> float:
    """Value of receiving units k + 1 … k + pack: what waiting would lose where it would, ``later`` where it would not, else holding is paid."""
    total = 0.0
    for unit in range(k, k + pack):
        idle = above(sellable, unit) / sellable.size
        total += later * (1.0 - idle) - holding * idle
        if later < urgent_value:
            total += (urgent_value - later) * (1.0 - above(urgent, unit) / urgent.size)
    return total


@numba.njit(cache=True)
def advance(ordered: NDArray[np.int32], at: int, k: int) -> int:
    """Number of entries that are <= k, which is not below ``at``."""
    while at < ordered.size and ordered[at] <= k:
        at += 1
    return at


@numba.njit(cache=True)
def give_from(surplus: NDArray[np.int32], at: int, k: int, pack: int, shortage: float, holding: float) -> float:
    """`give_cost` where ``at`` entries of the surplus are <= k."""
    total = 0.0
    for unit in range(k, k + pack):
        at = advance(surplus, at, unit)
        lost = at / surplus.size
        total += shortage * lost - holding * (1.0 - lost)
    return total


@numba.njit(cache=True)
def receive_from(
    sellable: NDArray[np.int32], urgent: NDArray[np.int32], at: int, urgent_at: int, k: int, pack: int, urgent_value: float, later: float,
    holding: float,
) -> float:  # fmt: skip
    """`receive_value` where so many entries are <= k."""
    total = 0.0
    for unit in range(k, k + pack):
        at = advance(sellable, at, unit)
        idle = at / sellable.size
        total += later * (1.0 - idle) - holding * idle
        if later < urgent_value:
            urgent_at = advance(urgent, urgent_at, unit)
            total += (urgent_value - later) * (1.0 - urgent_at / urgent.size)
    return total


@numba.njit(cache=True)
def width(ordered: NDArray[np.int32], at: int, k: int, pack: int) -> int:
    """Cases for which the value of one more case stays what it is at k units, below which ``at`` entries lie."""
    if at == ordered.size:
        return UNLIMITED
    return max(1, (ordered[at] - k) // pack)


@numba.njit(cache=True)
def is_blocked(blocked: NDArray[np.int64], code: int) -> bool:
    """Whether a code stands in the sorted list."""
    if blocked.size == 0:
        return False
    at = np.searchsorted(blocked, code)
    return at < blocked.size and blocked[at] == code


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
