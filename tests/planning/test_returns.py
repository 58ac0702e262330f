import numpy as np
import pandas as pd

from planning.returns import return_dispositions
from tests.planning.test_transfers import DAY, demand, lanes, positions, values


def _disposed(on_hand: list[int], wanted: list[int], condition: str = "saleable", cost: float = 2.0, liquidation: float = 0.3) -> pd.Series:
    """Returns of two units at n0; demand is certain; margin 10, unit cost 1."""
    sampled = demand(np.repeat(np.array(wanted)[:, None], 32, axis=1))
    return return_dispositions(
        returned=pd.DataFrame({"sku_id": ["s"], "node_id": ["n0"], "condition": [condition], "returned_units": [2]}),
        positions=positions(on_hand), values=values(sampled, on_hand), units_per_day=np.array(wanted) / 7, lanes=lanes([("n0", "n1")], cost), as_of_date=DAY,
        refurbish_cost_share=0.2, liquidation_share=liquidation,
    ).iloc[0]  # fmt: skip


def test_a_unit_that_sells_where_it_came_back_stays() -> None:
    row = _disposed([5, 5], [9, 5])
    assert (row["disposition"], row["destination_node_id"], row["unit_value"]) == ("restock", "n0", 10.0)


def test_a_unit_that_nobody_wants_here_goes_where_it_is_worth_most_less_the_lane() -> None:
    row = _disposed([5, 5], [0, 9])
    assert (row["disposition"], row["destination_node_id"], row["unit_value"], row["here_value"]) == ("move", "n1", 8.0, 0.0)


def test_a_lane_that_costs_more_than_the_sale_leaves_it_to_the_liquidator() -> None:
    row = _disposed([5, 5], [0, 9], cost=11.0)
    assert (row["disposition"], row["unit_value"], row["destination_node_id"]) == ("liquidate", 0.3, None)
    assert _disposed([5, 5], [0, 9], cost=11.0, liquidation=0.0)["disposition"] == "restock"


def test_a_unit_that_sells_later_saves_a_purchase_and_is_not_sold_off() -> None:
    row = _disposed([15, 15], [7, 7], cost=11.0)
    assert (row["disposition"], row["unit_value"]) == ("restock", 1.0)


def test_work_is_done_on_a_unit_that_sells_for_more_than_the_work() -> None:
    row = _disposed([0, 0], [9, 0], condition="refurbish")
    assert (row["disposition"], row["unit_value"]) == ("refurbish", 9.8)
    assert _disposed([5, 5], [0, 0], condition="refurbish")["disposition"] == "liquidate"
    assert _disposed([5, 5], [9, 9], condition="scrap")["disposition"] == "scrap"


def test_returns_of_a_sku_that_no_node_carries_make_no_line() -> None:
    found = return_dispositions(
        returned=pd.DataFrame({"sku_id": ["gone"], "node_id": ["n0"], "condition": ["saleable"], "returned_units": [1]}),
        positions=positions([1]), values=values(demand(np.zeros((1, 8))), [1]), units_per_day=np.zeros(1), lanes=lanes([]), as_of_date=DAY, refurbish_cost_share=0.2,
        liquidation_share=0.3,
    )  # fmt: skip
    assert found.empty
