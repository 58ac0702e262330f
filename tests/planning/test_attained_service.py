"""What the twin says of targets."""

import numpy as np
import pandas as pd
import pytest

from planning.attained_service import drawn_days, live, live_base_stock, service_attained, trial
from planning.interval_demand import interval_demand
from planning.lead_time_demand import path_seeds
from planning.stock_targets import stock_targets
from planning.twin_policies import Knowledge, echelon_units
from tests.planning.test_twin import _knowledge


def _targets(know: Knowledge) -> pd.DataFrame:
    return stock_targets(
        positions=know.positions, demand=know.interval(0), as_of_date=know.as_of_date, fixed_cost_per_order=0.0, longest_lot_days=7.0
    )


def test_drawn_days_have_the_mean_of_the_forecast_and_the_spread_of_the_interval() -> None:
    know, _ = _knowledge(1500, mean=3.0)
    flows = know.ahead(0)
    seeds = path_seeds(as_of_date="x", sku_ids=np.array([f"s{i}" for i in range(1500)], dtype=object))
    days = drawn_days(flows, seeds=seeds, day_count=8, level_correlation=0.3, region_correlation=0.1)
    leaf = flows.flow_row
    assert days[leaf].mean() == pytest.approx(3.0, rel=0.03)
    expected = interval_demand(
        flows=flows, lead_times=know.lead_times, review_period_days=np.full(len(days), 7), level_correlation=0.3, region_correlation=0.1
    )  # leads of one day and seven of review are eight days
    assert days[leaf].sum(axis=1).std() == pytest.approx(expected.std_units[leaf].mean(), rel=0.05)


def test_targets_attain_what_they_promise_at_the_nodes_that_serve_customers() -> None:
    know, _ = _knowledge(600)
    targets = _targets(know)
    stage = trial(know, seed=0)
    point, top = (targets[c].to_numpy(dtype=np.int64) for c in ("reorder_point_units", "order_up_to_units"))
    row = service_attained(stage, live(stage, reorder_point=point, order_up_to_units=top), targets, method="targets").iloc[0]
    assert row["sku_node_count"] == 1200
    assert row["attained_level"] == pytest.approx(0.95, abs=0.02)
    less = live(stage, reorder_point=point - 3, order_up_to_units=top - 3)
    assert service_attained(stage, less, targets, method="less").iloc[0]["attained_level"] < row["attained_level"] - 0.05


def test_a_hub_that_holds_nothing_still_orders_what_the_nodes_below_it_wait_for() -> None:
    know, _net = _knowledge(20)
    stage = trial(know, seed=0)
    per_day = know.own_units_per_day()
    base = np.where(per_day > 0, np.ceil(per_day * 18), 0).astype(np.int64)  # ten days of supplier and lane, and reviews, all at the shops
    lived = live_base_stock(stage, base_stock=base)
    assert lived.fill_rate > 0.9
    alone = live(stage, reorder_point=base - 1, order_up_to_units=base)
    assert alone.fill_rate < 0.5  # on its own the hub never sees a reason to order


def test_echelon_units_count_a_node_and_all_below_it() -> None:
    _, net = _knowledge(1)
    assert echelon_units(net, np.array([[3], [4], [5]])).ravel().tolist() == [3, 4, 12]


def test_the_same_seed_lives_the_same_story_and_another_another() -> None:
    know, _ = _knowledge(30)
    one, same, other = (trial(know, seed=s).scenario.demand for s in (1, 1, 2))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
