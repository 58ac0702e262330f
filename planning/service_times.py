"""Least-cost service times on a tree of stages, one problem after the other, compiled.

Belongs here: the dynamic programme of guaranteed service and reading its answer back. Does not: what a network is, its limits and its
checks, links that close a circle (`echelons.py`).

Notes
-----
Stages come in an order in which each but the last has one neighbour left. ``behind`` holds, for every stage and service time, what its part
of the tree costs that is behind it; a stage's own part is c sqrt(SI + T - S), looked at for every S that it may promise and every SI that it
may be promised. What a neighbour sees falls with the service time that it is given and rises with the one that it is asked for, so its
table is a running minimum. O(stages x days^2) a problem.
"""

import numba
import numpy as np
from numpy.typing import NDArray

FAR = 1e250  # costs of what is not allowed; sums of several stay finite


@numba.njit(cache=True, fastmath=True)
def _least_over_inbound(
    cost: float, lead: int, promise: int, first: int, latest: int, root: NDArray[np.float64], behind: NDArray[np.float64]
) -> float:
    """Least cost of a promise over the service times SI that the stage may be given."""
    best = FAR
    for given in range(max(first, promise - lead), latest + 1):
        value = cost * root[given + lead - promise] + behind[given]
        best = min(best, value)
    return best


@numba.njit(cache=True, fastmath=True)
def _least_over_promise(cost: float, lead: int, given: int, most: int, root: NDArray[np.float64], asked: NDArray[np.float64]) -> float:
    """Least cost of being given SI over the service times S that the stage may promise."""
    best = FAR
    for promise in range(min(most, given + lead) + 1):
        value = cost * root[given + lead - promise] + asked[promise]
        best = min(best, value)
    return best


@numba.njit(cache=True, parallel=True)
def solve_trees(
    lead: NDArray[np.int64],
    cost: NDArray[np.float64],
    first: NDArray[np.int64],
    most: NDArray[np.int64],
    latest: NDArray[np.int64],
    order: NDArray[np.int64],
    onward: NDArray[np.int64],
    onward_is_customer: NDArray[np.bool_],
    service: NDArray[np.int64],
    inbound: NDArray[np.int64],
    least: NDArray[np.float64],
) -> None:
    """Solve every row of ``cost`` (n_problems, n_stages) into ``service``, ``inbound`` and ``least``.

    ``first`` and ``most`` (n_problems, n_stages) bound SI from below and S from above, ``latest`` (n_stages,) SI from above. A problem
    without a solution gets a cost of FAR or more.
    """
    n = lead.size
    width = 1
    for i in range(n):
        width = max(width, latest[i] + lead[i] + 1)
    root = np.sqrt(np.arange(2.0 * width))
    for p in numba.prange(cost.shape[0]):
        given_sum = np.zeros((n, width))  # what the suppliers behind a stage cost, by SI
        asked_sum = np.zeros((n, width))  # what the customers behind it cost, by S
        seen = np.full((n, width), FAR)  # the stage and all behind it, by the service time on its onward link
        for stage in order:
            c, t, f, m = cost[p, stage], lead[stage], first[p, stage], most[p, stage]
            on = onward[stage]
            if on < 0 or onward_is_customer[stage]:
                for promise in range(min(m, latest[stage] + t) + 1):
                    seen[stage, promise] = asked_sum[stage, promise] + _least_over_inbound(
                        c, t, promise, f, latest[stage], root, given_sum[stage]
                    )
                if on >= 0:
                    running = FAR
                    for s in range(width):
                        running = min(running, seen[stage, s])
                        given_sum[on, s] += running
            else:
                for given in range(f, latest[stage] + 1):
                    seen[stage, given] = given_sum[stage, given] + _least_over_promise(c, t, given, m, root, asked_sum[stage])
                running = FAR
                for s in range(width - 1, -1, -1):
                    running = min(running, seen[stage, s])
                    asked_sum[on, s] += running
        least[p] = seen[order[n - 1]].min()
        if least[p] >= FAR:
            continue
        for k in range(n - 1, -1, -1):
            stage = order[k]
            c, t, on = cost[p, stage], lead[stage], onward[stage]
            if on < 0 or onward_is_customer[stage]:
                limit = width - 1 if on < 0 else inbound[p, on]
                promise = np.argmin(seen[stage, : limit + 1])
                best = FAR
                for given in range(max(first[p, stage], promise - t), latest[stage] + 1):
                    value = c * root[given + t - promise] + given_sum[stage, given]
                    if value < best:
                        best, inbound[p, stage] = value, given
                service[p, stage] = promise
            else:
                given = service[p, on] + np.argmin(seen[stage, service[p, on] :])
                best = FAR
                for promise in range(min(most[p, stage], given + t) + 1):
                    value = c * root[given + t - promise] + asked_sum[stage, promise]
                    if value < best:
                        best, service[p, stage] = value, promise
                inbound[p, stage] = given
