"""Where in a network safety stock stands: service times that every stage promises its customers, at least cost.

Belongs here: the guaranteed-service model on networks without a cycle of any direction (trees: serial, assembly, distribution, mixed).
Does not: the demand of a stage (`lead_time_demand.py`), what a plan attains when a stage runs out (the model takes its promises as kept).

Notes
-----
Stage j is promised its inputs within SI_j days, works T_j and promises its own customers S_j. It covers its net replenishment time
tau_j = SI_j + T_j - S_j >= 0 and holds k sigma_j sqrt(tau_j). The dynamic programme takes the stages in an order in which each has one
neighbour left, so its table says what the part of the tree behind it costs for each service time on that one link. SKUs that share a
network differ in their cost of a root-day (holding cost times k sigma) only, and are solved side by side.

References
----------
Graves & Willems (2000), *Optimizing strategic safety stock placement in supply chains*, erratum (2003).
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planning.errors import InfeasiblePlanError, PlanningError


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
    most_service_days : ndarray of int, shape (n_stages,)
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
    """Service times of least holding cost that keep every limit, proved by dynamic programming.

    Raises
    ------
    PlanningError
        A cycle, a network that is not a tree, a negative or missing number.
    InfeasiblePlanError
        A stage cannot promise as little as its limit asks, whatever is held.
    """
    _refuse_bad_numbers(network)
    tree = _prepare(network)
    for stage in tree.order:
        tree.tables[stage] = _seen_from_onward(tree, stage, _stage_costs(tree, stage))
    best = tree.tables[tree.order[-1]]
    if not np.isfinite(best).all():
        raise InfeasiblePlanError(
            "service times: no promise keeps every most_service_days and inbound_days; raise a limit or shorten a lead time"
        )
    service, promised = _read_back(tree)
    net = promised + network.lead_time_days - service
    return ServiceTimes(service, promised, net, np.sum(tree.cost * np.sqrt(net), axis=1))


@dataclass(frozen=True)
class _Tree:
    """A network in the order in which it is solved; ``tables`` fill as it is."""

    lead: NDArray[np.int64]
    cost: NDArray[np.float64]
    inbound: NDArray[np.int64]
    most: NDArray[np.int64]
    longest: NDArray[np.int64]
    suppliers: list[list[int]]
    customers: list[list[int]]
    order: list[int]
    onward: NDArray[np.int64]  # the neighbour that comes later, -1 for the last stage
    tables: list[NDArray[np.float64]]

    @property
    def width(self) -> int:
        """Service times from 0 that need be looked at."""
        return int(self.longest.max()) + 1


def _prepare(network: Network) -> _Tree:
    n_stages = len(network.lead_time_days)
    inbound = np.zeros(n_stages, np.int64) if network.inbound_days is None else network.inbound_days
    suppliers, customers = _neighbours(network.links, n_stages)
    longest = _longest_days(network.lead_time_days, inbound, suppliers, customers)
    order, onward = _leaves_first(suppliers, customers)
    return _Tree(
        lead=network.lead_time_days,
        cost=np.ascontiguousarray(network.cost_per_root_day, dtype=np.float64),
        inbound=inbound,
        most=np.where(network.most_service_days < 0, longest, np.minimum(network.most_service_days, longest)),
        longest=longest,
        suppliers=suppliers,
        customers=customers,
        order=order,
        onward=onward,
        tables=[np.empty(0)] * n_stages,
    )


def _seen_from_onward(tree: _Tree, stage: int, whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Least cost of the stage and all behind it by what its onward neighbour asks of it, shape (n_skus, width)."""
    onward = tree.onward[stage]
    if onward < 0:
        return whole.min(axis=(1, 2))[:, None]
    if onward in tree.customers[stage]:  # a promise of at most s
        return np.minimum.accumulate(whole.min(axis=2), axis=1)
    return np.minimum.accumulate(whole.min(axis=1)[:, ::-1], axis=1)[:, ::-1]  # being promised s, or planning for later


def _refuse_bad_numbers(network: Network) -> None:
    if np.any(network.lead_time_days < 0):
        raise PlanningError(
            f"network: lead time is negative at stages {np.flatnonzero(network.lead_time_days < 0).tolist()}; correct the lanes"
        )
    if not np.all(np.isfinite(network.cost_per_root_day)) or np.any(network.cost_per_root_day < 0):
        bad = np.unique(np.nonzero(~(network.cost_per_root_day >= 0))[1]).tolist()
        raise PlanningError(f"network: the cost of a root-day is missing or negative at stages {bad}; complete costs, rates and demand")


def _neighbours(links: list[tuple[int, int]], n_stages: int) -> tuple[list[list[int]], list[list[int]]]:
    suppliers, customers = [[] for _ in range(n_stages)], [[] for _ in range(n_stages)]
    for supplier, customer in links:
        suppliers[customer].append(supplier)
        customers[supplier].append(customer)
    if len(set(links)) != len(links) or len(links) != n_stages - 1:
        raise PlanningError(f"network: {n_stages} stages with {len(links)} links are no tree; each two stages need one way between them")
    return suppliers, customers


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
    if len(order) < len(around):
        raise PlanningError("network: the stages fall apart into parts; solve each part alone")
    return order, onward


def _stage_costs(tree: _Tree, stage: int) -> NDArray[np.float64]:
    """Cost of the stage and all behind it for every S and SI, shape (n_skus, width, width); infinite where not allowed."""
    promise, given = np.arange(tree.width)[:, None], np.arange(tree.width)[None, :]
    lead, first = tree.lead[stage], tree.inbound[stage]
    net = given + lead - promise
    last = tree.longest[stage] - lead if tree.suppliers[stage] else first
    allowed = (net >= 0) & (promise <= tree.most[stage]) & (given >= first) & (given <= last)
    whole = np.where(allowed, tree.cost[:, stage, None, None] * np.sqrt(np.maximum(net, 0)), np.inf)
    for supplier in tree.suppliers[stage]:
        if tree.onward[supplier] == stage:
            whole += tree.tables[supplier][:, None, :]
    for customer in tree.customers[stage]:
        if tree.onward[customer] == stage:
            whole += tree.tables[customer][:, :, None]
    return whole


def _read_back(tree: _Tree) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """S and SI of every SKU and stage, from the last stage of the order back."""
    service, promised = (np.zeros(tree.cost.shape, np.int64) for _ in range(2))
    days = np.arange(tree.width)
    for stage in reversed(tree.order):
        whole = _stage_costs(tree, stage)
        onward = tree.onward[stage]
        if onward >= 0 and onward in tree.customers[stage]:
            whole = np.where(days[None, :, None] <= promised[:, onward, None, None], whole, np.inf)
        elif onward >= 0:
            whole = np.where(days[None, None, :] >= service[:, onward, None, None], whole, np.inf)
        at = whole.reshape(len(whole), -1).argmin(axis=1)
        service[:, stage], promised[:, stage] = at // tree.width, at % tree.width
    return service, promised
