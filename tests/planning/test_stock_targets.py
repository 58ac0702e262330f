import numpy as np
import pytest

from planning.errors import InfeasiblePlanError
from planning.lead_time_demand import LeadTimeDemand
from planning.stock_targets import stock_targets
from tests.planning.test_transfers import DAY, positions


def _targets(**columns: object):
    sampled = np.sort(np.random.default_rng(2).poisson(10, (1, 1000)), axis=1).astype(np.int32)
    demand = LeadTimeDemand(sampled, np.zeros_like(sampled), sampled, np.array([10.0]))
    return stock_targets(positions=positions([5], **columns), demand=demand, as_of_date=DAY, fixed_cost_per_order=0.0).iloc[0]


def test_safety_stock_is_the_reorder_point_above_the_mean_and_order_up_to_adds_a_review_of_demand_in_cases() -> None:
    row = _targets(case_pack_units=6)
    point = row["reorder_point_units"]
    assert point in (15, 16)  # Poisson 10 at 95 % is 15; the sample may be one off
    assert row["safety_stock_units"] == pytest.approx(point - row["demand_mean_units"])
    assert row["order_up_to_units"] == point + 12  # a week is seven units, two cases


def test_the_policy_holds_the_target_between_its_limits() -> None:
    assert _targets(min_units=[40])["reorder_point_units"] == 40
    assert _targets(max_units=[8])["order_up_to_units"] == 8


def test_a_minimum_above_the_maximum_is_infeasible_and_named() -> None:
    with pytest.raises(InfeasiblePlanError, match=r"min_units lies above max_units at 1 of 1 SKU-nodes .s, n0."):
        _targets(min_units=[9], max_units=[8])
