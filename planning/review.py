"""On which evenings a node looks at its stock and orders.

Belongs here: the calendar of reviews, and until when a node lives on what it has. Does not: what is ordered then (`replenishments.py`).
"""

import datetime as dt
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.lead_time_demand import parents_first
from planning.transfer_lanes import cheapest_modes

_SEASON_DAYS = 365  # longer than any horizon
_NO_LANES = pd.MultiIndex.from_arrays([[], []])


def days_to_review(*, node_ids: pd.Series, review_period_days: NDArray[np.int64], as_of_date: dt.date) -> NDArray[np.int64]:
    """Days from this evening to the next review of each row, 0 when it is due now; nodes take turns, so that work spreads over the week.

    A node's turn is the CRC-32 of its id, so it never changes, and SKUs of a node that share a period are ordered together.

    Examples
    --------
    >>> days_to_review(node_ids=pd.Series(["a", "a"]), review_period_days=np.array([7, 1]), as_of_date=dt.date(2026, 1, 31)).tolist()
    [4, 0]
    """
    code, names = pd.factorize(node_ids)
    turn = np.array([crc32(str(name).encode()) for name in names], dtype=np.int64)[code]
    return (-(as_of_date.toordinal() + turn)) % np.maximum(review_period_days, 1)


def days_until_next(*, node_ids: pd.Series, review_period_days: NDArray[np.int64], as_of_date: dt.date) -> NDArray[np.int64]:
    """Days from this evening to the first review after it, from 1 to the review period."""
    due = days_to_review(node_ids=node_ids, review_period_days=review_period_days, as_of_date=as_of_date)
    return np.where(due == 0, np.maximum(review_period_days, 1), due)


def departures(*, positions: pd.DataFrame, lanes: pd.DataFrame, as_of_date: pd.Timestamp) -> pd.Series:
    """Day on which what a row orders this evening leaves: the next departure of the lane that replenishes it, none where that is closed; tomorrow from the
    supplier.
    """
    lane = pd.MultiIndex.from_frame(positions[["replenished_from_node_id", "node_id"]])
    leaves = cheapest_modes(lanes).set_index(["origin_node_id", "destination_node_id"])["ship_date"].reindex(lane)
    of_lane = pd.Series(pd.to_datetime(leaves).to_numpy(), index=positions.index)
    return of_lane.where(positions["replenished_from_node_id"].notna(), as_of_date + pd.Timedelta(days=1))


def who_orders(
    *,
    positions: pd.DataFrame,
    position_units: NDArray[np.float64],
    units_per_day: NDArray[np.float64],
    is_low: NDArray[np.bool_],
    leaving: pd.MultiIndex,
    lanes: pd.DataFrame,
    as_of_date: dt.date,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Rows whose review is due this evening, and others that cannot wait for theirs.

    A row cannot wait when its position is below what will be asked of it before the next review's order arrives. It is then ordered for where the sales
    in danger on its lane together pay the departure, or the lane is used this evening anyway.

    Parameters
    ----------
    positions : DataFrame
        Frame `stock_positions`.
    position_units, units_per_day : ndarray of shape (n_rows,)
        What stands and comes; expected demand of each row and those it replenishes.
    is_low : ndarray of bool, shape (n_rows,)
        Rows that order if they are due.
    leaving : MultiIndex
        Origin and destination of the lanes on which transfers leave this evening.
    lanes : DataFrame
        Frame `open_lanes`.
    as_of_date : date

    Returns
    -------
    is_due, cannot_wait : ndarray of bool, shape (n_rows,)
    """
    review = positions["review_period_days"].to_numpy(dtype=np.int64)
    to_review = days_to_review(node_ids=positions["node_id"], review_period_days=review, as_of_date=as_of_date)
    is_due = to_review == 0
    lead = positions["lead_time_days"].to_numpy(dtype=float)
    endangered = np.maximum(units_per_day * (to_review + lead) - position_units, 0.0) * ~is_due
    margin = (positions["unit_price"] - positions["unit_cost"]).clip(lower=0).to_numpy(dtype=float)
    worth = endangered * (margin + positions["penalty_cost_per_unit"].to_numpy(dtype=float))
    parent = positions["replenished_from_node_id"]
    lane = pd.MultiIndex.from_arrays([parent.fillna(""), positions["node_id"]])
    number, _ = pd.factorize(lane)
    stake = np.bincount(number, weights=worth)[number]
    is_used = (np.bincount(number, weights=is_due & is_low)[number] > 0) | lane.isin(leaving)
    fixed = cheapest_modes(lanes).set_index(["origin_node_id", "destination_node_id"])["fixed_cost_per_shipment"].astype(float)
    departure = np.where(is_used & parent.notna().to_numpy(), 0.0, fixed.reindex(lane).fillna(0.0).to_numpy())
    return is_due, (endangered > 0) & (stake > departure)


def days_to_supply(
    *,
    positions: pd.DataFrame,
    parent_row: NDArray[np.int64],
    units_per_day: NDArray[np.float64],
    lanes: pd.DataFrame,
    as_of_date: dt.date,
) -> NDArray[np.int64]:
    """Days from this evening to the review whose order will reach each row: this evening where it is due or cannot wait (0, and as many more as its
    lane waits for a departure), else or where that lane is closed the next one, or where the parent is short the one after the parent's.

    Parameters
    ----------
    positions : DataFrame
        Frame `stock_positions`, children before their parent.
    parent_row : ndarray of int, shape (n_rows,)
        -1 for a row that the supplier serves, who is never short.
    units_per_day : ndarray of shape (n_rows,)
        Expected demand of each row and those it replenishes.
    lanes : DataFrame
        Frame `open_lanes`.
    as_of_date : date

    Notes
    -----
    A parent is short when what is free there is less than what its children will miss together before their next orders arrive. It is then
    supplied when its own next order arrives, or after its lead time alone if what is on its way already covers what is missing. What the supplier
    would bring after a SKU's last day of sale is not ordered: until then its nodes live on what there is.
    """
    review = positions["review_period_days"].to_numpy(dtype=np.int64)
    days = days_until_next(node_ids=positions["node_id"], review_period_days=review, as_of_date=as_of_date)
    lead = np.ceil(positions["lead_time_days"].to_numpy(dtype=float)).astype(np.int64)
    inbound = positions["inbound_units"].to_numpy(dtype=float)
    on_hand = (positions["on_hand_units"] - positions["reserved_units"]).to_numpy(dtype=float)
    missing = np.maximum(units_per_day * (days + lead) - on_hand - inbound, 0.0)
    is_due, cannot_wait = who_orders(
        positions=positions, position_units=on_hand + inbound, units_per_day=units_per_day, is_low=missing > 0, leaving=_NO_LANES, lanes=lanes,
        as_of_date=as_of_date,
    )  # fmt: skip
    child = np.flatnonzero(parent_row >= 0)
    asked = np.bincount(parent_row[child], weights=missing[child], minlength=len(days))
    free = np.maximum(on_hand - positions["presentation_units"].to_numpy(dtype=float), 0.0)
    is_short, is_covered = asked > free, free + inbound >= asked
    today = pd.Timestamp(as_of_date)
    waits = (departures(positions=positions, lanes=lanes, as_of_date=today) - today).dt.days.to_numpy(dtype=float) - 1
    supplied = np.where((is_due | cannot_wait) & ~np.isnan(waits), waits, days)
    season = positions["remaining_season_days"].to_numpy(dtype=float, na_value=np.inf)
    supplied = np.where((parent_row < 0) & (supplied + lead >= season), np.minimum(season, _SEASON_DAYS), supplied).astype(np.int64)
    for rows in parents_first(parent_row):
        up = parent_row[rows]
        refilled = days[rows] + lead[up] + np.where(is_covered[up], 0, supplied[up])
        supplied[rows] = np.where(is_short[up], refilled, supplied[rows])
    return supplied
