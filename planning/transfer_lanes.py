"""Lanes as the transfer planner uses them: arcs between nodes, with the day on which what they carry can be sold.

Belongs here: from open lanes to arrays, and what it costs to bring a unit now or at the next opportunity. Does not: what a unit is worth
(`marginal_value.py`), which lanes are used (`transfers.py`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.flow_arrays import Arcs

MOST_CLASSES = 4  # days of arrival told apart at a node; with more of them, some count as the next later one
NEVER = 100_000


@dataclass(frozen=True)
class TransferLanes:
    """Open lanes between nodes that carry stock, sorted by origin, destination and mode.

    Parameters
    ----------
    nodes : Index
        Node ids, sorted.
    table : DataFrame
        Frame `open_lanes`, one row an arc.
    arcs : Arcs
        Costs with handling at both ends.
    arrival_days, next_arrival_days : ndarray of int, shape (n_nodes, n_classes)
        Days from the evening of the plan until a unit can be sold that leaves now, or at the next opportunity; `NEVER` where there is none.
    next_arrival_of_arc : ndarray of int, shape (n_arcs,)
    """

    nodes: pd.Index
    table: pd.DataFrame
    arcs: Arcs
    arrival_days: NDArray[np.int64]
    next_arrival_days: NDArray[np.int64]
    next_arrival_of_arc: NDArray[np.int64]

    def rows_of(self, node_ids: pd.Series) -> NDArray[np.int64]:
        """Number of each node."""
        return self.nodes.get_indexer(node_ids).astype(np.int64)


def transfer_lanes(*, positions: pd.DataFrame, lanes: pd.DataFrame, as_of_date: pd.Timestamp) -> TransferLanes:
    """Arrange the open lanes between the nodes of the positions.

    Parameters
    ----------
    positions, lanes : DataFrame
        Frames `stock_positions`, `open_lanes`.
    as_of_date : Timestamp
    """
    nodes = pd.Index(sorted(set(positions["node_id"])))
    ends = ["origin_node_id", "destination_node_id"]
    here = lanes[lanes[ends[0]].isin(nodes) & lanes[ends[1]].isin(nodes) & (lanes[ends[0]] != lanes[ends[1]])]
    table = here.sort_values([*ends, "mode"], ignore_index=True)
    origin, destination = nodes.get_indexer(table[ends[0]]).astype(np.int64), nodes.get_indexer(table[ends[1]]).astype(np.int64)
    handling = positions.drop_duplicates("node_id").set_index("node_id")["handling_cost_per_unit"].astype(float).reindex(nodes).to_numpy()
    lead = np.ceil(table["lead_time_days"].to_numpy(dtype=float)).astype(np.int64)
    arrives = _days(table["ship_date"], as_of_date) + lead
    following = table["next_ship_date"].isna().to_numpy()
    again = np.where(following, NEVER, _days(table["next_ship_date"], as_of_date) + lead)
    arrival = _classes(destination, arrives, len(nodes))
    of_arc = (arrival[destination] < arrives[:, None]).sum(axis=1)
    next_arrival = np.full(arrival.shape, NEVER)
    np.minimum.at(next_arrival, (destination, of_arc), again)
    arcs = Arcs(
        start=np.searchsorted(origin, np.arange(len(nodes) + 1)).astype(np.int64),
        origin=origin,
        destination=destination,
        arrival_class=of_arc.astype(np.int64),
        cost_per_unit=table["cost_per_unit"].to_numpy(dtype=float) + handling[origin] + handling[destination],
        cost_per_kg=table["cost_per_kg"].to_numpy(dtype=float),
        carry_days=table["lead_time_days"].to_numpy(dtype=float),
    )
    return TransferLanes(nodes, table, arcs, arrival, next_arrival, again.astype(np.int64))


def _days(dates: pd.Series, as_of_date: pd.Timestamp) -> NDArray[np.int64]:
    return (pd.to_datetime(dates).fillna(as_of_date) - as_of_date).dt.days.to_numpy(dtype=np.int64)


def _classes(destination: NDArray[np.int64], arrives: NDArray[np.int64], n_nodes: int) -> NDArray[np.int64]:
    """Days of arrival told apart at each node, ascending; a node with fewer repeats its last one."""
    days = [np.unique(arrives[destination == node]) for node in range(n_nodes)]
    widest = min(max((len(one) for one in days), default=1), MOST_CLASSES) or 1
    out = np.ones((n_nodes, widest), np.int64)
    for node, one in enumerate(days):
        if len(one):
            kept = one[np.ceil(np.linspace(0, len(one) - 1, min(len(one), widest))).astype(int)]
            out[node] = np.r_[kept, np.repeat(kept[-1], widest - len(kept))]
    return out


def ways_in(
    *,
    positions: pd.DataFrame,
    lanes: TransferLanes,
    wanted_units: NDArray[np.float64],
    idle_units: NDArray[np.float64],
    most_cost_per_unit: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Least cost of bringing a unit to each row at the next opportunity, from a node that carries its SKU; infinity for no lane.

    A departure that costs is shared by the units that would want to leave with it: of every SKU, what its destination wants and its origin has idle,
    where that pays the freight.

    Parameters
    ----------
    positions : DataFrame
        Frame `stock_positions`.
    lanes : TransferLanes
    wanted_units : ndarray of shape (n_rows, n_classes)
        Expected units that would sell, by class of arrival.
    idle_units : ndarray of shape (n_rows,)
        Expected units that would not be missed.
    most_cost_per_unit : ndarray of shape (n_rows,)
        What a unit that sells is worth.

    Returns
    -------
    later_cost : ndarray of shape (n_rows,)
        By any lane.
    rescue_cost : ndarray of shape (n_rows, n_classes)
        By a lane that, at the next opportunity, still arrives no later than what leaves now and arrives in the class.
    """
    node = lanes.rows_of(positions["node_id"])
    sku, _ = pd.factorize(positions["sku_id"])
    idle = np.full((int(sku.max(initial=-1)) + 1, len(lanes.nodes)), np.nan)  # of nodes that carry the SKU
    idle[sku, node] = idle_units
    weight, departure = positions["weight_kg"].to_numpy(dtype=float), lanes.table["fixed_cost_per_shipment"].to_numpy(dtype=float)
    later, rescue = np.full(len(positions), np.inf), np.full((len(positions), lanes.arrival_days.shape[1]), np.inf)
    by_destination = np.argsort(lanes.arcs.destination, kind="stable")
    first = np.searchsorted(lanes.arcs.destination[by_destination], np.arange(len(lanes.nodes) + 1))
    rows_by_node = np.argsort(node, kind="stable")
    row_first = np.searchsorted(node[rows_by_node], np.arange(len(lanes.nodes) + 1))
    for at in range(len(lanes.nodes)):
        rows = rows_by_node[row_first[at] : row_first[at + 1]]
        for arc in by_destination[first[at] : first[at + 1]]:
            there = idle[sku[rows], lanes.arcs.origin[arc]]
            cost = lanes.arcs.cost_per_unit[arc] + lanes.arcs.cost_per_kg[arc] * weight[rows]
            load = np.minimum(wanted_units[rows, lanes.arcs.arrival_class[arc]], there)[cost < most_cost_per_unit[rows]]
            cost = np.where(np.isnan(there), np.inf, cost + departure[arc] / max(np.nansum(load), 1.0))
            later[rows] = np.minimum(later[rows], cost)
            in_time = lanes.next_arrival_of_arc[arc] <= lanes.arrival_days[at]
            rescue[rows] = np.where(in_time, np.minimum(rescue[rows], cost[:, None]), rescue[rows])
    return later, rescue


def cheapest_modes(lanes: pd.DataFrame) -> pd.DataFrame:
    """One lane for each pair of nodes: the cheapest a unit, then the fastest, then by name of its mode."""
    ends = ["origin_node_id", "destination_node_id"]
    ordered = lanes.assign(_cost=lanes["cost_per_unit"].astype(float)).sort_values([*ends, "_cost", "lead_time_days", "mode"])
    return ordered.drop_duplicates(ends).drop(columns="_cost").reset_index(drop=True)
