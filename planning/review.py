"""On which evenings a node looks at its stock and orders.

Belongs here: the calendar of reviews, and until when a node lives on what it has. Does not: what is ordered then (`replenishments.py`).
"""

import datetime as dt
from zlib import crc32

import numpy as np
import pandas as pd
from numpy.typing import NDArray


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


def days_to_supply(
    *, positions: pd.DataFrame, parent_row: NDArray[np.int64], units_per_day: NDArray[np.float64], as_of_date: dt.date
) -> NDArray[np.int64]:
    """Days from this evening to the review whose order will reach each row: the next one, or where the parent is short the parent's after it.

    Parameters
    ----------
    positions : DataFrame
        Frame `stock_positions`, children before their parent.
    parent_row : ndarray of int, shape (n_rows,)
        -1 for a row that the supplier serves, who is never short.
    units_per_day : ndarray of shape (n_rows,)
        Expected demand of each row and those it replenishes.
    as_of_date : date

    Notes
    -----
    A parent is short when what is free there is less than what its children will miss together before their next orders arrive. It is then
    supplied when its own next order arrives, or after its lead time alone if what is on its way already covers what is missing.
    """
    review = positions["review_period_days"].to_numpy(dtype=np.int64)
    days = days_until_next(node_ids=positions["node_id"], review_period_days=review, as_of_date=as_of_date)
    lead = np.ceil(positions["lead_time_days"].to_numpy(dtype=float)).astype(np.int64)
    inbound = positions["inbound_units"].to_numpy(dtype=float)
    on_hand = (positions["on_hand_units"] - positions["reserved_units"]).to_numpy(dtype=float)
    missing = np.maximum(units_per_day * (days + lead) - on_hand - inbound, 0.0)
    child = np.flatnonzero(parent_row >= 0)
    asked = np.bincount(parent_row[child], weights=missing[child], minlength=len(days))
    free = np.maximum(on_hand - positions["presentation_units"].to_numpy(dtype=float), 0.0)
    is_short, is_covered = asked > free, free + inbound >= asked
    supplied = days.copy()
    for row in child[::-1]:  # parents first
        up = parent_row[row]
        if is_short[up]:
            supplied[row] += lead[up] if is_covered[up] else supplied[up] + lead[up]
    return supplied
