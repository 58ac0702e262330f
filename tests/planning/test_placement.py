import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings, strategies

from planning import placement
from planning.errors import PlanningError
from planning.placement import PlacementInputs, place, placements

DAY = pd.Timestamp("2026-01-31")
RULES = {"line_cost": 0.5, "reviews_per_year": 52.0, "least_saving_per_node": 5.0}


def _inputs(demand: np.ndarray, cost: np.ndarray, pooled: np.ndarray, **changes: object) -> PlacementInputs:
    skus, nodes = pooled.shape
    base = {
        "sku_ids": np.array([f"s{i}" for i in range(skus)], dtype=object), "node_ids": np.array([f"n{i}" for i in range(nodes)], dtype=object),
        "node_types": np.array(["hub"] + ["urban_mfc"] * (nodes - 1), dtype=object), "demand_units": demand, "cost_per_unit": cost,
        "pooled_cost": pooled, "is_bulky": np.zeros(skus, bool), "is_carried": np.ones((skus, nodes), bool),
    }  # fmt: skip
    return PlacementInputs(**(base | changes))


def _hub_and_two(demand: list[float], pooled: float = 1.0, **changes: object) -> PlacementInputs:
    """A hub at 4 a unit everywhere, two urban nodes at 2 in their own region."""
    cost = np.array([[[4.0, 4.0], [2.0, np.inf], [np.inf, 2.0]]])
    return _inputs(np.array([demand], float), cost, np.full((1, 3), pooled), **changes)


def _cost(
    inputs: PlacementInputs, k: int, nodes: list[int], line_cost: float, reviews_per_year: float, least_saving_per_node: float
) -> float:
    units, total = np.zeros(inputs.pooled_cost.shape[1]), 0.0
    for r, d in enumerate(inputs.demand_units[k]):
        if d > 0:
            at = min(nodes, key=lambda n: inputs.cost_per_unit[k, n, r])
            total += d * inputs.cost_per_unit[k, at, r]
            units[at] += d
    standing = sum(inputs.pooled_cost[k, n] * np.sqrt(units[n]) + line_cost * min(reviews_per_year, units[n]) for n in nodes)
    return total + standing + least_saving_per_node * (len(nodes) - 1)


@settings(max_examples=40, deadline=None)
@given(strategies.integers(0, 10_000), strategies.booleans())
def test_no_set_of_nodes_costs_less_on_small_networks(seed: int, is_large: bool) -> None:
    rng = np.random.default_rng(seed)
    nodes, regions = int(rng.integers(2, 6)), int(rng.integers(1, 5))
    cost = np.where(rng.random((3, nodes, regions)) < 0.3, np.inf, rng.uniform(1, 9, (3, nodes, regions)))
    cost[:, 0] = 9.0
    inputs = _inputs(rng.integers(0, 200, (3, regions)).astype(float), cost, rng.uniform(0, 8, (3, nodes)))
    best = [
        min(_cost(inputs, k, list(s), **RULES) for size in range(1, nodes + 1) for s in itertools.combinations(range(nodes), size))
        for k in range(3)
    ]
    chosen = place(inputs, **RULES)
    for k in range(3):
        if inputs.demand_units[k].sum():
            assert _cost(inputs, k, np.flatnonzero(chosen[k]).tolist(), **RULES) == pytest.approx(best[k])


def test_many_nodes_are_exchanged_until_nothing_pays_and_end_close_to_the_best() -> None:
    rng = np.random.default_rng(2)
    nodes = placement._MOST_EXACT + 2
    cost = np.where(rng.random((6, nodes, 5)) < 0.4, np.inf, rng.uniform(1, 9, (6, nodes, 5)))
    cost[:, 0] = 9.0
    inputs = _inputs(rng.integers(20, 400, (6, 5)).astype(float), cost, rng.uniform(0, 20, (6, nodes)))
    chosen = place(inputs, **RULES)
    for k in range(6):
        mine = _cost(inputs, k, np.flatnonzero(chosen[k]).tolist(), **RULES)
        best = min(_cost(inputs, k, list(s), **RULES) for size in (1, 2, 3, 4, 5) for s in itertools.combinations(range(nodes), size))
        assert mine <= best * 1.01


def test_fast_goods_stand_near_their_customers_and_slow_and_bulky_ones_together() -> None:
    assert place(_hub_and_two([500.0, 500.0]), **RULES).tolist() == [[False, True, True]]
    assert place(_hub_and_two([3.0, 3.0], pooled=12.0), **RULES).tolist() == [[True, False, False]]
    assert place(_hub_and_two([500.0, 500.0], is_bulky=np.array([True])), **RULES).tolist() == [[True, False, False]]


def test_the_guard_keeps_a_sku_from_being_spread_for_small_change() -> None:
    loose, tight = (
        place(_hub_and_two([500.0, 30.0]), line_cost=0.5, reviews_per_year=52.0, least_saving_per_node=guard).sum() for guard in (0.0, 60.0)
    )
    assert loose == 2 and tight == 2  # the hub or the far node: somebody has to serve the second region
    assert place(_hub_and_two([60.0, 50.0]), line_cost=0.5, reviews_per_year=52.0, least_saving_per_node=200.0).tolist() == [
        [True, False, False]
    ]


def test_each_line_says_what_the_node_saves_and_costs_against_doing_without() -> None:
    rows = placements(_hub_and_two([500.0, 500.0]), as_of_date=DAY, **RULES).set_index("node_id")
    assert rows["is_stocked"].to_dict() == {"n0": False, "n1": True, "n2": True}
    assert rows.loc["n0", ["served_demand_units", "net_saving_per_year", "reason_code"]].tolist() == [0.0, 0.0, "does_not_pay"]
    alone = placements(_hub_and_two([500.0, 0.0]), as_of_date=DAY, **RULES).set_index("node_id")
    assert alone.loc["n1", "reason_code"] == "first_node" and alone.loc["n1", "spread_rank"] == 1
    assert alone.loc["n0", "spread_rank"] is pd.NA


def test_a_sku_that_nobody_asks_for_stands_nowhere_and_missing_costs_are_refused() -> None:
    assert not place(_hub_and_two([0.0, 0.0]), **RULES).any()
    with pytest.raises(PlanningError, match="pooled_cost is missing or negative at 3"):
        place(_hub_and_two([1.0, 1.0], pooled=np.nan), **RULES)


def test_a_region_that_nobody_reaches_does_not_take_a_sku_off_every_node() -> None:
    cost = np.array([[[4.0, np.inf], [2.0, np.inf], [np.inf, np.inf]]])
    assert place(_inputs(np.array([[500.0, 80.0]]), cost, np.ones((1, 3))), **RULES).any()
    only_urban = np.array([[[4.0, np.inf], [2.0, 3.0], [np.inf, np.inf]]])
    bulky = _inputs(np.array([[500.0, 80.0]]), only_urban, np.ones((1, 3)), is_bulky=np.array([True]))
    assert place(bulky, **RULES).tolist() == [[True, False, False]]
