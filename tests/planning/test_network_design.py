import numpy as np
import pandas as pd
import pytest

from planning.errors import InfeasiblePlanError, PlanningError
from planning.network_design import DesignInputs, design_network, elbow

DAY = pd.Timestamp("2026-01-31")


def _inputs(**changes: object) -> DesignInputs:
    """A hub, a DC and two urban nodes below it; two regions and a store."""
    nodes = pd.DataFrame(
        [("hub", "hub", None, 100.0, 0.1, 0.2, None, True), ("dc", "regional_dc", "hub", 400.0, 0.1, 0.2, None, True),
         ("east", "urban_mfc", "dc", 300.0, 0.2, 0.3, None, True), ("west", "urban_mfc", "dc", 300.0, 0.2, 0.3, None, False)],
        columns=["node_id", "node_type", "replenished_from_node_id", "fixed_cost_per_year", "handling_cost_per_unit",
                 "holding_cost_rate_per_year", "outbound_units_per_day", "is_open"],
    )  # fmt: skip
    zones = pd.DataFrame(
        [
            ("hub", "e", 4.0, 3),
            ("hub", "w", 4.0, 3),
            ("dc", "e", 3.0, 2),
            ("dc", "w", 3.0, 2),
            ("east", "e", 1.0, 1),
            ("west", "w", 1.0, 1),
        ],
        columns=["node_id", "region_id", "final_mile_cost_per_unit", "delivery_days"],
    )
    lanes = pd.DataFrame(
        [("hub", "dc", 0.3, 0.0), ("dc", "east", 0.2, 0.0), ("dc", "west", 0.2, 0.0), ("dc", "shop", 0.2, 0.1)],
        columns=["origin_node_id", "destination_node_id", "cost_per_unit", "cost_per_kg"],
    )
    base = {
        "nodes": nodes, "zones": zones, "lanes": lanes, "regions": pd.Series({"e": 1000.0, "w": 100.0}), "stores": pd.Series({"shop": 50.0}),
        "pooled_stock_cost": 50.0, "unit_weight_kg": 2.0,
    }  # fmt: skip
    return DesignInputs(**(base | changes))


def _open(rows: pd.DataFrame, scenario: str) -> set[str]:
    return set(rows.loc[(rows["scenario"] == scenario) & rows["is_open"], "node_id"])


def test_an_urban_node_is_opened_where_its_final_mile_pays_its_rent_and_not_elsewhere() -> None:
    found = design_network(_inputs(), as_of_date=DAY, time_limit_seconds=20)
    assert _open(found.rows, "today") == {"hub", "dc", "east"}
    assert _open(found.rows, "best") == {"hub", "dc", "east"}  # the shop needs the DC, the west is too small
    more = design_network(_inputs(regions=pd.Series({"e": 1000.0, "w": 1000.0})), as_of_date=DAY, time_limit_seconds=20)
    assert _open(more.rows, "best") == {"hub", "dc", "east", "west"}


def test_costs_of_a_scenario_add_up_to_its_total_and_the_bound_is_below() -> None:
    rows = design_network(_inputs(), as_of_date=DAY, time_limit_seconds=20).rows
    parts = rows[["fixed_cost_per_year", "freight_and_handling_cost", "final_mile_cost", "carrying_cost"]].sum(axis=1)
    assert np.allclose(parts.groupby(rows["scenario"]).sum(), rows.groupby("scenario")["scenario_total_cost"].first(), rtol=1e-6)
    assert (rows["scenario_bound_cost"] <= rows["scenario_total_cost"] + 1e-6).all()
    assert rows.groupby("scenario")["assigned_demand_units"].sum().drop(["best, demand +20 %", "best, demand -20 %"]).eq(1150).all()


def test_a_promise_is_a_radius_and_one_that_nobody_keeps_is_said() -> None:
    found = design_network(_inputs(), as_of_date=DAY, time_limit_seconds=20)
    assert _open(found.rows, "promise 1 days") == {"hub", "dc", "east", "west"}
    assert {"hub", "dc"} <= _open(found.rows, "promise 2 days")
    apart = _inputs(zones=_inputs().zones.query("node_id != 'west'"))
    assert "no site may serve 1 customers (w)" in design_network(apart, as_of_date=DAY, time_limit_seconds=20).infeasible["promise 1 days"]


def test_the_cost_curve_has_a_point_for_every_number_of_nodes_that_works() -> None:
    found = design_network(_inputs(), as_of_date=DAY, time_limit_seconds=20)
    assert {"2 nodes", "3 nodes", "4 nodes"} <= set(found.rows["scenario"])
    assert "1 node" in found.infeasible  # the shop hangs on the DC, and the DC on the hub
    assert found.elbow_count == 3
    assert found.stable_share == 1.0


@pytest.mark.parametrize(("curve", "count"), [({}, 0), ({3: 5.0}, 3), ({1: 9.0, 2: 10.0}, 1), ({1: 10.0, 2: 9.0}, 2)])
def test_the_elbow_of_short_curves(curve: dict[int, float], count: int) -> None:
    assert elbow(curve) == count


def test_no_demand_a_circle_and_too_little_capacity_are_refused() -> None:
    with pytest.raises(PlanningError, match="no demand"):
        design_network(_inputs(regions=pd.Series(dtype=float), stores=pd.Series(dtype=float)), as_of_date=DAY, time_limit_seconds=5)
    circle = _inputs().nodes.assign(replenished_from_node_id=["dc", "hub", "dc", "dc"])
    with pytest.raises(PlanningError, match="hub -> dc -> hub replenish each other"):
        design_network(_inputs(nodes=circle), as_of_date=DAY, time_limit_seconds=5)
    small = _inputs().nodes.assign(outbound_units_per_day=0.1)
    with pytest.raises(InfeasiblePlanError, match="all together hold"):
        design_network(_inputs(nodes=small), as_of_date=DAY, time_limit_seconds=5)
