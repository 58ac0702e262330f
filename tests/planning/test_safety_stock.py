import numpy as np
import pytest

from planning.safety_stock import cycle_service_level, expected_shortage_per_cycle, fill_rate, reorder_points, textbook_safety_stock


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


def test_the_reorder_point_is_the_smallest_stock_that_attains_the_promise() -> None:
    demand = np.random.default_rng(1).poisson(9, (50, 256)).astype(np.int32)
    point = reorder_points(protection_units=demand, cycle_service_level=np.full(50, 0.95))
    attained = (demand <= point[:, None]).mean(axis=1)
    one_less = (demand <= point[:, None] - 1).mean(axis=1)
    assert np.all(attained >= 0.95)
    assert np.all(one_less < 0.95)
