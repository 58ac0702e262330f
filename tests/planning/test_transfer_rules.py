"""What a deployment wants of its transfers: modes, waiting, seasons, limits, open and rejected lines, and what a plan says of itself."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning.errors import InfeasiblePlanError
from planning.lead_time_demand import LeadTimeDemand
from planning.marginal_value import values_of_positions
from planning.plan_checks import infeasibilities
from planning.transfer_lanes import transfer_lanes
from planning.transfers import TransferPlan, plan_transfers
from tests.planning.test_transfers import (
    BOTH_WAYS,
    DAY,
    EFFORT,
    NO_BLOCKED,
    NO_OPEN,
    _normal,
    demand,
    lanes,
    no_parent,
    plan,
    positions,
    rules,
    values,
)


def drawn(samples: np.ndarray, before: np.ndarray, again: np.ndarray | None = None) -> LeadTimeDemand:
    """``before`` of shape (n_rows, n_classes, n_paths): demand until a unit of the class arrives; ``again``: until one sent next does."""
    samples = samples.astype(np.int32)
    again = np.broadcast_to(samples[:, None], before.shape) if again is None else again
    return LeadTimeDemand(
        samples, before.astype(np.int32), again.astype(np.int32), samples, *no_parent(samples), np.full(len(samples), 7.0)
    )


def by_day(on_hand: list[int], sampled: LeadTimeDemand, lane: pd.DataFrame, **columns: object) -> TransferPlan:
    """Planned with values that know the lanes, as a morning does it."""
    where = positions(on_hand, **columns)
    network = transfer_lanes(positions=where, lanes=lane, as_of_date=DAY)
    return plan_transfers(
        positions=where, demand=sampled, values=values_of_positions(positions=where, demand=sampled, lanes=network, liquidation_share=0.3),
        units_per_day=sampled.horizon_units.mean(axis=1) / 7, lanes=lane, open_transfers=NO_OPEN, blocked_lines=NO_BLOCKED, as_of_date=DAY, rules=rules(),
    )  # fmt: skip


def two_modes(**columns: object) -> pd.DataFrame:
    both = lanes([("n0", "n1"), ("n0", "n1")], [5.0, 0.5], lead_time_days=[1.0, 4.0], next_ship_date=DAY + pd.Timedelta(days=2))
    return both.assign(mode=["air", "truck"], **columns)


def test_of_two_modes_the_dear_one_carries_what_the_cheap_one_would_bring_too_late() -> None:
    days = 7
    steady = np.tile(np.array([[0], [3 * days]]), (1, 64))
    # class 0 arrives on day 2, class 1 on day 5; sent a day later, a day later
    before = np.stack([np.zeros((2, 64)), np.stack([np.zeros(64), np.full(64, 15)])], axis=1)
    before[1, 0] = 6
    again = np.stack([np.zeros((2, 64)), np.stack([np.zeros(64), np.full(64, 18)])], axis=1)
    again[1, 0] = 9
    empty = by_day([60, 0], drawn(steady, before, again), two_modes())
    full = by_day([60, 15], drawn(steady, before, again), two_modes())
    assert empty.lines["mode"].tolist() == ["air"]  # its shelf is empty: three a day are lost while a truck is on its way
    assert full.lines["mode"].tolist() == ["truck"]  # what stands there lasts until the truck comes
    assert set(full.lines["transfer_units"]) <= set(range(1, 7))  # and what the next truck brings in time is left to it


def test_what_can_still_leave_later_and_be_in_time_waits() -> None:
    steady = np.tile(np.array([[0], [14]]), (1, 64))
    before = np.zeros((2, 1, 64))
    nothing_lost_by_waiting = np.zeros((2, 1, 64))
    lane = lanes([("n0", "n1")], 1.0, lead_time_days=1.0, next_ship_date=DAY + pd.Timedelta(days=2))
    assert by_day([60, 14], drawn(steady, before, nothing_lost_by_waiting), lane).lines.empty
    assert by_day([60, 0], drawn(steady, before, nothing_lost_by_waiting), lane).lines.empty
    last_chance = lane.assign(next_ship_date=None)
    assert by_day([60, 0], drawn(steady, before), last_chance).lines["transfer_units"].sum() == 14


def test_a_promotion_that_the_forecast_sees_is_served_from_before_it_begins() -> None:
    """Demand of 20 comes between the arrival of today's van and of tomorrow's: what the shop lacks for it leaves today."""
    campaign = np.tile(np.array([[0], [20]]), (1, 64))
    before, again = np.zeros((2, 1, 64)), np.zeros((2, 1, 64))
    again[1] = 20
    lane = lanes([("n0", "n1")], 1.0, lead_time_days=1.0, next_ship_date=DAY + pd.Timedelta(days=2))
    assert by_day([60, 5], drawn(campaign, before, again), lane).lines["transfer_units"].tolist() == [15]


def test_goods_whose_season_ends_move_to_where_they_still_sell() -> None:
    samples = np.tile(np.array([[0], [10]]), (1, 64))
    lane = lanes([("n0", "n1")], 1.2)
    cheap = {"unit_price": 2.0, "unit_cost": 1.0}  # a sale earns 1.0, the way costs 1.2
    plain = by_day([10, 0], drawn(samples, np.zeros((2, 1, 64))), lane, **cheap)
    ending = by_day([10, 0], drawn(samples, np.zeros((2, 1, 64))), lane, remaining_season_days=7, **cheap)
    assert plain.lines.empty
    assert ending.lines["transfer_units"].tolist() == [10]  # or 0.7 of each would be written off


def test_a_node_sends_and_takes_in_no_more_than_it_can() -> None:
    samples = _normal(1, 2)
    out = plan([80, 30], samples, lanes(BOTH_WAYS), outbound_units_per_day=[9, None])
    into = plan([80, 30], samples, lanes(BOTH_WAYS), inbound_units_per_day=[None, 7])
    assert (out.lines["transfer_units"].sum(), into.lines["transfer_units"].sum()) == (9, 7)


def test_a_sku_that_moved_lately_does_not_move_back() -> None:
    samples = _normal(1, 2)
    cool = rules(cool_down=3)
    for column in ("transferred_in_days", "transferred_out_days"):
        here = [1, None] if column == "transferred_in_days" else [None, 1]
        assert plan([80, 30], samples, lanes(BOTH_WAYS), chosen=cool, **{column: here}).lines.empty
        assert not plan([80, 30], samples, lanes(BOTH_WAYS), **{column: here}).lines.empty
        assert not plan([80, 30], samples, lanes(BOTH_WAYS), chosen=cool, **{column: [5, 5]}).lines.empty


def test_a_line_that_a_planner_rejected_is_not_proposed_again() -> None:
    no = pd.DataFrame({"sku_id": ["s"], "origin_node_id": ["n0"], "destination_node_id": ["n1"]})
    assert plan([80, 30], _normal(1, 2), lanes(BOTH_WAYS), blocked_lines=no).lines.empty


def test_lines_and_departures_that_gain_too_little_stay_undone() -> None:
    samples, lane = _normal(1, 2), lanes(BOTH_WAYS, fixed_cost_per_shipment=50.0)
    net = plan([80, 30], samples, lane).lines["net_gain"].sum()
    assert not plan([80, 30], samples, lane, chosen=rules(shipment=net - 1)).lines.empty
    assert plan([80, 30], samples, lane, chosen=rules(shipment=net + 1)).lines.empty
    assert plan([80, 30], samples, lane, chosen=rules(least=net + 51)).lines.empty


def test_a_departure_carries_at_least_its_least_load() -> None:
    samples = _normal(1, 2)
    assert plan([80, 30], samples, lanes(BOTH_WAYS, min_units=20)).lines["transfer_units"].sum() == 22
    assert plan([80, 30], samples, lanes(BOTH_WAYS, min_units=80)).lines.empty


def _open(units: int) -> pd.DataFrame:
    return pd.DataFrame([{"transfer_id": "t", "sku_id": "other", "origin_node_id": "n0", "destination_node_id": "n1", "mode": "van",
                          "ship_date": DAY + pd.Timedelta(days=1), "transfer_units": units}])  # fmt: skip


def test_open_transfers_use_up_their_departure_and_have_paid_it() -> None:
    lane = lanes(BOTH_WAYS, capacity_units_per_day=20, fixed_cost_per_shipment=500.0)
    found = plan([80, 30], _normal(1, 2), lane, open_transfers=_open(8))
    assert found.lines["transfer_units"].sum() == 12
    assert found.lines["transfer_cost"].sum() == pytest.approx(24)


def test_open_transfers_that_no_departure_can_carry_are_named_with_by_how_much() -> None:
    with pytest.raises(InfeasiblePlanError, match=r"n0 -> n1 by van carries 5 units, 8 are committed: 3 too many"):
        plan([80, 30], _normal(1, 2), lanes(BOTH_WAYS, capacity_units_per_day=5), open_transfers=_open(8))
    with pytest.raises(InfeasiblePlanError, match=r"n1 takes in 6 units a day, 8 are committed: 2 too many"):
        plan([80, 30], _normal(1, 2), lanes(BOTH_WAYS), open_transfers=_open(8), inbound_units_per_day=[None, 6])


def test_the_certificate_adds_up_and_a_full_lane_has_its_price() -> None:
    where = pd.concat([positions([80, 30]), positions([80, 30], sku_id="t")], ignore_index=True)
    sampled = demand(np.tile(_normal(1, 2, paths=501), (2, 1)))
    found = plan_transfers(
        positions=where, demand=sampled, values=values(sampled, [80, 30, 80, 30]), units_per_day=np.full(4, 7.0),
        lanes=lanes(BOTH_WAYS, capacity_units_per_day=30), open_transfers=NO_OPEN, blocked_lines=NO_BLOCKED, as_of_date=DAY,
        rules=rules(effort=replace(EFFORT, exact_moves=-1)),
    )  # fmt: skip
    proof, limits = found.certificate.iloc[0], found.limits
    assert found.lines["transfer_units"].sum() == 30
    assert proof["plan_net_gain"] == pytest.approx(found.lines["net_gain"].sum())
    assert proof["bound_net_gain"] == pytest.approx(proof["skus_net_gain"] + limits["bound_cost"].sum())
    assert proof["plan_net_gain"] == pytest.approx(proof["bound_net_gain"], rel=1e-3)
    price = limits.set_index("origin_node_id").loc["n0", "price_per_unit"]
    assert price > 0
    assert found.lines["capacity_price_per_unit"].tolist() == [price, price]


def test_the_steps_of_a_line_say_what_other_units_would_bring() -> None:
    found = plan([80, 30], _normal(1, 2), lanes(BOTH_WAYS))
    line, steps = found.lines.iloc[0], found.steps.set_index("step_units")
    assert steps.loc[22, "net_gain"] == pytest.approx(line["net_gain"])
    assert steps.loc[22, "destination_stockout_probability_after"] == pytest.approx(line["destination_stockout_probability_after"])
    assert steps["net_gain"].max() == pytest.approx(line["net_gain"])
    assert steps.index.max() > 22
    for units in (11, 33):
        near = min(steps.index, key=lambda u: abs(u - units))
        assert steps.loc[near, "expected_gain"] != steps.loc[22, "expected_gain"]


def test_a_line_is_told_in_a_sentence_with_both_ends_and_the_next_best() -> None:
    pairs = [("n0", "n2"), ("n1", "n2")]
    found = plan([80, 80, 10], _normal(4, 3, mean=20, sd=4), lanes(pairs, [1.0, 1.5]))
    line = found.lines.iloc[0]
    assert line["runner_up_reason"] == "dearer_lane"
    assert line["runner_up_extra_cost_per_unit"] == pytest.approx(0.5)
    for word in ("of s from n0 to n2 by van", "runs out with", "Next best origin n1, 0.50 a unit dearer: its lane is dearer"):
        assert word in line["explanation"]


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_a_day_of_any_limits_passes_the_post_check(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, skus = 4, 6
    where = pd.concat([positions(list(rng.integers(0, 25, n)), sku_id=f"s{k}", case_pack_units=int(rng.choice([1, 3])), presentation_units=list(rng.integers(0, 3, n)),
                                 outbound_units_per_day=[20, None, 15, None], inbound_units_per_day=[None, 12, None, 30]) for k in range(skus)], ignore_index=True)  # fmt: skip
    pairs = [(f"n{a}", f"n{b}") for a in range(n) for b in range(n) if a != b]
    lane = lanes(pairs, list(rng.uniform(0.2, 3.0, len(pairs))), capacity_units_per_day=[int(c) for c in rng.integers(3, 30, len(pairs))], fixed_cost_per_shipment=[float(f) for f in rng.choice([0.0, 5.0, 20.0], len(pairs))])  # fmt: skip
    samples = rng.poisson(8, (n * skus, 32))
    sampled = demand(samples)
    for effort in (EFFORT, replace(EFFORT, exact_moves=-1)):
        found = plan_transfers(
            positions=where, demand=sampled, values=values(sampled, where["on_hand_units"].tolist(), holding=0.1), units_per_day=samples.mean(axis=1) / 7,
            lanes=lane, open_transfers=NO_OPEN, blocked_lines=NO_BLOCKED, as_of_date=DAY, rules=rules(least=0.5, shipment=2.0, effort=effort),
        )  # fmt: skip
        assert infeasibilities(transfers=found.lines, positions=where, lanes=lane) == []
        assert found.certificate["plan_net_gain"].iloc[0] <= found.certificate["bound_net_gain"].iloc[0] + 1e-6
        assert (found.lines["net_gain"] >= 0.5 - 1e-9).all()


def test_a_cheaper_origin_loses_where_its_departure_would_leave_for_the_line_alone() -> None:
    lane = lanes([("n0", "n2"), ("n1", "n2")], [1.0, 0.5]).assign(fixed_cost_per_shipment=[0.0, 50.0])
    line = plan([80, 80, 10], _normal(4, 3, mean=20, sd=4), lane).lines.iloc[0]
    assert (line["origin_node_id"], line["runner_up_origin_node_id"], line["runner_up_reason"]) == ("n0", "n1", "pays_a_departure")
    assert line["runner_up_extra_cost_per_unit"] == pytest.approx(0.5 - 1.0 + 50.0 / line["transfer_units"], abs=0.05)
