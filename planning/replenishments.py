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
from planning.review import departures, who_orders

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
    review at which its parent was short. It does so where the sales in danger together pay the departure, or the lane is used today anyway. What its
    own parent sends ahead as a transfer is a part of that order, not instead of it. Nothing is ordered that would arrive after the last day of sale.

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
        Where the lane from the parent is closed nothing is sent, and the line says ``lane_closed``.
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
    own = transfers.groupby(["sku_id", "origin_node_id", "destination_node_id"])["transfer_units"].sum()
    lane = pd.MultiIndex.from_arrays([rows["sku_id"], rows["replenished_from_node_id"], rows["node_id"]])
    is_low = (position <= rows["reorder_point_units"]).to_numpy() & (rows["order_up_to_units"] > position).to_numpy()
    is_due, cannot_wait = who_orders(
        positions=rows, position_units=position - own.reindex(lane).fillna(0).to_numpy(dtype=float), is_low=is_low, lanes=lanes,
        units_per_day=(rows["demand_mean_units"] / rows["protection_days"]).to_numpy(dtype=float), as_of_date=as_of_date.date(),
        leaving=pd.MultiIndex.from_frame(transfers[["origin_node_id", "destination_node_id"]]).unique(),
    )  # fmt: skip
    leaves = departures(positions=rows, lanes=lanes, as_of_date=as_of_date)
    is_open = leaves.notna().to_numpy()
    arrives = leaves.fillna(as_of_date + pd.Timedelta(days=1)) + pd.to_timedelta(
        np.ceil(rows["lead_time_days"].to_numpy(dtype=float)), unit="D"
    )
    in_season = (arrives - as_of_date).dt.days.to_numpy() <= rows["remaining_season_days"].to_numpy(dtype=float, na_value=np.inf)
    short = (is_due | cannot_wait) & is_low & in_season
    wanted = np.where(short, whole_cases_up(np.maximum(rows["order_up_to_units"] - position, 0), pack), 0)

    needed = np.where(short, whole_cases_up(np.maximum(rows["reorder_point_units"] - position, 0), pack), 0)
    parent = rows["replenished_from_node_id"]
    rows = rows.assign(source=parent.where(parent.notna(), SUPPLIER))
    from_parent = (rows["source"] != SUPPLIER).to_numpy()
    stock = pd.Series(np.maximum(free, 0), index=key).reindex(pd.MultiIndex.from_frame(rows[["sku_id", "source"]])).fillna(0).to_numpy()
    ordered = _shared(rows, np.minimum(needed, wanted) * is_open, np.where(from_parent, stock, np.inf), pack)
    given = pd.Series(ordered).groupby([rows["sku_id"], rows["source"]]).transform("sum").to_numpy(dtype=float)
    ordered = ordered + _shared(rows, (wanted - ordered) * is_open, np.where(from_parent, stock - given, np.inf), pack)
    lines = pd.DataFrame(
        {
            "as_of_date": as_of_date,
            "sku_id": rows["sku_id"],
            "node_id": rows["node_id"],
            "source": rows["source"],
            "ordered_units": ordered,
            "expected_date": arrives,
            "reason_code": np.select(
                [~is_open, ordered < wanted, is_due], ["lane_closed", "parent_short", "below_reorder_point"], "cannot_wait"
            ),
        }
    )[wanted > 0]
    lines = lines.assign(status=line_status(lines, positions, node_columns=("node_id",), pilot_only=pilot_only))
    return REPLENISHMENTS.check(lines.sort_values(["sku_id", "node_id"], ignore_index=True))


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
