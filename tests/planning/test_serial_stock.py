import numpy as np
import pytest
from scipy.stats import poisson

from planning.errors import PlanningError
from planning.serial_stock import serial_base_stock


@pytest.mark.parametrize(
    ("holding", "stocks", "cost"),
    [([0.25, 0.25, 0.25, 0.25], [8, 13, 18, 22], 12.688), ([0.25, 2.5, 2.5, 0.25], [9, 10, 13, 19], 53.008)],
    ids=["1", "9"],
)
def test_shang_and_song_four_stages_in_a_row(holding: list[float], stocks: list[int], cost: float) -> None:
    """Poisson 16 a unit of time, a quarter of it from stage to stage, 9 for a customer waiting a unit of time."""
    found = serial_base_stock(echelon_holding_cost=np.array(holding), lead_time=np.full(4, 0.25), demand_rate=16.0, stockout_cost=9.0)
    assert found.echelon_base_stock_units.tolist() == stocks
    assert found.cost == pytest.approx(cost, rel=0.003)


def test_one_stage_is_the_newsvendor() -> None:
    found = serial_base_stock(echelon_holding_cost=np.array([200.0]), lead_time=np.array([1.0]), demand_rate=18.0, stockout_cost=270.0)
    k = np.arange(200)
    assert found.echelon_base_stock_units[0] == 19
    assert found.cost == pytest.approx(np.sum(poisson.pmf(k, 18) * (200 * np.maximum(19 - k, 0) + 270 * np.maximum(k - 19, 0))))


def test_numbers_out_of_range_are_refused() -> None:
    with pytest.raises(PlanningError, match="must be > 0"):
        serial_base_stock(echelon_holding_cost=np.array([0.0]), lead_time=np.array([1.0]), demand_rate=1.0, stockout_cost=1.0)
    with pytest.raises(PlanningError, match="lead times >= 0"):
        serial_base_stock(echelon_holding_cost=np.array([1.0]), lead_time=np.array([-1.0]), demand_rate=1.0, stockout_cost=1.0)
