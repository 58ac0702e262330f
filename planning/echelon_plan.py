"""What the guaranteed-service model would hold at every SKU-node, beside the targets that are in force.

Belongs here: SKU-nodes as networks, SKUs that share one solved side by side. Does not: the model (`echelons.py`), the targets in force
(`stock_targets.py`), which look at each node's own interval.
"""

from collections import defaultdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import ndtri

from planning.echelons import Network, optimize_service_times
from planning.frames import ECHELON_TARGETS
from planning.lead_time_demand import DemandFlows, LeadTimeDemand


def echelon_targets(*, positions: pd.DataFrame, flows: DemandFlows, demand: LeadTimeDemand, as_of_date: pd.Timestamp) -> pd.DataFrame:
    """Service times and safety stock of least holding cost for every SKU-node.

    Customers are served at once, nodes within what pays best and the policies allow; a node that serves both holds for its own customers apart. A day's deviation is read off
    the sampled demand of the interval, which upstream is that of all it replenishes, moving together as the paths do.

    Parameters
    ----------
    positions : DataFrame
        Frame `stock_positions`; rows by SKU, children before their parent.
    flows : DemandFlows
        Aligned with ``positions``.
    demand : LeadTimeDemand
        Aligned with ``positions``.
    as_of_date : Timestamp

    Returns
    -------
    DataFrame
        Frame `plan.echelon_targets`.
    """
    lead = (np.ceil(positions["lead_time_days"].to_numpy(dtype=float)) + positions["review_period_days"].to_numpy(dtype=float)).astype(
        np.int64
    )
    own = _own_deviation(flows, len(positions))
    factor = np.maximum(ndtri(positions["cycle_service_level"].to_numpy(dtype=float)), 0.0)
    deviation = demand.protection_units.std(axis=1) / np.sqrt(demand.protection_days)
    holding = (positions["holding_cost_rate_per_year"] * positions["unit_cost"]).to_numpy(dtype=float)
    most = positions["most_service_days"].to_numpy(dtype=float, na_value=-1).astype(np.int64)
    service, inbound, net = (np.zeros(len(positions), np.int64) for _ in range(3))
    held = np.zeros(len(positions))
    for rows, parent in _same_networks(flows, lead, own > 0):
        for tree in _trees(parent):
            at = rows[:, tree]
            counters = _with_both(tree, parent, own[at[0]] > 0)
            found = optimize_service_times(
                _network(at, tree, parent, counters, lead, most, holding * factor * deviation, holding * factor * own)
            )
            n = len(tree)
            service[at], inbound[at], net[at] = found.service_days[:, :n], found.inbound_days[:, :n], found.net_days[:, :n]
            held[at] = (factor * deviation)[at] * np.sqrt(found.net_days[:, :n])
            held[at[:, counters]] += (factor * own)[at[:, counters]] * np.sqrt(found.net_days[:, n:])
    return ECHELON_TARGETS.check(
        pd.DataFrame(
            {
                "as_of_date": as_of_date,
                "sku_id": positions["sku_id"].to_numpy(),
                "node_id": positions["node_id"].to_numpy(),
                "service_days": service,
                "inbound_service_days": inbound,
                "net_replenishment_days": net,
                "safety_stock_units": np.round(held, 6),
                "holding_cost_per_year": np.round(holding * held, 6),
            }
        )
    )


def _own_deviation(flows: DemandFlows, n_rows: int) -> NDArray[np.float64]:
    """Standard deviation of a day's demand of each row's own customers, 0 where it has none."""
    mean = flows.means.mean(axis=1)[flows.flow_series] * flows.flow_share
    variance = mean + flows.dispersions[flows.flow_series] * mean**2
    return np.sqrt(np.bincount(flows.flow_row, weights=variance, minlength=n_rows))


def _with_both(tree: NDArray[np.int64], parent: NDArray[np.int64], has_customers: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Places in the tree of nodes that serve customers and replenish other nodes."""
    return np.flatnonzero(has_customers & np.isin(tree, parent))


def _network(
    at: NDArray[np.int64],
    tree: NDArray[np.int64],
    parent: NDArray[np.int64],
    counters: NDArray[np.int64],
    lead: NDArray[np.int64],
    most: NDArray[np.int64],
    cost: NDArray[np.float64],
    cost_of_own: NDArray[np.float64],
) -> Network:
    """Stages of a tree of nodes, then a counter for each node that serves customers and nodes: it serves at once what its node promises."""
    place = {int(stage): i for i, stage in enumerate(tree)}
    links = [(place[int(parent[stage])], place[int(stage)]) for stage in tree if parent[stage] >= 0]
    counter_links = [(int(node), len(tree) + i) for i, node in enumerate(counters)]
    serves_at_once = ~np.isin(tree, parent)
    return Network(
        np.r_[lead[at[0]], np.zeros(len(counters), np.int64)],
        np.hstack([cost[at], cost_of_own[at[:, counters]]]),
        links + counter_links,
        np.hstack([np.where(serves_at_once, 0, most[at]), np.zeros((len(at), len(counters)), np.int64)]),
    )


def _same_networks(
    flows: DemandFlows, lead: NDArray[np.int64], has_customers: NDArray[np.bool_]
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows of the SKUs that share parents, lead times and customers, shape (n_skus, n_nodes), and the parent of each of the nodes."""
    start = flows.row_start
    offset = np.where(flows.parent_row >= 0, flows.parent_row - np.repeat(start[:-1], np.diff(start)), -1)
    described = np.column_stack([offset, lead, has_customers]).astype(np.int64)
    alike: dict[bytes, list[int]] = defaultdict(list)
    for sku in range(len(start) - 1):
        alike[described[start[sku] : start[sku + 1]].tobytes()].append(sku)
    out = []
    for skus in alike.values():
        size = start[skus[0] + 1] - start[skus[0]]
        rows = start[skus][:, None] + np.arange(size)[None, :]
        out.append((rows, offset[rows[0]]))
    return out


def _trees(parent: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Stages of each tree of a forest; a parent stands after its children."""
    root = np.arange(len(parent))
    for stage in range(len(parent) - 1, -1, -1):
        if parent[stage] >= 0:
            root[stage] = root[parent[stage]]
    return [np.flatnonzero(root == top) for top in np.unique(root)]
