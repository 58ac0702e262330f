import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planning.routing import Asked, Option, RoutingRules, route_one, route_orders

DAY = pd.Timestamp("2026-01-31")
RULES = RoutingRules(split_cost=2.0, late_cost_per_unit_day=1.0, is_promise_hard=False, node_limit=10_000)


def orders(rows: list[tuple], promised: str | None = None) -> pd.DataFrame:
    """(order, line, sku, units), all to region r."""
    table = pd.DataFrame(rows, columns=["order_id", "line_number", "sku_id", "open_units"])
    return table.assign(region_id="r", promised_date=pd.to_datetime(promised))


def zones(costs: dict[str, float], days: dict[str, int] | None = None) -> pd.DataFrame:
    return pd.DataFrame({"node_id": list(costs), "region_id": "r", "final_mile_cost_per_unit": list(costs.values()),
                         "delivery_days": [(days or {}).get(node, 1) for node in costs]})  # fmt: skip


def stock(rows: list[tuple]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["sku_id", "node_id", "available_units", "unit_value"]).assign(handling_cost_per_unit=0.0)


def route(table: pd.DataFrame, zone: pd.DataFrame, there: pd.DataFrame, rules: RoutingRules = RULES, capacity: dict | None = None) -> pd.DataFrame:  # fmt: skip
    return route_orders(orders=table, zones=zone, stock=there, capacity_units=capacity or {}, as_of_date=DAY, rules=rules)


def chosen(rows: pd.DataFrame) -> dict[tuple, int]:
    rows = rows[rows["routed_units"] > 0]
    return dict(zip(zip(rows["order_id"], rows["line_number"], rows["node_id"], strict=True), rows["routed_units"], strict=True))


def test_a_unit_comes_from_where_it_is_worth_least_with_its_way_to_the_customer() -> None:
    rows = route(orders([("o", 1, "s", 1)]), zones({"near": 1.0, "far": 3.0}), stock([("s", "near", 1, 5.0), ("s", "far", 9, 0.1)]))
    assert chosen(rows) == {("o", 1, "far"): 1}
    assert rows.set_index("node_id").loc["near", "lost_reason"] == "dearer"


def test_a_late_node_costs_the_delay_or_must_not_ship() -> None:
    zone, there = zones({"slow": 1.0, "fast": 3.5}, {"slow": 4}), stock([("s", "slow", 9, 0.0), ("s", "fast", 9, 0.0)])
    asked = orders([("o", 1, "s", 1)], "2026-02-03")
    assert chosen(route(asked, zone, there)) == {("o", 1, "slow"): 1} or chosen(route(asked, zone, there)) == {("o", 1, "fast"): 1}
    hard = route(asked, zone, there, RoutingRules(2.0, 1.0, True, 10_000))
    assert chosen(hard) == {("o", 1, "fast"): 1}
    assert hard.set_index("node_id").loc["slow", "lost_reason"] == "too_late"


def test_two_lines_travel_together_unless_splitting_saves_more_than_it_costs() -> None:
    there = stock([("s", "a", 9, 0.0), ("t", "b", 9, 0.0), ("s", "c", 9, 0.0), ("t", "c", 9, 0.0)])
    both = orders([("o", 1, "s", 1), ("o", 2, "t", 1)])
    assert {node for _, _, node in chosen(route(both, zones({"a": 1.0, "b": 1.0, "c": 1.9}), there))} == {"c"}
    assert {node for _, _, node in chosen(route(both, zones({"a": 1.0, "b": 1.0, "c": 2.1}), there))} == {"a", "b"}


def test_the_last_unit_goes_to_the_order_whose_other_way_is_dearer() -> None:
    zone = pd.concat([zones({"near": 1.0}), pd.DataFrame({"node_id": ["near", "far"], "region_id": "q", "final_mile_cost_per_unit": [1.0, 9.0], "delivery_days": 1}), zones({"far": 2.0})])  # fmt: skip
    asked = orders([("o", 1, "s", 1), ("p", 1, "s", 1)])
    asked.loc[asked["order_id"] == "p", "region_id"] = "q"
    rows = route(asked, zone, stock([("s", "near", 1, 0.0), ("s", "far", 9, 0.0)]))
    assert chosen(rows) == {("p", 1, "near"): 1, ("o", 1, "far"): 1}
    assert rows[(rows["order_id"] == "o") & (rows["node_id"] == "near")]["lost_reason"].iloc[0] == "promised_to_others"


def test_a_node_ships_no_more_than_it_can_and_what_nobody_has_is_said() -> None:
    asked = orders([(f"o{i}", 1, "s", 2) for i in range(4)])
    rows = route(asked, zones({"a": 1.0, "b": 5.0}), stock([("s", "a", 9, 0.0), ("s", "b", 3, 0.0)]), capacity={"a": 4})
    assert rows.groupby("node_id")["routed_units"].sum().to_dict() == {"a": 4, "b": 3}
    assert rows.drop_duplicates("order_id")["unfilled_units"].sum() == 1


@st.composite
def days(draw: st.DrawFn) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict]:
    asked = [("o", 1, "s", draw(st.integers(1, 3))), ("o", 2, "t", draw(st.integers(1, 2))), ("p", 1, "s", draw(st.integers(1, 3)))]
    cost = {node: draw(st.sampled_from([0.5, 1.0, 2.5, 4.0])) for node in ("a", "b")}
    there = [(sku, node, draw(st.integers(0, 4)), draw(st.sampled_from([0.0, 0.7, 1.9]))) for sku in ("s", "t") for node in ("a", "b")]
    capacity = {"a": draw(st.sampled_from([2.0, 4.0, np.inf]))}
    return orders(asked), zones(cost), stock(there), {k: v for k, v in capacity.items() if np.isfinite(v)}


@given(days())
@settings(max_examples=150, deadline=None)
def test_all_open_orders_together_cost_what_trying_everything_finds(day: tuple) -> None:
    asked, zone, there, capacity = day
    rows = route(asked, zone, there, capacity=capacity)
    price = {
        (r.sku_id, r.node_id): zone.set_index("node_id")["final_mile_cost_per_unit"][r.node_id] + r.unit_value for r in there.itertuples()
    }
    have = {(r.sku_id, r.node_id): r.available_units for r in there.itertuples()}
    lines = list(asked.itertuples(index=False))

    def judged(plan: dict[tuple, int]) -> tuple[int, float] | None:
        used: dict[tuple, int] = {}
        for (order, line, node), units in plan.items():
            sku = next(r.sku_id for r in lines if (r.order_id, r.line_number) == (order, line))
            used[sku, node] = used.get((sku, node), 0) + units
        at_a = sum(units for (_, _, node), units in plan.items() if node == "a")
        if any(units > have[key] for key, units in used.items()) or at_a > capacity.get("a", 99):
            return None
        shipments = {(order, node) for (order, _, node), units in plan.items() if units}
        split = RULES.split_cost * (len(shipments) - len({order for order, _ in shipments}))
        return sum(r.open_units for r in lines) - sum(plan.values()), sum(price[k] * u for k, u in used.items()) + split

    ways = [[(a, b) for a in range(r.open_units + 1) for b in range(r.open_units + 1 - a)] for r in lines]
    tried = []
    for picks in itertools.product(*ways):
        plan = {
            (r.order_id, r.line_number, node): n for r, pick in zip(lines, picks, strict=True) for node, n in zip("ab", pick, strict=True)
        }
        found = judged(plan)
        if found is not None:
            tried.append(found)
    assert judged(chosen(rows)) == pytest.approx(min(tried))


@given(days())
@settings(max_examples=60, deadline=None)
def test_one_order_alone_is_routed_as_the_morning_would(day: tuple) -> None:
    asked, zone, there, _ = day
    mine = asked[asked["order_id"] == "o"]
    rows = route(mine, zone, there)
    mile = zone.set_index("node_id")["final_mile_cost_per_unit"]
    lines = [
        Asked(r.line_number, r.open_units, tuple(
            Option(s.node_id, mile[s.node_id] + s.unit_value, s.available_units, 1) for s in there[there["sku_id"] == r.sku_id].itertuples()
        ))
        for r in mine.itertuples()
    ]  # fmt: skip
    routes, short = route_one(lines, RULES)
    assert sum(units for _, units in short) == rows.drop_duplicates("line_number")["unfilled_units"].sum()

    def cost(plan: list[tuple[int, str, int]]) -> float:
        each = {(line.line_number, o.node_id): o.unit_cost for line in lines for o in line.options}
        return sum(each[n, node] * u for n, node, u in plan) + RULES.split_cost * max(len({node for _, node, _ in plan}) - 1, 0)

    assert cost(routes) == pytest.approx(cost([(line, node, units) for (_, line, node), units in chosen(rows).items()]))


def test_an_order_that_nobody_fills_was_not_too_dear() -> None:
    asked = orders([(f"o{i}", 1, "s", 1) for i in range(3)])
    lost = route(asked, zones({"a": 3.0}), stock([("s", "a", 1, 0.0)]))["lost_reason"].dropna()
    assert lost.tolist() == ["promised_to_others"] * 2
    full = route(asked, zones({"a": 3.0}), stock([("s", "a", 9, 0.0)]), capacity={"a": 1})["lost_reason"].dropna()
    assert full.tolist() == ["full"] * 2
