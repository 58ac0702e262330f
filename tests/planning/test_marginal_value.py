"""What one more or one less unit changes, counted by selling it."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from planning.lead_time_demand import LeadTimeDemand
from planning.marginal_value import MarginalValues, marginal_values, path_units

PATHS = 5
UNITS = st.integers(0, 9)
DEMAND = arrays(np.int32, (2, PATHS), elements=UNITS)


def sold(on_hand: np.ndarray, at_parent: int, within: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Sales of two children until their parent is supplied, by path: of their own stock first, then of what the parent has left."""
    first = np.minimum(on_hand[:, None], within)
    left = on_hand[:, None] - first
    second = np.minimum(left, after)
    return (first + second).sum(axis=0) + np.minimum((after - second).sum(axis=0), at_parent)


def tabulated(on_hand: np.ndarray, at_parent: int, within: np.ndarray, after: np.ndarray) -> MarginalValues:
    asked = np.maximum(after - np.maximum(on_hand[:, None] - within, 0), 0).sum(axis=0, dtype=np.int32)
    horizon = np.vstack([within, asked])
    never = np.zeros((3, 1, PATHS), np.int32)
    drawn = LeadTimeDemand(
        horizon, never, horizon[:, None], horizon, np.vstack([after, np.zeros_like(asked)]), np.array([2, 2, -1]), np.full(3, 7.0)
    )
    same = {"unit_price": np.full(3, 2.0), "unit_cost": np.ones(3), "later_cost_per_unit": np.full(3, np.inf)}
    none = ("penalty_cost_per_unit", "holding_cost_rate_per_year", "holding_days", "ageing_cost_per_unit")
    return marginal_values(
        units=path_units(demand=drawn, position_units=np.r_[on_hand, at_parent]), rescue_cost_per_unit=np.full((3, 1), np.inf), **same, **{n: np.zeros(3) for n in none}
    )  # fmt: skip


@given(arrays(np.int64, 2, elements=UNITS), UNITS, DEMAND, DEMAND)
def test_a_unit_at_a_child_is_worth_what_the_family_sells_more_for_it(
    on_hand: np.ndarray, at_parent: int, within: np.ndarray, after: np.ndarray
) -> None:
    table, whole = tabulated(on_hand, at_parent, within, after), sold(on_hand, at_parent, within, after)
    for k in range(1, int(on_hand[0]) + 1):
        missed = whole - sold(on_hand - np.array([k, 0]), at_parent, within, after)
        assert np.sum(k - np.minimum(table.surplus_units[0], k)) == missed.sum()
    for k in range(1, 10):
        more = sold(on_hand + np.array([k, 0]), at_parent, within, after) - whole
        assert np.minimum(table.sellable_units[0, 0], k).sum() == more.sum()


def test_units_that_move_between_the_children_of_a_short_parent_sell_either_way() -> None:
    on_hand, nothing = np.array([6, 0]), np.zeros((2, PATHS), np.int32)
    table = tabulated(on_hand, 3, nothing + np.array([[2], [4]], np.int32), nothing + 9)
    assert (table.surplus_units[0] == 0).all()
    rich = tabulated(on_hand, 30, nothing + np.array([[2], [4]], np.int32), nothing + 9)
    assert (rich.surplus_units[0] == 4).all()
