"""On which evenings a node looks at its stock and orders.

Belongs here: the calendar of reviews. Does not: what is ordered then (`replenishments.py`); between two reviews units come by transfer only.
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
