import datetime as dt

import numpy as np
import pandas as pd

from planning.review import days_to_review, days_to_supply, days_until_next
from tests.planning.test_transfers import lanes, positions

DAY = dt.date(2026, 1, 31)
TOMORROW = pd.Timestamp(DAY) + pd.Timedelta(days=1)


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


def _supplied(hub: int, coming: int = 0, closed: str = "", **columns: object) -> list[int]:
    """Two shops that ask for three a day, a day from a hub that the supplier reaches in ten; all reviewed daily unless said otherwise."""
    base = {
        "node_id": ["a", "b", "hub"], "inbound_units": [0, 0, coming], "review_period_days": 1, "lead_time_days": [1.0, 1.0, 10.0],
        "replenished_from_node_id": ["hub", "hub", None],
    }  # fmt: skip
    rows = positions([0, 0, hub], **(base | columns))
    lane = lanes([("hub", "a"), ("hub", "b")], fixed_cost_per_shipment=100.0, ship_date=[TOMORROW, TOMORROW + pd.Timedelta(days=2)])
    lane = lane[lane["destination_node_id"] != closed]
    found = days_to_supply(
        positions=rows, parent_row=np.array([2, 2, -1]), units_per_day=np.array([3.0, 3.0, 6.0]), lanes=lane, as_of_date=DAY
    )
    return found.tolist()


def test_a_node_whose_parent_has_enough_lives_on_what_it_has_until_the_departure_after_its_review() -> None:
    assert _supplied(hub=12) == [0, 2, 0]


def test_a_closed_lane_brings_nothing_before_the_next_review() -> None:
    assert _supplied(hub=12, closed="b") == [0, 1, 0]


def test_a_node_whose_parent_is_short_lives_on_what_it_has_until_the_parent_is_supplied() -> None:
    assert _supplied(hub=11) == [1 + 10, 1 + 10, 0]  # the hub orders this evening; the shops, when it arrives
    assert _supplied(hub=0, coming=50) == [11, 11, 0]  # what is under way comes within the lead time


def test_a_node_that_cannot_wait_for_its_review_is_served_this_evening_if_its_sales_pay_the_departure() -> None:
    until = days_until_next(node_ids=pd.Series(["a", "b", "hub"]), review_period_days=np.array([30, 30, 1]), as_of_date=DAY)
    months = np.array([30, 30, 1])
    assert _supplied(hub=900, review_period_days=months) == [0, 2, 0]  # dozens of sales at 10 each pay 100
    calm = _supplied(hub=900, review_period_days=months, unit_price=1.5)
    assert calm == [until[0], until[1], 0] and min(calm[:2]) > 2


def test_what_the_supplier_would_bring_after_the_last_day_of_sale_does_not_come() -> None:
    assert _supplied(hub=12, remaining_season_days=9) == [0, 2, 9]
    assert _supplied(hub=12, remaining_season_days=11) == [0, 2, 0]
    assert _supplied(hub=11, remaining_season_days=9) == [1 + 10 + 9, 1 + 10 + 9, 9]
