import numpy as np
import pandas as pd
import pytest
from scipy.stats import nbinom, poisson

from planning.errors import InfeasiblePlanError
from planning.interval_demand import IntervalDemand, service_at
from planning.stock_targets import stock_targets
from tests.planning.test_transfers import DAY, positions


def _demand(mean: list[float], variance: list[float] | None = None, days: float = 10.0) -> IntervalDemand:
    m = np.array(mean)[:, None]
    v = m if variance is None else np.array(variance)[:, None]
    return IntervalDemand(m, v, np.ones_like(m), np.full(len(m), days), v[:, 0] / days)


def _targets(**columns: object) -> pd.Series:
    return stock_targets(
        positions=positions([5], **columns), demand=_demand([10.0]), as_of_date=DAY, fixed_cost_per_order=0.0, longest_lot_days=28.0
    ).iloc[0]


def test_safety_stock_is_the_reorder_point_above_the_mean_and_order_up_to_adds_what_a_lot_is_above_a_review_of_demand() -> None:
    row = _targets()
    assert row["reorder_point_units"] == poisson.ppf(0.95, 10) == 15
    assert row["safety_stock_units"] == pytest.approx(5)
    assert row["order_up_to_units"] == 15  # no cost of ordering: a review of demand is ordered at every review
    assert (row["reorder_point_days"], row["order_up_to_days"]) == (pytest.approx(15), pytest.approx(15))
    assert row["method"] == "cycle service level" and row["limited_by"] is None
    dear = stock_targets(
        positions=positions([5], case_pack_units=6, unit_cost=10.0, holding_cost_rate_per_year=3.65), demand=_demand([10.0]), as_of_date=DAY,
        fixed_cost_per_order=20.0, longest_lot_days=28.0,
    ).iloc[0]  # fmt: skip
    assert dear["order_up_to_units"] == 15 + 18  # a lot of 20, 13 above the week's 7, in cases of 6


def test_the_policy_holds_the_target_between_its_limits_in_units_and_in_days() -> None:
    assert _targets(min_units=[40])["reorder_point_units"] == 40
    assert _targets(min_days=[40])[["reorder_point_units", "limited_by"]].tolist() == [40, "policy minimum"]
    assert _targets(max_units=[8])[["order_up_to_units", "limited_by"]].tolist() == [8, "policy maximum"]
    assert _targets(max_days=[8])["order_up_to_units"] == 8
    assert _targets(presentation_units=[30])[["reorder_point_units", "limited_by"]].tolist() == [30, "presentation"]
    assert not _targets(max_units=[0])["is_stocked"]


def test_a_fill_rate_is_kept_by_the_smallest_stock_whose_expected_shortage_is_its_share_of_a_cycle() -> None:
    row = _targets(target_method="fill rate", fill_rate_target=[0.98], reason="agreed with sales")
    short = [service_at(_demand([10.0]), np.array([row["reorder_point_units"] - less]))[1][0] for less in (0, 1)]
    assert short[0] <= 0.02 * 7 < short[1]
    assert (row["method"], row["cycle_service_level"], row["reason"]) == ("fill rate", 0.0, "agreed with sales")


def test_a_level_and_a_fill_rate_together_are_both_kept() -> None:
    level = _targets()["reorder_point_units"]
    assert _targets(fill_rate_target=[0.5])["reorder_point_units"] == level
    assert _targets(fill_rate_target=[0.9999])["reorder_point_units"] > level


def test_the_newsvendor_takes_margin_against_holding() -> None:
    row = _targets(target_method="newsvendor", unit_cost=10.0, unit_price=11.0, holding_cost_rate_per_year=4.0)
    ratio = 1.0 / (1.0 + 4.0 * 10 * 7 / 365)
    assert row["cycle_service_level"] == pytest.approx(ratio)
    assert row["reorder_point_units"] == poisson.ppf(ratio, 10)
    assert _targets(target_method="newsvendor", holding_cost_rate_per_year=0.0)["cycle_service_level"] == 0.9999


def test_the_textbook_formula_says_so_and_falls_short_of_lumpy_demand() -> None:
    lumpy = _demand([4.0], [4.0 + 5 * 16.0])
    rows = {
        method: stock_targets(
            positions=positions([5], target_method=method, cycle_service_level=0.99),
            demand=lumpy,
            as_of_date=DAY,
            fixed_cost_per_order=0.0,
            longest_lot_days=28.0,
        ).iloc[0]
        for method in ("textbook", "cycle service level")
    }
    assert rows["textbook"]["method"] == "textbook"
    attained = nbinom.cdf([rows[m]["reorder_point_units"] for m in rows], 0.2, 1 / 21.0)
    assert attained[0] < 0.98 < 0.99 <= attained[1]


def test_a_minimum_above_the_maximum_is_infeasible_and_named() -> None:
    with pytest.raises(InfeasiblePlanError, match=r"min_units lies above max_units at 1 of 1 SKU-nodes .s, n0."):
        _targets(min_units=[9], max_units=[8])
    with pytest.raises(InfeasiblePlanError, match="min_days lies above max_days"):
        _targets(min_days=[9], max_days=[8])
    with pytest.raises(InfeasiblePlanError, match="presentation_units lies above max_units"):
        _targets(presentation_units=[9], max_units=[8])


def test_targets_shrink_to_the_node_they_would_overfill_lots_first_and_never_below_presentation() -> None:
    def two(capacity: float) -> pd.DataFrame:
        rows = positions(
            [5, 5], sku_id=["a", "b"], node_id="n", volume_m3=[1.0, 2.0], capacity_m3=capacity, presentation_units=[2, 1], unit_cost=10.0,
            holding_cost_rate_per_year=3.65,
        )  # fmt: skip
        return stock_targets(positions=rows, demand=_demand([10.0, 10.0]), as_of_date=DAY, fixed_cost_per_order=20.0, longest_lot_days=28.0)

    roomy, snug, full = two(1000.0), two(60.0), two(20.0)
    assert roomy["limited_by"].isna().all()
    assert snug["reorder_point_units"].tolist() == [15, 15] and (snug["limited_by"] == "capacity").all()
    for rows, room in ((snug, 60.0), (full, 20.0)):
        assert (rows["order_up_to_units"] * [1.0, 2.0]).sum() <= room
        assert (rows["reorder_point_units"] >= [2, 1]).all()
    with pytest.raises(InfeasiblePlanError, match=r"presentation stock alone passes capacity_m3 at 1 nodes .n by 1.0 m3."):
        two(3.0)
