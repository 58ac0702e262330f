import numpy as np
import pandas as pd

from planning.replenishments import plan_replenishments
from planning.review import days_to_review
from tests.planning.test_transfers import DAY, lanes, positions

NO_LANES = lanes([])


def from_parent(parent: int, children: int) -> pd.DataFrame:
    return lanes([(f"n{parent}", f"n{child}") for child in range(children)])


NONE = pd.DataFrame({"sku_id": [], "origin_node_id": [], "destination_node_id": [], "transfer_units": []})


def _targets(point: list[int], up_to: list[int], per_day: float = 0.0) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sku_id": "s",
            "node_id": [f"n{i}" for i in range(len(point))],
            "reorder_point_units": point,
            "order_up_to_units": up_to,
            "demand_mean_units": 7.0 * per_day,
            "protection_days": 7.0,
        }
    )


def test_a_node_at_its_reorder_point_orders_up_to_its_target_in_cases() -> None:
    found = plan_replenishments(
        positions=positions([10], case_pack_units=12, review_period_days=1),
        targets=_targets([10], [30]),
        transfers=NONE,
        lanes=NO_LANES,
        as_of_date=DAY,
        pilot_only=False,
    )
    assert found[["source", "ordered_units", "reason_code"]].to_numpy().tolist() == [["supplier", 24, "below_reorder_point"]]


def test_what_is_inbound_or_arrives_by_transfer_is_not_ordered_again() -> None:
    moved = pd.DataFrame({"sku_id": ["s"], "origin_node_id": ["n1"], "destination_node_id": ["n0"], "transfer_units": [5]})
    found = plan_replenishments(
        positions=positions([4, 100], inbound_units=[6, 0], review_period_days=1),
        targets=_targets([14, 5], [30, 9]),
        transfers=moved,
        lanes=NO_LANES,
        as_of_date=DAY,
        pilot_only=False,
    )
    assert found.empty


def _from_a_parent_with(units: int) -> list[int]:
    found = plan_replenishments(
        positions=positions([0, 0, units], replenished_from_node_id=["n2", "n2", None], review_period_days=1),
        targets=_targets([20, 10, 0], [60, 30, 0]),
        transfers=NONE,
        lanes=from_parent(2, 2),
        as_of_date=DAY,
        pilot_only=False,
    )
    assert set(found["reason_code"]) == ({"parent_short"} if units < 90 else {"below_reorder_point"})
    return found["ordered_units"].tolist()


def test_a_parent_that_is_short_serves_what_is_missing_to_reorder_points_first_and_lots_with_the_rest() -> None:
    assert _from_a_parent_with(15) == [10, 5]
    assert _from_a_parent_with(30) == [20, 10]
    assert _from_a_parent_with(60) == [40, 20]
    assert _from_a_parent_with(90) == [60, 30]
    assert _from_a_parent_with(0) == [0, 0]


def test_a_large_lot_of_one_node_does_not_starve_another() -> None:
    found = plan_replenishments(
        positions=positions([0, 0, 30], replenished_from_node_id=["n2", "n2", None], review_period_days=1),
        targets=_targets([5, 20, 0], [500, 20, 0]),
        transfers=NONE,
        lanes=from_parent(2, 2),
        as_of_date=DAY,
        pilot_only=False,
    )
    assert found["ordered_units"].tolist() == [10, 20]


def test_what_the_parent_ships_by_transfer_is_not_promised_twice() -> None:
    moved = pd.DataFrame({"sku_id": ["s"], "origin_node_id": ["n1"], "destination_node_id": ["n9"], "transfer_units": [25]})
    found = plan_replenishments(
        positions=positions([0, 30], replenished_from_node_id=["n1", None], review_period_days=1),
        targets=_targets([5, 0], [40, 0]),
        transfers=moved,
        lanes=from_parent(1, 1),
        as_of_date=DAY,
        pilot_only=False,
    )
    assert found["ordered_units"].tolist() == [5]


def test_a_node_is_reviewed_once_a_period_on_its_own_day_and_orders_then_only() -> None:
    days = [DAY + pd.Timedelta(days=d) for d in range(14)]
    ordered = [
        plan_replenishments(
            positions=positions([0]), targets=_targets([10], [30]), transfers=NONE, lanes=NO_LANES, as_of_date=day, pilot_only=False
        )["ordered_units"].sum()
        for day in days
    ]
    assert sorted(ordered) == [0] * 12 + [30] * 2
    first, second = (i for i, units in enumerate(ordered) if units)
    assert second - first == 7


def test_between_reviews_a_node_orders_only_what_cannot_wait_for_the_next() -> None:
    off = next(d for d in (DAY + pd.Timedelta(days=i) for i in range(7)) if days_to_review(
        node_ids=pd.Series(["n0"]), review_period_days=np.array([7]), as_of_date=d.date())[0] == 4)  # fmt: skip

    def lines(on_hand: int) -> list[str]:
        found = plan_replenishments(
            positions=positions([on_hand], lead_time_days=1.0), targets=_targets([20], [20], per_day=2.0), transfers=NONE, lanes=NO_LANES, as_of_date=off,
            pilot_only=False,
        )  # fmt: skip
        return found["reason_code"].tolist()

    assert lines(10) == []  # five days at two a day
    assert lines(9) == ["cannot_wait"]


def test_what_cannot_wait_goes_when_it_pays_the_departure_or_the_lane_is_used_anyway() -> None:
    off = next(d for d in (DAY + pd.Timedelta(days=i) for i in range(7)) if days_to_review(
        node_ids=pd.Series(["n0"]), review_period_days=np.array([7]), as_of_date=d.date())[0] == 4)  # fmt: skip

    def lines(fixed: float, moved: pd.DataFrame = NONE) -> int:
        found = plan_replenishments(
            positions=positions([8, 90], replenished_from_node_id=["n1", None], lead_time_days=1.0), targets=_targets([20, 0], [20, 0], per_day=2.0),
            transfers=moved, lanes=lanes([("n1", "n0")], fixed_cost_per_shipment=fixed), as_of_date=off, pilot_only=False,
        )  # fmt: skip
        return len(found[found["node_id"] == "n0"])

    assert lines(fixed=19.0) == 1  # two units at a margin of ten are in danger
    assert lines(fixed=21.0) == 0
    moved = pd.DataFrame({"sku_id": ["t"], "origin_node_id": ["n1"], "destination_node_id": ["n0"], "transfer_units": [3]})
    assert lines(fixed=21.0, moved=moved) == 1


def test_the_last_cases_of_a_short_parent_are_shipped_too() -> None:
    found = plan_replenishments(
        positions=positions([0] * 10 + [9], replenished_from_node_id=["n10"] * 10 + [None], review_period_days=1),
        targets=_targets([1] * 10 + [0], [1] * 10 + [0]), transfers=NONE, lanes=from_parent(10, 10), as_of_date=DAY, pilot_only=False,
    )  # fmt: skip
    assert found["ordered_units"].tolist() == [1] * 9 + [0]
    cases = plan_replenishments(
        positions=positions([0, 0, 12], replenished_from_node_id=["n2", "n2", None], review_period_days=1, case_pack_units=12),
        targets=_targets([12, 12, 0], [12, 12, 0]), transfers=NONE, lanes=from_parent(2, 2), as_of_date=DAY, pilot_only=False,
    )  # fmt: skip
    assert cases["ordered_units"].tolist() == [12, 0]


def test_what_the_parent_sends_ahead_does_not_keep_a_node_from_its_lot() -> None:
    off = next(d for d in (DAY + pd.Timedelta(days=i) for i in range(7)) if days_to_review(
        node_ids=pd.Series(["n0"]), review_period_days=np.array([7]), as_of_date=d.date())[0] == 4)  # fmt: skip

    def ordered(origin: str) -> int:
        moved = pd.DataFrame({"sku_id": ["s"], "origin_node_id": [origin], "destination_node_id": ["n0"], "transfer_units": [4]})
        found = plan_replenishments(
            positions=positions([8, 90, 50], replenished_from_node_id=["n1", None, None], lead_time_days=1.0), transfers=moved, as_of_date=off,
            targets=_targets([20, 0, 0], [20, 0, 0], per_day=2.0), lanes=lanes([("n1", "n0"), ("n2", "n0")]), pilot_only=False,
        )  # fmt: skip
        return int(found.loc[found["node_id"] == "n0", "ordered_units"].sum())

    assert ordered("n1") == 20 - 8 - 4  # its own parent's units are a part of the lot
    assert ordered("n2") == 0  # another node's have answered what could not wait


def test_an_order_is_expected_its_lead_time_after_the_next_departure() -> None:
    found = plan_replenishments(
        positions=positions([0, 90, 0], replenished_from_node_id=["n1", None, None], lead_time_days=2.0, review_period_days=1),
        targets=_targets([20, 0, 5], [20, 0, 5]), transfers=NONE, lanes=lanes([("n1", "n0")], ship_date=DAY + pd.Timedelta(days=3)), as_of_date=DAY,
        pilot_only=False,
    )  # fmt: skip
    days = (found.set_index("node_id")["expected_date"] - DAY).dt.days
    assert days.to_dict() == {"n0": 3 + 2, "n2": 1 + 2}


def test_nothing_is_ordered_that_would_arrive_after_the_last_day_of_sale() -> None:
    def ordered(season_days: object) -> int:
        found = plan_replenishments(
            positions=positions([0], lead_time_days=4.0, review_period_days=1, remaining_season_days=season_days), targets=_targets([20], [20]),
            transfers=NONE, lanes=NO_LANES, as_of_date=DAY, pilot_only=False,
        )  # fmt: skip
        return int(found["ordered_units"].sum())

    assert [ordered(days) for days in (4, 5, None)] == [0, 20, 20]


def test_nothing_is_ordered_on_a_closed_lane_and_the_line_says_so() -> None:
    found = plan_replenishments(
        positions=positions([0, 0, 50], replenished_from_node_id=["n2", "n2", None], review_period_days=1), transfers=NONE, as_of_date=DAY,
        targets=_targets([20, 10, 0], [20, 10, 0]), lanes=lanes([("n2", "n1")]), pilot_only=False,
    )  # fmt: skip
    assert found[["node_id", "ordered_units", "reason_code"]].to_numpy().tolist() == [
        ["n0", 0, "lane_closed"],
        ["n1", 10, "below_reorder_point"],
    ]
