"""The twin's network from the frames of a morning, and units of their rows in its shape.

Belongs here: the two conversions. Does not: the twin (`twin.py`).
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.marginal_value import DAYS_PER_YEAR
from planning.transfer_lanes import cheapest_modes
from planning.twin import TwinNetwork


def twin_network(
    *,
    positions: pd.DataFrame,
    lanes: pd.DataFrame,
    final_mile_cost_per_unit: dict[str, float],
    outbound_units_per_day: dict[str, float],
    order_cost: float,
) -> TwinNetwork:
    """The network of the frames `stock_positions` and `open_lanes`; SKUs in the order of the positions; nodes that a dict lacks cost nothing
    on the final mile and ship without limit.
    """
    nodes = pd.Index(sorted(set(positions["node_id"])))
    skus = pd.Index(positions["sku_id"].unique())
    at = nodes.get_indexer(positions["node_id"]), skus.get_indexer(positions["sku_id"])

    def dense(values: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.zeros((len(nodes), len(skus)))
        out[at] = values
        return out

    lanes = cheapest_modes(lanes)
    here = lanes[lanes["origin_node_id"].isin(nodes) & lanes["destination_node_id"].isin(nodes)].reset_index(drop=True)
    origin, destination = nodes.get_indexer(here["origin_node_id"]), nodes.get_indexer(here["destination_node_id"])
    one = positions.drop_duplicates("sku_id").set_index("sku_id").loc[skus]
    handling = positions.drop_duplicates("node_id").set_index("node_id").loc[nodes, "handling_cost_per_unit"].to_numpy(dtype=float)
    per_unit = here["cost_per_unit"].to_numpy(dtype=float) + handling[origin] + handling[destination]
    per_kg = here["cost_per_kg"].to_numpy(dtype=float)
    known = positions.dropna(subset="replenished_from_node_id").drop_duplicates("node_id")
    parent = dict(zip(known["node_id"], known["replenished_from_node_id"], strict=True))
    lane_of = {pair: i for i, pair in enumerate(zip(here["origin_node_id"], here["destination_node_id"], strict=True))}
    carried = np.zeros((len(nodes), len(skus)), bool)
    carried[at] = True
    return TwinNetwork(
        node_ids=tuple(nodes),
        sku_ids=tuple(skus),
        is_carried=carried,
        parent_lane=np.array([lane_of.get((parent.get(node), node), -1) for node in nodes]),
        lane_origin=origin,
        lane_destination=destination,
        lane_cost_per_unit=per_unit[:, None] + per_kg[:, None] * one["weight_kg"].to_numpy(dtype=float),
        lane_fixed_cost=here["fixed_cost_per_shipment"].to_numpy(dtype=float),
        lane_capacity_units=here["capacity_units_per_day"].astype(float).fillna(np.inf).to_numpy(),
        outbound_capacity_units=np.array([outbound_units_per_day.get(node, np.inf) for node in nodes]),
        holding_cost_per_unit_day=dense(
            (positions["holding_cost_rate_per_year"] * positions["unit_cost"]).to_numpy(dtype=float) / DAYS_PER_YEAR
        ),
        shortage_cost_per_unit=dense(
            (positions["unit_price"] - positions["unit_cost"]).clip(lower=0).to_numpy(dtype=float)
            + positions["penalty_cost_per_unit"].to_numpy(dtype=float)
        ),
        final_mile_cost_per_unit=np.array([final_mile_cost_per_unit.get(node, 0.0) for node in nodes]),
        order_cost=order_cost,
        case_pack_units=one["case_pack_units"].to_numpy(dtype=np.int64),
    )


def dense_units(network: TwinNetwork, positions: pd.DataFrame, units: NDArray[np.int64]) -> NDArray[np.int64]:
    """Units of the rows of ``positions``, ndarray (…, n_rows), as (…, n_nodes, n_skus)."""
    node = pd.Index(network.node_ids).get_indexer(positions["node_id"])
    sku = pd.Index(network.sku_ids).get_indexer(positions["sku_id"])
    out = np.zeros((*np.shape(units)[:-1], len(network.node_ids), len(network.sku_ids)), np.int64)
    out[..., node, sku] = units
    return out
