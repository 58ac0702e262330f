import datetime as dt

import numpy as np
import pandas as pd

from planning.review import days_to_review, days_to_supply, days_until_next
from tests.planning.test_transfers import positions

DAY = dt.date(2026, 1, 31)


def test_every_node_is_due_once_a_period_and_nodes_take_turns() -> None:
    nodes = pd.Series([f"n{i}" for i in range(40)])
    due = np.array(
        [days_to_review(node_ids=nodes, review_period_days=np.full(40, 7), as_of_date=DAY + dt.timedelta(days=d)) == 0 for d in range(7)]
    )
    assert (due.sum(axis=0) == 1).all()
    assert due.sum(axis=1).max() < 15


def test_the_next_review_after_one_that_is_due_is_a_period_away() -> None:
    days = days_until_next(node_ids=pd.Series(["a", "a"]), review_period_days=np.array([1, 5]), as_of_date=DAY)
    assert days[0] == 1 and 1 <= days[1] <= 5


def _supplied(hub: int, coming: int = 0) -> list[int]:
    """Two shops that ask for three a day, reviewed daily, a day from a hub that the supplier reaches in ten."""
    rows = positions(
        [0, 0, hub], node_id=["a", "b", "hub"], inbound_units=[0, 0, coming], review_period_days=1, lead_time_days=[1.0, 1.0, 10.0]
    )
    found = days_to_supply(positions=rows, parent_row=np.array([2, 2, -1]), units_per_day=np.array([3.0, 3.0, 6.0]), as_of_date=DAY)
    return found.tolist()


def test_a_node_whose_parent_has_enough_waits_for_its_own_review_only() -> None:
    assert _supplied(hub=12) == [1, 1, 1]


def test_a_node_whose_parent_is_short_lives_on_what_it_has_until_the_parent_is_supplied() -> None:
    assert _supplied(hub=11) == [1 + 1 + 10, 1 + 1 + 10, 1]
    assert _supplied(hub=0, coming=50) == [11, 11, 1]  # what is under way comes within the lead time
