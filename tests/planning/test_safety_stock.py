import numpy as np
import pytest

from planning.safety_stock import (
    cycle_service_level,
    expected_shortage_per_cycle,
    fill_rate,
    newsvendor_normal,
    safety_stock_for_fill_rate,
    textbook_safety_stock,
)


def test_chopra_meindl_example_12_1() -> None:
    sd = 500 * np.sqrt(2)
    assert cycle_service_level(safety_stock_units=1000, demand_std_units=sd) == pytest.approx(0.9214, rel=1e-4)
    assert expected_shortage_per_cycle(safety_stock_units=1000, demand_std_units=sd) == pytest.approx(25.13, rel=1e-3)
    assert fill_rate(safety_stock_units=1000, demand_std_units=sd, lot_units=10_000) == pytest.approx(0.9975, rel=1e-4)


def test_chopra_meindl_exercise_11_4() -> None:
    sd = 150 * np.sqrt(2)
    assert cycle_service_level(safety_stock_units=100, demand_std_units=sd) == pytest.approx(0.6813, rel=1e-4)
    assert expected_shortage_per_cycle(safety_stock_units=100, demand_std_units=sd) == pytest.approx(43.86, rel=1e-3)
    assert fill_rate(safety_stock_units=100, demand_std_units=sd, lot_units=1000) == pytest.approx(0.956, rel=1e-3)


def test_chopra_meindl_safety_stock_grows_with_the_spread_of_the_lead_time() -> None:
    found = textbook_safety_stock(
        cycle_service_level=np.full(8, 0.90),
        demand_mean_units_per_day=np.full(8, 2500.0),
        demand_std_units_per_day=np.full(8, 500.0),
        lead_time_days=np.full(8, 7.0),
        lead_time_std_days=np.arange(8.0),
    )
    assert found == pytest.approx([1695, 3625, 6628, 9760, 12927, 16109, 19298, 22491], rel=1e-3)


def test_chopra_meindl_safety_stock_for_a_fill_rate() -> None:
    found = safety_stock_for_fill_rate(fill_rate_target=0.975, demand_std_units=500 * np.sqrt(2), lot_units=10_000)
    assert found == pytest.approx(66.7, abs=0.1)


def test_snyder_and_shen_newsvendors_with_normal_demand() -> None:
    same = {"holding_cost_per_unit": 0.18, "shortage_cost_per_unit": 0.70}
    assert newsvendor_normal(demand_mean_units=50, demand_std_units=8, **same) == pytest.approx((56.60396, 1.997605), rel=1e-6)
    with_lead_time = newsvendor_normal(demand_mean_units=250, demand_std_units=8 * np.sqrt(5), **same)
    assert with_lead_time == pytest.approx((264.7669, 4.466781), rel=1e-6)
    found = newsvendor_normal(demand_mean_units=120, demand_std_units=10, holding_cost_per_unit=2, shortage_cost_per_unit=18)
    assert found == pytest.approx((132.8155, 35.0997), rel=1e-5)


def test_four_equal_nodes_merged_hold_half_the_safety_stock() -> None:
    def stock(std: float) -> float:
        return textbook_safety_stock(
            cycle_service_level=np.array([0.95]), demand_mean_units_per_day=np.array([9.0]), demand_std_units_per_day=np.array([std]),
            lead_time_days=np.array([6.0]), lead_time_std_days=np.zeros(1),
        ).item()  # fmt: skip

    assert stock(np.sqrt(4) * 3.0) == pytest.approx(0.5 * 4 * stock(3.0))
