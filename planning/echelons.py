"""Where in a network safety stock stands: service times that every stage promises its customers, at least cost.

Belongs here: the guaranteed-service model on trees and on acyclic networks, its limits and its checks. Does not: the compiled dynamic
programme (`service_times.py`), the demand of a stage (`lead_time_demand.py`), what a plan attains when a stage runs out (the model takes its
promises as kept; `twin.py` does not).

Notes
-----
Stage j is promised its inputs within SI_j days, works T_j and promises its own customers S_j. It covers its net replenishment time
tau_j = SI_j + T_j - S_j >= 0 and holds k sigma_j sqrt(tau_j); a link from i to j asks S_i <= SI_j. SKUs that share a network differ in their
cost of a root-day (holding cost times k sigma) and in their limits only, and are solved side by side.

On a network with circles of links (none of direction) a spanning tree is solved first: it asks less, so it costs no more than the network. A
link of those left out that is not kept, S_i > SI_j = s, splits the problem: S_i <= s or SI_j >= s + 1, both of which are limits that a tree
can keep. The least bound first, all SKUs' open problems at a time, until every SKU's best plan costs no more than what is open.

References
----------
Graves & Willems (2000), *Optimizing strategic safety stock placement in supply chains*, erratum (2003).
Humair & Willems (2006), *Optimizing strategic safety stock placement in supply chains with clusters of commonality*.
"""

import heapq
from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planning.errors import InfeasiblePlanError, PlanningError, SolverError
from planning.service_times import FAR, solve_trees

_TOLERANCE = 1e-9
_MOST_SPLITS = 200_000  # of one SKU, before it is called too hard


@dataclass(frozen=True)
class Network:
    """Stages and links of a supply network that SKUs share.

    Parameters
    ----------
    lead_time_days : ndarray of int, shape (n_stages,)
        Whole days of work or transport at each stage.
    cost_per_root_day : ndarray of shape (n_skus, n_stages)
        Holding cost of a unit times its safety factor times the standard deviation of a day's demand there.
    links : list of (int, int)
        Supplier stage, customer stage.
    most_service_days : ndarray of int, shape (n_stages,) or (n_skus, n_stages)
        Longest service time that may be promised; 0 where customers are served from stock. -1 for no limit.
    inbound_days : ndarray of int, shape (n_stages,), or None
        Service time that outside suppliers promise, 0 when None.
    """

    lead_time_days: NDArray[np.int64]
    cost_per_root_day: NDArray[np.float64]
    links: list[tuple[int, int]]
    most_service_days: NDArray[np.int64]
    inbound_days: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class ServiceTimes:
    """Promises of every stage for every SKU.

    Parameters
    ----------
    service_days, inbound_days, net_days : ndarray of int, shape (n_skus, n_stages)
        S, SI and tau = SI + T - S.
    cost : ndarray of shape (n_skus,)
        Sum of cost_per_root_day * sqrt(tau).
    """

    service_days: NDArray[np.int64]
    inbound_days: NDArray[np.int64]
    net_days: NDArray[np.int64]
    cost: NDArray[np.float64]


def pooled_deviation(deviations: NDArray[np.float64], *, power: float = 2.0) -> float:
    """Standard deviation of a day's demand of stages that draw on one: (sum of sigma ** power) ** (1 / power).

    Examples
    --------
    >>> pooled_deviation(np.array([3.0, 4.0]))
    5.0
    >>> pooled_deviation(np.array([3.0, 4.0]), power=1.0)  # they move as one
    7.0
    """
    return float(np.sum(np.asarray(deviations) ** power) ** (1 / power))


def optimize_service_times(network: Network) -> ServiceTimes:
    """Service times of least holding cost that keep every limit, proved by dynamic programming and, beyond trees, by branching.

    Raises
    ------
    PlanningError
        A cycle, a network in parts, a negative or missing number.
    InfeasiblePlanError
        A limit below zero: nobody can promise to deliver before he is asked.
    SolverError
        An acyclic network that is still open after very many branches.
    """
    _refuse_bad_numbers(network)
    shape = _shape(network)
    cost = np.ascontiguousarray(network.cost_per_root_day, dtype=np.float64)
    most = np.broadcast_to(network.most_service_days, cost.shape)
    most = np.where(most < 0, shape.longest, np.minimum(most, shape.longest)).astype(np.int64)
    first = np.broadcast_to(shape.inbound, cost.shape).astype(np.int64)
    service, promised, _ = _solve(shape, cost, first, most)
    if shape.left_out:
        _branch(shape, cost, first, most, service, promised)
    net = promised + network.lead_time_days - service
    return ServiceTimes(service, promised, net, np.sum(cost * np.sqrt(net), axis=1))


def _refuse_bad_numbers(network: Network) -> None:
    def stages(bad: NDArray[np.bool_]) -> list[int]:
        return np.unique(np.nonzero(np.atleast_2d(bad))[1]).tolist()

    if np.any(network.lead_time_days < 0):
        raise PlanningError(f"network: lead time is negative at stages {stages(network.lead_time_days < 0)}; correct the lanes")
    cost = np.asarray(network.cost_per_root_day, dtype=float)
    if not np.all(np.isfinite(cost)) or np.any(cost < 0):
        bad = stages(~(cost >= 0) | ~np.isfinite(cost))
        raise PlanningError(f"network: the cost of a root-day is missing or negative at stages {bad}; complete costs, rates and demand")
    for name, days, least in (("most_service_days", network.most_service_days, -1), ("inbound_days", network.inbound_days, 0)):
        if days is not None and np.any(np.asarray(days) < least):
            raise InfeasiblePlanError(
                f"network: {name} is below {least} at stages {stages(np.asarray(days) < least)}; no promise keeps it, so raise the limit"
            )


@dataclass(frozen=True)
class _Shape:
    """A network in the order in which its spanning tree is solved."""

    lead: NDArray[np.int64]
    inbound: NDArray[np.int64]
    longest: NDArray[np.int64]
    latest: NDArray[np.int64]
    order: NDArray[np.int64]
    onward: NDArray[np.int64]  # the neighbour that comes later, -1 for the last stage
    onward_is_customer: NDArray[np.bool_]
    left_out: list[tuple[int, int]]  # links that are not in the tree


def _shape(network: Network) -> _Shape:
    n_stages = len(network.lead_time_days)
    lead = np.asarray(network.lead_time_days, dtype=np.int64)
    inbound = np.zeros(n_stages, np.int64) if network.inbound_days is None else np.asarray(network.inbound_days, dtype=np.int64)
    if len(set(network.links)) != len(network.links):
        raise PlanningError("network: a link stands twice; keep one")
    suppliers, customers = _neighbours(network.links, n_stages)
    longest = _longest_days(lead, inbound, suppliers, customers)
    tree, left_out = _spanning_tree(network.links, longest, n_stages)
    order, onward = _leaves_first(*_neighbours(tree, n_stages))
    return _Shape(
        lead=lead,
        inbound=inbound,
        longest=longest,
        latest=np.array([longest[i] - lead[i] if suppliers[i] else inbound[i] for i in range(n_stages)]),
        order=np.array(order),
        onward=onward,
        onward_is_customer=np.array([onward[i] in customers[i] for i in range(n_stages)]),
        left_out=left_out,
    )


def _neighbours(links: list[tuple[int, int]], n_stages: int) -> tuple[list[list[int]], list[list[int]]]:
    suppliers, customers = [[] for _ in range(n_stages)], [[] for _ in range(n_stages)]
    for supplier, customer in links:
        suppliers[customer].append(supplier)
        customers[supplier].append(customer)
    return suppliers, customers


def _spanning_tree(
    links: list[tuple[int, int]], longest: NDArray[np.int64], n_stages: int
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """A tree of the links whose suppliers may promise longest (they bind most), and the links left out."""
    part = list(range(n_stages))

    def top(stage: int) -> int:
        while part[stage] != stage:
            part[stage] = part[part[stage]]
            stage = part[stage]
        return stage

    tree, left_out = [], []
    for supplier, customer in sorted(links, key=lambda link: (-longest[link[0]], link)):
        a, b = top(supplier), top(customer)
        (left_out if a == b else tree).append((supplier, customer))
        part[a] = b
    if len(tree) < n_stages - 1:
        raise PlanningError(f"network: {n_stages} stages with {len(links)} links fall apart into parts; solve each part alone")
    return tree, left_out


def _longest_days(
    lead: NDArray[np.int64], inbound: NDArray[np.int64], suppliers: list[list[int]], customers: list[list[int]]
) -> NDArray[np.int64]:
    """Days from the first stage to the end of each along the longest way: no promise need be longer."""
    waiting = np.array([len(s) for s in suppliers])
    ready = deque(np.flatnonzero(waiting == 0).tolist())
    longest = inbound + lead
    seen = 0
    while ready:
        stage = ready.popleft()
        seen += 1
        for customer in customers[stage]:
            longest[customer] = max(longest[customer], longest[stage] + lead[customer])
            waiting[customer] -= 1
            if waiting[customer] == 0:
                ready.append(customer)
    if seen < len(lead):
        raise PlanningError(f"network: stages {np.flatnonzero(waiting > 0).tolist()} supply each other in a circle")
    return longest


def _leaves_first(suppliers: list[list[int]], customers: list[list[int]]) -> tuple[list[int], NDArray[np.int64]]:
    """Stages in an order in which each but the last has one neighbour that comes later, and that neighbour (-1 for the last)."""
    around = [set(s) | set(c) for s, c in zip(suppliers, customers, strict=True)]
    left = [len(a) for a in around]
    ready = deque(i for i, n in enumerate(left) if n <= 1)
    onward = np.full(len(around), -1)
    done = [False] * len(around)
    order = []
    while ready:
        stage = ready.popleft()
        if done[stage]:
            continue
        done[stage] = True
        order.append(stage)
        for other in around[stage]:
            if not done[other]:
                onward[stage] = other
                left[other] -= 1
                if left[other] == 1 or (left[other] == 0 and len(order) < len(around)):
                    ready.append(other)
    return order, onward


def _solve(
    shape: _Shape, cost: NDArray[np.float64], first: NDArray[np.int64], most: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """S, SI and least cost of the spanning tree under each row's limits; the cost is FAR or more where nothing keeps them."""
    service, promised = (np.zeros(cost.shape, np.int64) for _ in range(2))
    least = np.zeros(len(cost))
    solve_trees(shape.lead, cost, first, most, shape.latest, shape.order, shape.onward, shape.onward_is_customer, service, promised, least)
    return service, promised, least


@dataclass
class _Search:
    """What is known of one SKU: its best plan, and the problems that might beat it, least bound first."""

    best: float
    open: list[tuple[float, int, NDArray[np.int64], NDArray[np.int64]]]
    splits: int = 0


def _branch(
    shape: _Shape,
    cost: NDArray[np.float64],
    first: NDArray[np.int64],
    most: NDArray[np.int64],
    service: NDArray[np.int64],
    promised: NDArray[np.int64],
) -> None:
    """Replace ``service`` and ``promised``, found on the tree, by what is best on the whole network."""
    searches = [_Search(np.inf, [(0.0, 0, first[sku], most[sku])]) for sku in range(len(cost))]
    busy = list(range(len(cost)))
    while busy:
        taken = [heapq.heappop(searches[sku].open) for sku in busy]
        lows, highs = np.array([t[2] for t in taken]), np.array([t[3] for t in taken])
        found, given, least = _solve(shape, cost[busy], lows, highs)
        for row, sku in enumerate(busy):
            search = searches[sku]
            if least[row] >= min(search.best - _TOLERANCE * max(1.0, search.best), FAR):
                continue
            repaired = given[row].copy()  # waiting for every supplier keeps every link
            for supplier, customer in shape.left_out:
                repaired[customer] = max(repaired[customer], found[row, supplier])
            whole = float(cost[sku] @ np.sqrt(repaired + shape.lead - found[row]))
            if whole < search.best:
                search.best, service[sku], promised[sku] = whole, found[row], repaired
            _split(shape, search, found[row], given[row], lows[row], highs[row], float(least[row]))
        busy = [sku for sku in busy if _is_open(searches[sku], sku)]


def _split(
    shape: _Shape,
    search: _Search,
    service: NDArray[np.int64],
    promised: NDArray[np.int64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    bound: float,
) -> None:
    """Two problems that together hold every plan but the one found, at the link it breaks most."""
    broken = [(int(service[a] - promised[b]), a, b) for a, b in shape.left_out if service[a] > promised[b]]
    if not broken:
        return
    _, supplier, customer = max(broken)
    at = int(service[supplier] + promised[customer]) // 2
    less, later = high.copy(), low.copy()
    less[supplier] = min(less[supplier], at)
    later[customer] = max(later[customer], at + 1)
    for lows, highs in ((low, less), (later, high)):
        search.splits += 1
        heapq.heappush(search.open, (bound, search.splits, lows, highs))


def _is_open(search: _Search, sku: int) -> bool:
    if search.splits > _MOST_SPLITS:
        raise SolverError(f"service times: SKU {sku} is still open after {search.splits} branches; merge stages or limit service times")
    return bool(search.open) and search.open[0][0] < search.best - _TOLERANCE * max(1.0, search.best)
