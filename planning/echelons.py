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
    n_stages = len(network.lead_time_days)
    inbound = np.zeros(n_stages, np.int64) if network.inbound_days is None else network.inbound_days
    suppliers, customers = _neighbours(network.links, n_stages)
    longest = _longest_days(network.lead_time_days, inbound, suppliers, customers)  # also refuses cycles
    order, onward = _leaves_first(suppliers, customers)
    width = int(longest.max()) + 1
    cost = np.ascontiguousarray(network.cost_per_root_day, dtype=np.float64)
    most = np.where(network.most_service_days < 0, longest, np.minimum(network.most_service_days, longest))
    tables: list[NDArray[np.float64]] = [np.empty(0)] * n_stages  # of each stage on its onward link, already made monotone
    for stage in order:
        whole = _stage_costs(stage, network, cost, inbound, most, longest, suppliers, customers, onward, tables, width)
        if onward[stage] < 0:
            tables[stage] = whole
        elif onward[stage] in customers[stage]:  # asked: what does it cost when it promises at most s
            tables[stage] = np.minimum.accumulate(whole.min(axis=2), axis=1)
        else:  # asked: what does it cost when it is promised s or later
            tables[stage] = np.minimum.accumulate(whole.min(axis=1)[:, ::-1], axis=1)[:, ::-1]
    root = order[-1]
    best = tables[root].reshape(len(cost), -1)
    if not np.isfinite(best.min(axis=1)).all():
        raise InfeasiblePlanError(
            "service times: no promise keeps every most_service_days and inbound_days; raise a limit or shorten a lead time"
        )
    service, promised = _read_back(network, cost, inbound, most, longest, suppliers, customers, onward, order, tables, width)
    net = promised + network.lead_time_days - service
    return ServiceTimes(service, promised, net, np.sum(cost * np.sqrt(net), axis=1))


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


def _stage_costs(
    stage: int,
    network: Network,
    cost: NDArray[np.float64],
    inbound: NDArray[np.int64],
    most: NDArray[np.int64],
    longest: NDArray[np.int64],
    suppliers: list[list[int]],
    customers: list[list[int]],
    onward: NDArray[np.int64],
    tables: list[NDArray[np.float64]],
    width: int,
) -> NDArray[np.float64]:
    """Cost of the stage and all behind it for every S and SI, shape (n_skus, width, width); infinite where not allowed."""
    promise, given = np.arange(width)[:, None], np.arange(width)[None, :]
    lead = network.lead_time_days[stage]
    net = given + lead - promise
    allowed = (net >= 0) & (promise <= most[stage]) & (given >= inbound[stage]) & (given <= longest[stage] - lead)
    if not suppliers[stage]:
        allowed &= given == inbound[stage]
    whole = np.where(allowed, cost[:, stage, None, None] * np.sqrt(np.maximum(net, 0)), np.inf)
    for supplier in suppliers[stage]:
        if onward[supplier] == stage and supplier != onward[stage]:
            whole += tables[supplier][:, None, :]  # the supplier promises at most SI
    for customer in customers[stage]:
        if onward[customer] == stage and customer != onward[stage]:
            whole += tables[customer][:, :, None]  # the customer is promised S or plans for later
    return whole


def _read_back(
    network: Network,
    cost: NDArray[np.float64],
    inbound: NDArray[np.int64],
    most: NDArray[np.int64],
    longest: NDArray[np.int64],
    suppliers: list[list[int]],
    customers: list[list[int]],
    onward: NDArray[np.int64],
    order: list[int],
    tables: list[NDArray[np.float64]],
    width: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """S and SI of every SKU and stage, from the last stage of the order back."""
    n_skus, n_stages = cost.shape
    service, promised = (np.zeros((n_skus, n_stages), np.int64) for _ in range(2))
    days = np.arange(width)
    for stage in reversed(order):
        whole = _stage_costs(stage, network, cost, inbound, most, longest, suppliers, customers, onward, tables, width)
        other = onward[stage]
        if other >= 0 and other in customers[stage]:
            whole = np.where(days[None, :, None] <= promised[:, other, None, None], whole, np.inf)
        elif other >= 0:
            whole = np.where(days[None, None, :] >= service[:, other, None, None], whole, np.inf)
        at = whole.reshape(n_skus, -1).argmin(axis=1)
        service[:, stage], promised[:, stage] = at // width, at % width
    return service, promised
