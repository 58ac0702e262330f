"""The network day by day under a policy: what a rule really costs and serves, before anybody pays for it.

Belongs here: the state of a simulated network, what a day does to it, what it costs, and units that are conserved exactly. Does not: what a
policy decides (`twin_policies.py`), the best that anybody could have done (`clairvoyant.py`), where demand comes from.

Notes
-----
A day: what is due arrives and is for sale; backlog, then the day's demand, is served from the node's own stock; in the evening the policy
sees stock and what is under way and says what leaves on which lane and what is ordered; it leaves at once. Arrays are (nodes, SKUs), so SKUs
are simulated side by side, and every policy meets the same demand, lead times and supply (common random numbers).

A horizon ends while stock stands about, and a policy that has just moved what next month sells has not wasted the freight. So freight is charged as
accounts charge it: a unit carries what it cost to bring it from the root, and the difference between what the stock carries at the end and at the
start is taken off, for no more units of a node than ``cover_units``: what stands beyond is written off.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planning.errors import PlanningError, SolverError


@dataclass(frozen=True)
class TwinNetwork:
    """Nodes, SKUs, lanes and what things cost there.

    Parameters
    ----------
    node_ids, sku_ids : tuple of str
    is_carried : ndarray of bool, shape (n_nodes, n_skus)
    parent_lane : ndarray of int, shape (n_nodes,)
        Lane that replenishes the node, -1 where the supplier does.
    lane_origin, lane_destination : ndarray of int, shape (n_lanes,)
    lane_cost_per_unit : ndarray of shape (n_lanes, n_skus)
        Freight, weight and handling at both ends.
    lane_fixed_cost, lane_capacity_units : ndarray of shape (n_lanes,)
        Of a departure that carries anything; units a day over all SKUs, infinity for no limit.
    outbound_capacity_units : ndarray of shape (n_nodes,)
        Units a node ships to other nodes in a day.
    holding_cost_per_unit_day, shortage_cost_per_unit : ndarray of shape (n_nodes, n_skus)
        Shortage: margin and penalty of a unit lost, or of a day that a unit is owed.
    final_mile_cost_per_unit : ndarray of shape (n_nodes,)
    order_cost : float
        Of one replenishment line.
    case_pack_units : ndarray of int, shape (n_skus,)
    """

    node_ids: tuple[str, ...]
    sku_ids: tuple[str, ...]
    is_carried: NDArray[np.bool_]
    parent_lane: NDArray[np.int64]
    lane_origin: NDArray[np.int64]
    lane_destination: NDArray[np.int64]
    lane_cost_per_unit: NDArray[np.float64]
    lane_fixed_cost: NDArray[np.float64]
    lane_capacity_units: NDArray[np.float64]
    outbound_capacity_units: NDArray[np.float64]
    holding_cost_per_unit_day: NDArray[np.float64]
    shortage_cost_per_unit: NDArray[np.float64]
    final_mile_cost_per_unit: NDArray[np.float64]
    order_cost: float
    case_pack_units: NDArray[np.int64]


@dataclass(frozen=True)
class Scenario:
    """What happens to the network whatever the policy.

    Parameters
    ----------
    demand : ndarray of int, shape (n_days, n_nodes, n_skus)
        Units asked of each node.
    supply : ndarray of int, shape (n_days, n_nodes, n_skus)
        Units that arrive from outside in the morning; nobody is told before.
    under_way : ndarray of int, shape (n_days, n_nodes, n_skus)
        The same of what was sent or ordered before the first day, so that everybody knows of it.
    on_hand : ndarray of int, shape (n_nodes, n_skus)
        Stock before the first day.
    lane_days : ndarray of int, shape (n_days, n_lanes)
        Days from the evening of departure to the morning of sale, at least 1.
    supplier_days : ndarray of int, shape (n_days, n_nodes, n_skus), or None
        The same for orders from the supplier; None when nobody can order.
    is_backordered : bool
        Unserved demand waits instead of being lost.
    cover_units : ndarray of shape (n_nodes, n_skus), or None
        Units that carry their freight, at most; None for none.
    """

    demand: NDArray[np.int64]
    supply: NDArray[np.int64]
    under_way: NDArray[np.int64]
    on_hand: NDArray[np.int64]
    lane_days: NDArray[np.int64]
    supplier_days: NDArray[np.int64] | None = None
    is_backordered: bool = False
    cover_units: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class View:
    """What a policy sees in the evening of a day.

    Parameters
    ----------
    day : int
        Number of the day, from 0.
    on_hand, inbound, backlog : ndarray of int, shape (n_nodes, n_skus)
        Stock, units under way to the node, units owed to customers.
    network : TwinNetwork
    """

    day: int
    on_hand: NDArray[np.int64]
    inbound: NDArray[np.int64]
    backlog: NDArray[np.int64]
    network: TwinNetwork

    @property
    def position(self) -> NDArray[np.int64]:
        """On hand and under way, less what is owed."""
        return self.on_hand + self.inbound - self.backlog


@dataclass(frozen=True)
class Moves:
    """What a policy decides: units on each lane, and units ordered from the supplier; None is nothing.

    Parameters
    ----------
    lane_units : ndarray of int, shape (n_lanes, n_skus), or None
    ordered_units : ndarray of int, shape (n_nodes, n_skus), or None
    """

    lane_units: NDArray[np.int64] | None = None
    ordered_units: NDArray[np.int64] | None = None


Policy = Callable[[View], Moves]


@dataclass(frozen=True)
class Lived:
    """What a policy attained.

    Parameters
    ----------
    demand_units, filled_units, moved_units : ndarray of int, shape (n_days, n_nodes, n_skus) for the first two, (n_days,) for the last
    on_hand_units : ndarray of int, shape (n_days, n_nodes, n_skus)
        In the evening, after what left.
    holding_cost, lane_cost, order_cost, shortage_cost, final_mile_cost : float
    carried_freight : float
        Freight that stock carries at the end, less what it carried at the start.
    """

    demand_units: NDArray[np.int64]
    filled_units: NDArray[np.int64]
    on_hand_units: NDArray[np.int64]
    moved_units: NDArray[np.int64]
    holding_cost: float
    lane_cost: float
    order_cost: float
    shortage_cost: float
    final_mile_cost: float
    carried_freight: float

    @property
    def total_cost(self) -> float:
        """Carrying, moving what was sold or written off, ordering, final mile and what was lost."""
        moving = self.lane_cost - self.carried_freight
        return self.holding_cost + moving + self.order_cost + self.shortage_cost + self.final_mile_cost

    @property
    def fill_rate(self) -> float:
        """Units served at once over units asked for; 1 when nothing was."""
        asked = int(self.demand_units.sum())
        return float(self.filled_units.sum() / asked) if asked else 1.0

    def cycle_service(self, *, cycle_days: int, first_day: int = 0) -> NDArray[np.float64]:
        """Share of cycles of so many days without a unit short, by node and SKU; shape (n_nodes, n_skus)."""
        short = (self.demand_units - self.filled_units)[first_day:]
        cycles = len(short) // cycle_days
        by_cycle = short[: cycles * cycle_days].reshape(cycles, cycle_days, *short.shape[1:]).sum(axis=1)
        return (by_cycle == 0).mean(axis=0)


def simulate(network: TwinNetwork, scenario: Scenario, policy: Policy) -> Lived:
    """Live through every day of the scenario under the policy.

    Raises
    ------
    PlanningError
        A scenario that does not fit the network, or a policy that moves more than there is, breaks cases or capacities, or orders where
        nobody delivers.
    SolverError
        Units were not conserved (a fault of this module).
    """
    _refuse_bad_scenario(network, scenario)
    n_days = len(scenario.demand)
    on_hand = scenario.on_hand.astype(np.int64).copy()
    backlog, inbound = np.zeros_like(on_hand), scenario.under_way.sum(axis=0)
    arriving = np.zeros((n_days + 1, *on_hand.shape), np.int64)  # the last day keeps what comes after the end
    arriving[:n_days] = scenario.under_way
    filled, evening = np.zeros_like(scenario.demand), np.zeros_like(scenario.demand)
    moved = np.zeros(n_days, np.int64)
    cost = dict.fromkeys(("holding", "lane", "order", "shortage", "final_mile"), 0.0)
    served_units, ordered_units = 0, 0
    for day in range(n_days):
        on_hand += arriving[day] + scenario.supply[day]
        inbound -= arriving[day]
        late = np.minimum(on_hand, backlog)
        on_hand -= late
        backlog -= late
        filled[day] = np.minimum(on_hand, scenario.demand[day])
        on_hand -= filled[day]
        short = scenario.demand[day] - filled[day]
        if scenario.is_backordered:
            backlog += short
            short = backlog
        served = filled[day] + late
        served_units += int(served.sum())
        moves = policy(View(day, on_hand, inbound, backlog, network))
        if moves.lane_units is not None:
            _depart(network, scenario, day, moves.lane_units, on_hand, inbound, arriving)
            moved[day] = int(moves.lane_units.sum())
            cost["lane"] += float(np.sum(network.lane_cost_per_unit * moves.lane_units))
            cost["lane"] += float(network.lane_fixed_cost[moves.lane_units.any(axis=1)].sum())
            cost["order"] += network.order_cost * int(np.count_nonzero(moves.lane_units[network.parent_lane[network.parent_lane >= 0]]))
        if moves.ordered_units is not None:
            _order(scenario, day, moves.ordered_units, inbound, arriving)
            ordered_units += int(moves.ordered_units.sum())
            cost["order"] += network.order_cost * int(np.count_nonzero(moves.ordered_units))
        evening[day] = on_hand
        cost["holding"] += float(np.sum(network.holding_cost_per_unit_day * (on_hand + inbound)))
        cost["shortage"] += float(np.sum(network.shortage_cost_per_unit * short))
        cost["final_mile"] += float(served.sum(axis=1) @ network.final_mile_cost_per_unit)
    there = int(scenario.on_hand.sum()) + int(scenario.supply.sum()) + int(scenario.under_way.sum()) + ordered_units
    left = int(on_hand.sum()) + int(inbound.sum()) + served_units
    if there != left or (on_hand < 0).any() or (inbound < 0).any():
        raise SolverError(f"twin: {there} units came in and {left} are accounted for; report this, with the policy")
    carried = _carried_freight(network, scenario, on_hand + inbound) - _carried_freight(
        network, scenario, scenario.on_hand + scenario.under_way.sum(axis=0)
    )
    charged = (cost[name] for name in ("holding", "lane", "order", "shortage", "final_mile"))
    return Lived(scenario.demand, filled, evening, moved, *charged, carried)


def freight_in(network: TwinNetwork) -> NDArray[np.float64]:
    """What it costs to bring a unit from the root of its node along the lanes that replenish, shape (n_nodes, n_skus)."""
    total = np.zeros((len(network.node_ids), len(network.sku_ids)))
    for node in range(len(network.node_ids)):
        lane, steps = network.parent_lane[node], 0
        while lane >= 0 and steps <= len(network.node_ids):
            total[node] += network.lane_cost_per_unit[lane]
            lane, steps = network.parent_lane[network.lane_origin[lane]], steps + 1
        if steps > len(network.node_ids):
            raise PlanningError(f"network: {network.node_ids[node]} is replenished in a circle; correct replenished_from_node_id")
    return total


def _carried_freight(network: TwinNetwork, scenario: Scenario, units: NDArray[np.int64]) -> float:
    if scenario.cover_units is None:
        return 0.0
    return float(np.sum(freight_in(network) * np.minimum(units, scenario.cover_units)))


def _refuse_bad_scenario(network: TwinNetwork, scenario: Scenario) -> None:
    shape = (len(network.node_ids), len(network.sku_ids))
    for name, values, wanted in (
        ("demand", scenario.demand, (len(scenario.demand), *shape)),
        ("supply", scenario.supply, (len(scenario.demand), *shape)),
        ("under_way", scenario.under_way, (len(scenario.demand), *shape)),
        ("on_hand", scenario.on_hand, shape),
        ("lane_days", scenario.lane_days, (len(scenario.demand), len(network.lane_origin))),
    ):
        if values.shape != wanted:
            raise PlanningError(f"scenario: {name} has shape {values.shape}, the network asks for {wanted}")
        if np.any(values < (1 if name == "lane_days" else 0)):
            raise PlanningError(f"scenario: {name} has values below {1 if name == 'lane_days' else 0}; correct them")


def _depart(
    network: TwinNetwork,
    scenario: Scenario,
    day: int,
    units: NDArray[np.int64],
    on_hand: NDArray[np.int64],
    inbound: NDArray[np.int64],
    arriving: NDArray[np.int64],
) -> None:
    leaving = np.zeros_like(on_hand)
    np.add.at(leaving, network.lane_origin, units)
    if np.any(units < 0) or np.any(leaving > on_hand):
        node, sku = np.argwhere((leaving > on_hand) | (leaving < 0))[0] if np.any(leaving > on_hand) else (0, 0)
        raise PlanningError(
            f"policy: on day {day} {network.node_ids[node]} sends {leaving[node, sku]} units of {network.sku_ids[sku]} and has "
            f"{on_hand[node, sku]}; clip what it asks for"
        )
    if np.any(units % network.case_pack_units):
        raise PlanningError(f"policy: on day {day} units on a lane are not whole cases; round them down")
    total = units.sum(axis=1)
    if np.any(total > network.lane_capacity_units) or np.any(
        np.bincount(network.lane_origin, weights=total, minlength=len(on_hand)) > network.outbound_capacity_units
    ):
        raise PlanningError(f"policy: on day {day} a lane or a node sends more than its capacity; use within_capacity")
    on_hand -= leaving
    due = np.minimum(day + scenario.lane_days[day], len(arriving) - 1)
    np.add.at(arriving, (due, network.lane_destination), units)
    np.add.at(inbound, network.lane_destination, units)


def _order(scenario: Scenario, day: int, units: NDArray[np.int64], inbound: NDArray[np.int64], arriving: NDArray[np.int64]) -> None:
    if scenario.supplier_days is None:
        raise PlanningError("policy: orders from the supplier in a scenario whose supply is given; give supplier_days")
    node, sku = np.nonzero(units)
    due = np.minimum(day + scenario.supplier_days[day, node, sku], len(arriving) - 1)
    np.add.at(arriving, (due, node, sku), units[node, sku])
    inbound += units


def within_capacity(network: TwinNetwork, units: NDArray[np.int64]) -> NDArray[np.int64]:
    """Scale what lanes and nodes cannot carry in a day down, each SKU in the same proportion, in whole cases; shape (n_lanes, n_skus)."""
    total = units.sum(axis=1)
    by_node = np.bincount(network.lane_origin, weights=total, minlength=len(network.node_ids))
    with np.errstate(divide="ignore", invalid="ignore"):
        of_lane = np.where(total > 0, network.lane_capacity_units / total, np.inf)
        of_node = np.where(by_node > 0, network.outbound_capacity_units / by_node, np.inf)
    share = np.minimum(of_lane, of_node[network.lane_origin])
    if (share >= 1).all():
        return units
    cut = np.floor(units * np.minimum(share, 1.0)[:, None] / network.case_pack_units) * network.case_pack_units
    return np.where(share[:, None] >= 1, units, cut).astype(np.int64)
