"""Rules by which a network might be run, as plain functions of what is there: for the twin.

Belongs here: the rules that nodewise is held against, and nodewise itself as the morning runs it. Does not: the simulation (`twin.py`), the decisions
that nodewise is made of. Every rule makes a function `View -> Moves`; what it knows of demand is given when it is made.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.frames import OPEN_TRANSFERS
from planning.interval_demand import IntervalDemand, interval_demand
from planning.lead_time_demand import DemandFlows, extend_horizon, lead_time_demand, path_seeds
from planning.lead_times import LeadTimes, horizon_days
from planning.lot_sizes import shared_cases, whole_cases_down, whole_cases_up
from planning.marginal_value import values_of_positions
from planning.replenishments import SUPPLIER, plan_replenishments
from planning.review import days_to_review, days_to_supply
from planning.safety_stock import textbook_safety_stock
from planning.stock_targets import stock_targets
from planning.transfer_lanes import cheapest_modes, transfer_lanes
from planning.transfers import TransferRules, plan_transfers
from planning.twin import Moves, Policy, TwinNetwork, View, within_capacity
from planning.twin_frames import dense_units

_LONGEST_DAYS = 120


@dataclass(frozen=True)
class MorningRules:
    """What a deployment wants of its mornings.

    Parameters
    ----------
    sample_paths : int
    fixed_cost_per_order, longest_lot_days : float
        See `stock_targets`.
    liquidation_share : float
        See `ageing_cost`.
    transfers : TransferRules
    """

    sample_paths: int
    fixed_cost_per_order: float
    longest_lot_days: float
    liquidation_share: float
    transfers: TransferRules


@dataclass(frozen=True)
class Knowledge:
    """What every rule may know: the positions of a morning and the forecast from it on.

    Parameters
    ----------
    positions : DataFrame
        Frame `stock_positions`, rows of a SKU together, children before their parent; stock and inbound are replaced by the view's.
    lanes : DataFrame
        Frame `open_lanes`.
    flows : DemandFlows
        Aligned with ``positions``; day 0 of its means is the twin's first day.
    lead_times : LeadTimes
    level_correlation, region_correlation : float
    as_of_date : Timestamp
        Evening before the twin's first day.
    """

    positions: pd.DataFrame
    lanes: pd.DataFrame
    flows: DemandFlows
    lead_times: LeadTimes
    level_correlation: float
    region_correlation: float
    as_of_date: pd.Timestamp

    @property
    def review_days(self) -> NDArray[np.int64]:
        """Review period of each row."""
        return self.positions["review_period_days"].to_numpy(dtype=np.int64)

    def ahead(self, day: int) -> DemandFlows:
        """The forecast as it stands in the evening of a day; after its last day the last week repeats."""
        means, _ = extend_horizon(self.flows.means, day + 1 + horizon_days(self.lead_times, self.review_days, most=_LONGEST_DAYS))
        return replace(self.flows, means=np.ascontiguousarray(means[:, day + 1 :]))

    def interval(self, day: int) -> IntervalDemand:
        """Demand over each row's interval from the evening of a day on."""
        return interval_demand(
            flows=self.ahead(day),
            lead_times=self.lead_times,
            review_period_days=self.review_days,
            level_correlation=self.level_correlation,
            region_correlation=self.region_correlation,
        )

    def own_units_per_day(self) -> NDArray[np.float64]:
        """Expected demand of each row's own customers on an average day."""
        flow = self.flows.means.mean(axis=1)[self.flows.flow_series] * self.flows.flow_share
        return np.bincount(self.flows.flow_row, weights=flow, minlength=len(self.positions))


def from_parents(view: View, wanted: NDArray[np.int64]) -> NDArray[np.int64]:
    """Units on the lanes that replenish, shape (n_lanes, n_skus): what each node wants, in whole cases, the same share where the parent is short.

    ``wanted`` of shape (n_nodes, n_skus) is what each node asks of its parent; what it asks beyond is not remembered.
    """
    network = view.network
    lanes = np.zeros((len(network.lane_origin), wanted.shape[1]), np.int64)
    for node in np.flatnonzero(network.parent_lane >= 0):
        lanes[network.parent_lane[node]] = whole_cases_up(wanted[node], network.case_pack_units)
    for origin in np.unique(network.lane_origin):
        mine = network.lane_origin == origin
        lanes[mine] = shared_cases(lanes[mine], view.on_hand[origin].astype(float), network.case_pack_units)
    return within_capacity(network, lanes)


def do_nothing(view: View) -> Moves:
    """Units stay where they are; what is under way arrives."""
    return Moves()


def order_up_to(
    reorder_point: NDArray[np.int64],
    top: NDArray[np.int64],
    *,
    is_due: Callable[[int], NDArray[np.bool_]] | None = None,
    from_supplier: bool = False,
    is_echelon: bool = False,
) -> Policy:
    """Ask the parent (and where there is none the supplier) for what is missing to ``top`` wherever the position is at or below the reorder point.

    Both of shape (n_nodes, n_skus); ``is_due`` says of which of them a day is a review, every day being one without it. What a parent could not
    send is asked for again every day until the next review. With ``is_echelon`` levels and positions are those of a node and all below it, so that
    a node that holds nothing still orders what its customers' nodes wait for.
    """
    owed = np.zeros_like(top)

    def policy(view: View) -> Moves:
        nonlocal owed
        network = view.network
        position = echelon_units(network, view.position) if is_echelon else view.position
        wanted = np.where((position <= reorder_point) & (top > position), top - position, 0) * network.is_carried
        due = np.ones_like(wanted, bool) if is_due is None else np.broadcast_to(is_due(view.day), wanted.shape)
        asked = np.where(due, wanted, owed if view.day else 0)
        roots = (network.parent_lane < 0)[:, None]
        ordered = whole_cases_up(np.where(roots, asked, 0), network.case_pack_units) if from_supplier else None
        lanes = from_parents(view, np.where(roots, 0, asked))
        owed = np.maximum(asked - lanes[network.parent_lane], 0) * ~roots
        return Moves(lanes, ordered)

    return policy


def echelon_units(network: TwinNetwork, units: NDArray[np.int64]) -> NDArray[np.int64]:
    """Units of each node and of all nodes that it replenishes, directly or not."""
    parent = np.where(network.parent_lane >= 0, network.lane_origin[network.parent_lane], -1)
    total = units.copy()
    at = parent.copy()
    while (at >= 0).any():
        below = np.flatnonzero(at >= 0)
        np.add.at(total, at[below], units[below])
        at = np.where(at >= 0, parent[at], -1)
    return total


def _rounded(know: Knowledge, network: TwinNetwork, units: NDArray[np.float64]) -> NDArray[np.int64]:
    return dense_units(network, know.positions, np.ceil(units).astype(np.int64))


def hub_only(know: Knowledge, network: TwinNetwork) -> Policy:
    """Every unit that is not about to be asked for stays up the chain: a node is sent what its customers will ask for within its interval, no more."""
    expected = know.own_units_per_day() * (know.lead_times.mean_days + know.review_days)
    level = _rounded(know, network, expected)
    return order_up_to(level - 1, level)


def min_max(know: Knowledge, network: TwinNetwork, *, min_days: float, max_days: float) -> Policy:
    """The planner's thresholds: below so many days of cover a node is filled to so many."""
    rate = know.interval(0).expected_units / know.interval(0).protection_days
    return order_up_to(_rounded(know, network, min_days * rate), _rounded(know, network, max_days * rate))


def reviews(know: Knowledge, network: TwinNetwork) -> Callable[[int], NDArray[np.bool_]]:
    """Which nodes and SKUs are reviewed in the evening of a day, ndarray (n_nodes, n_skus)."""

    def is_due(day: int) -> NDArray[np.bool_]:
        today = (know.as_of_date + pd.Timedelta(days=day + 1)).date()
        due = days_to_review(node_ids=know.positions["node_id"], review_period_days=know.review_days, as_of_date=today)
        return dense_units(network, know.positions, (due == 0).astype(np.int64)).astype(bool)

    return is_due


def textbook(know: Knowledge, network: TwinNetwork, *, from_supplier: bool = False) -> Policy:
    """At every review up to the textbook's base stock: mean and z times the normal formula's deviation over lead time and review period."""
    demand = know.interval(0)
    safety = textbook_safety_stock(
        cycle_service_level=know.positions["cycle_service_level"].to_numpy(dtype=float),
        demand_mean_units_per_day=demand.expected_units / demand.protection_days,
        demand_std_units_per_day=np.sqrt(demand.daily_variance),
        lead_time_days=demand.protection_days,
        lead_time_std_days=know.lead_times.std_days,
    )
    level = _rounded(know, network, np.maximum(demand.expected_units + safety, 0.0))
    return order_up_to(level - 1, level, is_due=reviews(know, network), from_supplier=from_supplier)


def equal_days_of_cover(know: Knowledge, network: TwinNetwork) -> Policy:
    """Spread each SKU's stock so that every node that sells it covers the same number of days, over the cheapest lanes first."""
    rate = np.zeros((len(network.node_ids), len(network.sku_ids)))
    node = pd.Index(network.node_ids).get_indexer(know.positions["node_id"])
    sku = pd.Index(network.sku_ids).get_indexer(know.positions["sku_id"])
    rate[node, sku] = know.own_units_per_day()
    cheapest = np.argsort(network.lane_cost_per_unit.mean(axis=1), kind="stable")

    def policy(view: View) -> Moves:
        position = view.on_hand + np.where(
            rate > 0, view.inbound, 0
        )  # what is under way to a node that sells nothing is nobody's cover yet
        whole = rate.sum(axis=0)
        fair = np.where(whole > 0, rate * position.sum(axis=0) / np.where(whole > 0, whole, 1.0), position)
        spare = np.minimum(np.floor(np.maximum(position - fair, 0)).astype(np.int64), view.on_hand)
        missing = np.floor(np.maximum(fair - position, 0)).astype(np.int64)
        units = np.zeros((len(network.lane_origin), position.shape[1]), np.int64)
        for lane in cheapest:
            origin, destination = network.lane_origin[lane], network.lane_destination[lane]
            sent = whole_cases_down(np.minimum(spare[origin], missing[destination]), network.case_pack_units)
            units[lane] = sent
            spare[origin] -= sent
            missing[destination] -= sent
        return Moves(within_capacity(network, units))

    return policy


def nodewise(
    know: Knowledge,
    network: TwinNetwork,
    *,
    rules: MorningRules,
    has_transfers: bool = True,
    from_supplier: bool = False,
    fixed_targets: pd.DataFrame | None = None,
    fixed_transfers: pd.DataFrame | None = None,
) -> Policy:
    """The morning as it is run: targets, then transfers, then replenishments, from the forecast as it stands.

    With ``fixed_targets`` these hold every day; with ``fixed_transfers`` those leave on the first evening, and none on any other.
    """
    lane_of = {pair: i for i, pair in enumerate(zip(network.lane_origin, network.lane_destination, strict=True))}
    node_of = {node: i for i, node in enumerate(network.node_ids)}
    sku_of = {sku: i for i, sku in enumerate(network.sku_ids)}
    row_node = know.positions["node_id"].map(node_of).to_numpy()
    row_sku = know.positions["sku_id"].map(sku_of).to_numpy()

    def put(units: NDArray[np.int64], lines: pd.DataFrame, origin: str, destination: str, what: str) -> None:
        if len(lines):
            pairs = zip(lines[origin].map(node_of), lines[destination].map(node_of), strict=True)
            np.add.at(
                units, ([lane_of[pair] for pair in pairs], lines["sku_id"].map(sku_of).to_numpy()), lines[what].to_numpy(dtype=np.int64)
            )

    def policy(view: View) -> Moves:
        today = know.as_of_date + pd.Timedelta(days=view.day + 1)
        positions = know.positions.assign(
            on_hand_units=view.on_hand[row_node, row_sku],
            reserved_units=0,
            inbound_units=np.maximum(view.inbound - view.backlog, 0)[row_node, row_sku],
            remaining_season_days=(know.positions["remaining_season_days"] - view.day).clip(lower=0),
        )
        lanes = cheapest_modes(know.lanes).assign(ship_date=today + pd.Timedelta(days=1), next_ship_date=today + pd.Timedelta(days=2))
        targets = (
            fixed_targets
            if fixed_targets is not None
            else stock_targets(
                positions=positions,
                demand=know.interval(view.day),
                as_of_date=today,
                fixed_cost_per_order=rules.fixed_cost_per_order,
                longest_lot_days=rules.longest_lot_days,
            )
        )
        transfers = pd.DataFrame({"sku_id": [], "origin_node_id": [], "destination_node_id": [], "transfer_units": []})
        if fixed_transfers is not None:
            transfers = fixed_transfers if view.day == 0 else transfers
        elif has_transfers:
            transfers = _transfers(know, view.day, positions, lanes, today, rules)
        orders = plan_replenishments(
            positions=positions, targets=targets, transfers=transfers, lanes=lanes, as_of_date=today, pilot_only=False
        )
        units = np.zeros((len(network.lane_origin), len(network.sku_ids)), np.int64)
        put(units, transfers, "origin_node_id", "destination_node_id", "transfer_units")
        put(units, orders[orders["source"] != SUPPLIER], "source", "node_id", "ordered_units")
        bought = np.zeros_like(view.on_hand)
        if from_supplier:
            own = orders[orders["source"] == SUPPLIER]
            bought[own["node_id"].map(node_of).to_numpy(dtype=int), own["sku_id"].map(sku_of).to_numpy(dtype=int)] = own["ordered_units"]
        return Moves(within_capacity(network, units), bought if from_supplier else None)

    return policy


def _transfers(
    know: Knowledge,
    day: int,
    positions: pd.DataFrame,
    lanes: pd.DataFrame,
    today: pd.Timestamp,
    rules: MorningRules,
) -> pd.DataFrame:
    flows, interval = know.ahead(day), know.interval(day)
    units_per_day = interval.expected_units / interval.protection_days
    network = transfer_lanes(positions=positions, lanes=lanes, as_of_date=today)
    node = network.rows_of(positions["node_id"])
    sampled = lead_time_demand(
        flows=flows,
        seeds=path_seeds(as_of_date=today.date().isoformat(), sku_ids=positions["sku_id"].to_numpy()[flows.row_start[:-1]]),
        position_units=(positions["on_hand_units"] + positions["inbound_units"]).to_numpy(dtype=np.int64),
        lead_times=know.lead_times,
        review_period_days=days_to_supply(
            positions=positions, parent_row=flows.parent_row, units_per_day=units_per_day, lanes=lanes, as_of_date=today.date()
        ),
        arrival_days=network.arrival_days[node],
        next_arrival_days=network.next_arrival_days[node],
        level_correlation=know.level_correlation,
        region_correlation=know.region_correlation,
        sample_paths=rules.sample_paths,
    )
    return plan_transfers(
        positions=positions,
        demand=sampled,
        values=values_of_positions(positions=positions, demand=sampled, lanes=network, liquidation_share=rules.liquidation_share),
        units_per_day=units_per_day,
        lanes=lanes,
        open_transfers=pd.DataFrame(columns=list(OPEN_TRANSFERS.fields)),
        blocked_lines=pd.DataFrame(columns=["sku_id", "origin_node_id", "destination_node_id"]),
        as_of_date=today,
        rules=rules.transfers,
    ).lines


Maker = Callable[[Knowledge, TwinNetwork], Policy]


def shipped_policies(rules: MorningRules) -> dict[str, Maker]:
    """Every rule by name, nodewise last."""
    return {
        "do nothing": lambda know, network: do_nothing,
        "hub only": hub_only,
        "equal days of cover": equal_days_of_cover,
        "min/max 7-21 days": lambda know, network: min_max(know, network, min_days=7, max_days=21),
        "textbook safety stock": textbook,
        "nodewise": lambda know, network: nodewise(know, network, rules=rules),
    }
