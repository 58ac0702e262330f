"""SKU-nodes as networks of guaranteed service."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtri

from planning.echelon_plan import echelon_targets
from planning.lead_time_demand import DemandFlows, LeadTimeDemand

DAY = pd.Timestamp("2026-01-31")


def _company(n_skus: int, hub_cost: float = 1.0) -> tuple[pd.DataFrame, DemandFlows, LeadTimeDemand]:
    """Two stores that a hub replenishes, the supplier twenty days away; the hub serves nobody itself. The last SKU has no hub."""
    rng = np.random.default_rng(5)
    nodes = ["east", "west", "hub"]
    rows = [(f"s{i}", node) for i in range(n_skus) for node in nodes if not (i == n_skus - 1 and node == "hub")]
    positions = pd.DataFrame(rows, columns=["sku_id", "node_id"])
    is_hub = (positions["node_id"] == "hub").to_numpy()
    positions = positions.assign(
        lead_time_days=np.where(is_hub, 20.0, 2.0),
        review_period_days=np.where(is_hub, 5, 1),
        cycle_service_level=0.95,
        holding_cost_rate_per_year=0.2,
        unit_cost=np.where(is_hub, hub_cost, 10.0),
        most_service_days=None,
        inbound_units_per_day=None,
        outbound_units_per_day=None,
        transferred_in_days=None,
        transferred_out_days=None,
        remaining_season_days=None,
    )
    size = positions.groupby("sku_id", sort=False).size().to_numpy()
    start = np.r_[0, np.cumsum(size)]
    hub_of = np.repeat(np.where(size == 3, start[:-1] + 2, -1), size)
    parent = np.where(is_hub, -1, hub_of)
    stores = np.flatnonzero(~is_hub)
    flows = DemandFlows(
        means=np.full((2 * n_skus, 28), 4.0),
        dispersions=np.full(2 * n_skus, 0.2),
        flow_series=np.arange(2 * n_skus),
        flow_row=stores,
        flow_share=np.ones(2 * n_skus),
        flow_start=np.arange(0, 2 * n_skus + 1, 2),
        row_start=start,
        parent_row=parent,
    )
    days = (positions["lead_time_days"] + positions["review_period_days"]).to_numpy()
    units = rng.poisson(np.where(is_hub, 8.0, 4.0)[:, None] * days[:, None], (len(positions), 4_000)).astype(np.int32)
    return positions, flows, LeadTimeDemand(units, units, units, units, np.zeros_like(units), flows.parent_row, days)


def _solved(n_skus: int, hub_cost: float = 1.0) -> pd.DataFrame:
    positions, flows, demand = _company(n_skus, hub_cost)
    return echelon_targets(positions=positions, flows=flows, demand=demand, as_of_date=DAY).set_index(["sku_id", "node_id"])


def test_a_cheap_hub_holds_so_that_stores_cover_their_own_days_only() -> None:
    found = _solved(3)
    assert found.loc[("s0", "hub"), ["service_days", "net_replenishment_days"]].tolist() == [0, 25]
    assert found.loc[("s0", "east"), ["inbound_service_days", "service_days", "net_replenishment_days"]].tolist() == [0, 0, 3]
    wanted = ndtri(0.95) * np.sqrt(8.0) * np.sqrt(25)  # demand of both stores, pooled
    assert found.loc[("s0", "hub"), "safety_stock_units"] == pytest.approx(wanted, rel=0.05)
    assert found.loc[("s0", "hub"), "holding_cost_per_year"] == pytest.approx(0.2 * wanted, rel=0.05)


def test_a_hub_where_stock_is_dear_holds_none_and_its_stores_cover_the_supplier_too() -> None:
    found = _solved(3, hub_cost=1_000.0)
    assert found.loc[("s1", "hub"), ["service_days", "net_replenishment_days", "safety_stock_units"]].tolist() == [25, 0, 0]
    assert found.loc[("s1", "west"), ["inbound_service_days", "net_replenishment_days"]].tolist() == [25, 28]


def test_a_store_without_a_hub_is_a_network_of_its_own() -> None:
    found = _solved(3)
    assert found.loc[("s2", "east"), ["inbound_service_days", "service_days", "net_replenishment_days"]].tolist() == [0, 0, 3]
    assert ("s2", "hub") not in found.index


def test_skus_of_unlike_networks_side_by_side_get_what_each_gets_alone() -> None:
    both, few = _solved(6), _solved(2)
    columns = ["service_days", "net_replenishment_days"]
    assert both.loc[("s5", "east"), columns].tolist() == few.loc[("s1", "east"), columns].tolist()
    assert both.loc[("s0", "east"), columns].tolist() == few.loc[("s0", "east"), columns].tolist()


def test_a_hub_with_customers_of_its_own_serves_them_at_once_and_its_stores_when_it_pays() -> None:
    positions, flows, demand = _company(2, hub_cost=9.0)
    both = replace(
        flows, flow_row=np.r_[flows.flow_row, 2], flow_series=np.r_[flows.flow_series, 0], flow_share=np.r_[flows.flow_share, 0.25]
    )
    found = echelon_targets(positions=positions, flows=both, demand=demand, as_of_date=DAY).set_index(["sku_id", "node_id"])
    alone = echelon_targets(positions=positions, flows=flows, demand=demand, as_of_date=DAY).set_index(["sku_id", "node_id"])
    promise, net = found.loc[("s0", "hub"), ["service_days", "net_replenishment_days"]].astype(int)
    assert promise + net == 25
    for_customers = ndtri(0.95) * np.sqrt(1.0 + 0.2) * np.sqrt(promise)  # one unit a day, dispersion 0.2
    for_nodes = ndtri(0.95) * demand.protection_units[2].std() / 5 * np.sqrt(net)
    assert found.loc[("s0", "hub"), "safety_stock_units"] == pytest.approx(for_customers + for_nodes, rel=1e-5)
    assert found["holding_cost_per_year"].sum() >= alone["holding_cost_per_year"].sum()


def test_a_policy_may_limit_the_days_that_a_node_makes_others_wait() -> None:
    positions, flows, demand = _company(2, hub_cost=40.0)  # dear at the hub: left alone it holds nothing and makes the stores wait
    free = echelon_targets(positions=positions, flows=flows, demand=demand, as_of_date=DAY).set_index(["sku_id", "node_id"])
    limited = positions.assign(most_service_days=np.where(positions["node_id"] == "hub", 6, None))
    held = echelon_targets(positions=limited, flows=flows, demand=demand, as_of_date=DAY).set_index(["sku_id", "node_id"])
    assert free.loc[("s0", "hub"), "service_days"] == 25
    assert held.loc[("s0", "hub"), ["service_days", "net_replenishment_days"]].tolist() == [6, 19]
