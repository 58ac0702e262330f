"""What each node orders from its parent or its supplier.

Belongs here: order proposals from targets and positions, and sharing a parent that is short. Does not: the targets
(`safety_stock.py`), the moves between peers (`transfers.py`), whose units are already out of the parent's stock here.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.frames import REPLENISHMENTS
from planning.lot_sizes import shared_cases, whole_cases_up
from planning.pilot import line_status
from planning.review import days_to_review
from planning.transfer_lanes import cheapest_modes

SUPPLIER = "supplier"


def plan_replenishments(
    *,
    positions: pd.DataFrame,
    targets: pd.DataFrame,
    transfers: pd.DataFrame,
    lanes: pd.DataFrame,
    as_of_date: pd.Timestamp,
    pilot_only: bool,
) -> pd.DataFrame:
    """Order up to the target where a review is due and the position after today's transfers stands at or below the reorder point.

    Between reviews a node orders what cannot wait: its position is below what will be asked of it before the next review's order arrives, as after a
    review at which its parent was short. It does so where the sales in danger together pay the departure, or the lane is used today anyway.

    Parameters
    ----------
    positions, targets, transfers, lanes : DataFrame
        Frames `stock_positions`, `plan.stock_targets`, `plan.transfers`, `open_lanes`.
    as_of_date : Timestamp
    pilot_only : bool
        Lines of nodes outside the pilot cluster are shadows.

    Returns
    -------
    DataFrame
        Frame `plan.replenishments`. A parent that cannot serve all its children first brings them towards their reorder points, each by the
        same share of what it misses, then shares what is left of it for the rest of their lots, in whole cases; the line says ``parent_short``.
    """
    wanted_of = ["sku_id", "node_id", "reorder_point_units", "order_up_to_units", "demand_mean_units", "protection_days"]
    rows = positions.merge(targets[wanted_of], on=["sku_id", "node_id"])
    out = transfers.groupby(["sku_id", "origin_node_id"])["transfer_units"].sum()
    into = transfers.groupby(["sku_id", "destination_node_id"])["transfer_units"].sum()
    key = pd.MultiIndex.from_frame(rows[["sku_id", "node_id"]])
    leaving = out.reindex(key).fillna(0).to_numpy(dtype=float)
    arriving = into.reindex(key).fillna(0).to_numpy(dtype=float)
    free = (rows["on_hand_units"] - rows["reserved_units"] - rows["presentation_units"]).to_numpy(dtype=float) - leaving
    position = (rows["on_hand_units"] - rows["reserved_units"] + rows["inbound_units"]).to_numpy(dtype=float) - leaving + arriving
    pack = rows["case_pack_units"].to_numpy(dtype=np.int64)
    is_due, cannot_wait = _who_orders(rows, position, transfers, lanes, as_of_date)
    short = (is_due | cannot_wait) & (position <= rows["reorder_point_units"]) & (rows["order_up_to_units"] > position)
    wanted = np.where(short, whole_cases_up(np.maximum(rows["order_up_to_units"] - position, 0), pack), 0)

    needed = np.where(short, whole_cases_up(np.maximum(rows["reorder_point_units"] - position, 0), pack), 0)
    parent = rows["replenished_from_node_id"]
    rows = rows.assign(source=parent.where(parent.notna(), SUPPLIER))
    from_parent = (rows["source"] != SUPPLIER).to_numpy()
    stock = pd.Series(np.maximum(free, 0), index=key).reindex(pd.MultiIndex.from_frame(rows[["sku_id", "source"]])).fillna(0).to_numpy()
    ordered = _shared(rows, np.minimum(needed, wanted), np.where(from_parent, stock, np.inf), pack)
    given = pd.Series(ordered).groupby([rows["sku_id"], rows["source"]]).transform("sum").to_numpy(dtype=float)
    ordered = ordered + _shared(rows, wanted - ordered, np.where(from_parent, stock - given, np.inf), pack)
    lines = pd.DataFrame(
        {
            "as_of_date": as_of_date,
            "sku_id": rows["sku_id"],
            "node_id": rows["node_id"],
            "source": rows["source"],
            "ordered_units": ordered,
            "expected_date": as_of_date + pd.to_timedelta(1 + np.ceil(rows["lead_time_days"].to_numpy(dtype=float)), unit="D"),
            "reason_code": np.select([ordered < wanted, is_due], ["parent_short", "below_reorder_point"], "cannot_wait"),
        }
    )[wanted > 0]
    lines = lines.assign(status=line_status(lines, positions, node_columns=("node_id",), pilot_only=pilot_only))
    return REPLENISHMENTS.check(lines.sort_values(["sku_id", "node_id"], ignore_index=True))


def _who_orders(
    rows: pd.DataFrame, position: NDArray[np.float64], transfers: pd.DataFrame, lanes: pd.DataFrame, as_of_date: pd.Timestamp
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows whose review is due, and others whose safety stock is gone with the expected demand until the next one's order arrives."""
    to_review = days_to_review(
        node_ids=rows["node_id"], review_period_days=rows["review_period_days"].to_numpy(dtype=np.int64), as_of_date=as_of_date.date()
    )
    is_due = to_review == 0
    per_day = (rows["demand_mean_units"] / rows["protection_days"]).to_numpy(dtype=float)
    endangered = np.maximum(per_day * (to_review + rows["lead_time_days"].to_numpy(dtype=float)) - position, 0.0) * ~is_due
    lane = pd.MultiIndex.from_arrays([rows["replenished_from_node_id"].fillna(SUPPLIER), rows["node_id"]])
    margin = (rows["unit_price"] - rows["unit_cost"]).clip(lower=0).to_numpy(dtype=float) + rows["penalty_cost_per_unit"].to_numpy(
        dtype=float
    )
    stake = pd.Series(endangered * margin).groupby(lane).transform("sum").to_numpy()
    fixed = cheapest_modes(lanes).set_index(["origin_node_id", "destination_node_id"])["fixed_cost_per_shipment"].astype(float)
    used = pd.MultiIndex.from_frame(transfers[["origin_node_id", "destination_node_id"]]).unique()
    orders = is_due & (position <= rows["reorder_point_units"].to_numpy()) & (rows["order_up_to_units"].to_numpy() > position)
    has_lane = rows["replenished_from_node_id"].notna().to_numpy()
    leaves = (lane.isin(used) | pd.Series(orders).groupby(lane).transform("any").to_numpy()) & has_lane
    departure = np.where(leaves, 0.0, fixed.reindex(lane).fillna(0.0).to_numpy())
    return is_due, (endangered > 0) & (stake > departure)


def _shared(rows: pd.DataFrame, asked: NDArray[np.int64], stock: NDArray[np.float64], pack: NDArray[np.int64]) -> NDArray[np.int64]:
    """What each row gets of the stock of its SKU's source."""
    source, _ = pd.factorize(pd.MultiIndex.from_frame(rows[["sku_id", "source"]]))
    place = pd.Series(source).groupby(source).cumcount().to_numpy()
    shape = int(place.max(initial=-1)) + 1, int(source.max(initial=-1)) + 1
    dense = np.zeros(shape, np.int64)
    dense[place, source] = asked
    free, cases = np.full(shape[1], np.inf), np.ones(shape[1], np.int64)
    free[source], cases[source] = stock, pack
    return shared_cases(dense, free, cases)[place, source]
