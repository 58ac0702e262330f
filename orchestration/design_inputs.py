"""From tables to what network design and placement want: a year of demand by place, and what serving it costs.

Belongs here: reading those inputs. Does not: any decision.
"""

from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd
from scipy.special import ndtri

from orchestration.run_day import RunDay
from orchestration.settings import Settings
from planning.network_design import DesignInputs
from planning.placement import PlacementInputs

_YEAR = 364
_NODES = """
select node_id, node_type, case when replenished_from_node_id in (select node_id from marts.dim_node) then replenished_from_node_id end
           as replenished_from_node_id,
       coalesce(fixed_cost_per_year, 0)::double as fixed_cost_per_year, coalesce(handling_cost_per_unit, 0)::double as handling_cost_per_unit,
       holding_cost_rate_per_year, outbound_units_per_day, coalesce(opened_date <= $day, true) as is_open
from marts.dim_node where node_type in ('hub', 'regional_dc', 'urban_mfc') and coalesce(closed_date > $day, true) order by node_id
"""
_ZONES = """
select node_id, region_id, final_mile_cost_per_unit::double as final_mile_cost_per_unit, delivery_days
from staging.stg_master__service_zones order by all
"""
_LANES = """
select origin_node_id, destination_node_id, arg_min(cost_per_unit, cost_per_unit)::double as cost_per_unit,
       arg_min(cost_per_kg, cost_per_unit)::double as cost_per_kg, arg_min(lead_time_days, cost_per_unit) as lead_time_days
from staging.stg_master__lanes where is_open group by all order by all
"""
_ONLINE = """
with lived as (select least($year, $day - min(demand_date) + 1) as days from intermediate.int_demand_events_daily)
select sku_id, region_id, sum(ecom_units - cancelled_units) * 365.0 / any_value(lived.days) as units
from intermediate.int_demand_events_daily cross join lived
where demand_date > $day - $year and demand_date <= $day and region_id is not null
group by all having sum(ecom_units - cancelled_units) > 0 order by all
"""
_STORES = """
with lived as (select least($year, $day - min(business_date) + 1) as days from staging.stg_pos__sales)
select node_id, sum(sold_units) * 365.0 / any_value(lived.days) as units from staging.stg_pos__sales cross join lived
where business_date > $day - $year and node_id in (select node_id from marts.dim_node where coalesce(closed_date > $day, true))
group by all order by all
"""
_SPREAD = """
with lived as (select least($year, $day - min(demand_date) + 1) as days from intermediate.int_demand_events_daily),
daily as (
    select sku_id, demand_date, sum(pos_units + ecom_units - cancelled_units)::double as units
    from intermediate.int_demand_events_daily where demand_date > $day - $year and demand_date <= $day group by all
)
select sku_id, sum(units) as units,
       sqrt(greatest(sum(units * units) / any_value(lived.days) - pow(sum(units) / any_value(lived.days), 2), 0)) as std_units
from daily cross join lived group by all order by all
"""


@dataclass(frozen=True)
class Year:
    """A year of demand and the masters that serve it.

    Parameters
    ----------
    nodes, zones, lanes : DataFrame
    online : DataFrame
        sku_id, region_id, units a year.
    stores : Series
        Units a year by store.
    skus : DataFrame
        sku_id, unit_cost, weight_kg, is_bulky, std_units (of a day's demand).
    safety_factor, protection_days : float
        Of a typical target.
    """

    nodes: pd.DataFrame
    zones: pd.DataFrame
    lanes: pd.DataFrame
    online: pd.DataFrame
    stores: pd.Series
    skus: pd.DataFrame
    safety_factor: float
    protection_days: float

    @property
    def has_demand(self) -> bool:
        """Whether there is anything to design for."""
        return not self.nodes.empty and (len(self.online) > 0 or len(self.stores) > 0)


def read_year(warehouse: duckdb.DuckDBPyConnection, settings: Settings, day: RunDay) -> Year:
    """Read what a design is made from."""
    span = {"day": day.as_of_date, "year": _YEAR}
    spread = warehouse.execute(_SPREAD, span).df()
    skus = warehouse.execute("select sku_id, unit_cost::double as unit_cost, weight_kg, is_bulky from marts.dim_sku order by sku_id").df()
    days = warehouse.execute(
        "select avg(lead_time_days + coalesce(review_period_days, ?)) from intermediate.int_stock_positions",
        [settings.planning.review_period_days],
    ).fetchone()
    return Year(
        nodes=warehouse.execute(_NODES, {"day": day.as_of_date}).df(),
        zones=warehouse.execute(_ZONES).df(),
        lanes=warehouse.execute(_LANES).df(),
        online=warehouse.execute(_ONLINE, span).df(),
        stores=warehouse.execute(_STORES, span).df().set_index("node_id")["units"].astype(float),
        skus=skus.merge(spread, on="sku_id"),
        safety_factor=float(ndtri(settings.planning.cycle_service_level)),
        protection_days=float(days[0]) if days and days[0] is not None else float(settings.planning.review_period_days),
    )


def design_inputs(year: Year) -> DesignInputs:
    """Everything as one good: units by region and store, safety stock in money, an average unit's weight."""
    served = year.stores.index.isin(year.lanes["destination_node_id"]) & ~year.stores.index.isin(year.nodes["node_id"])
    units = year.skus["units"].to_numpy()
    held = year.safety_factor * np.sqrt(year.protection_days) * float(year.skus["unit_cost"] @ year.skus["std_units"])
    return DesignInputs(
        nodes=year.nodes,
        zones=year.zones,
        lanes=year.lanes,
        regions=year.online.groupby("region_id")["units"].sum().astype(float),
        stores=year.stores[served],
        pooled_stock_cost=held,
        unit_weight_kg=float(year.skus["weight_kg"] @ units / units.sum()) if units.sum() else 0.0,
    )


def placement_inputs(warehouse: duckdb.DuckDBPyConnection, settings: Settings, year: Year) -> PlacementInputs:
    """Online demand by SKU and region, and what every node would pay to serve it."""
    nodes = year.nodes[year.nodes["is_open"] & year.nodes["node_id"].isin(year.zones["node_id"])].reset_index(drop=True)
    skus = year.skus[year.skus["sku_id"].isin(year.online["sku_id"])].reset_index(drop=True)
    reached = year.zones[year.zones["node_id"].isin(nodes["node_id"])]
    region = pd.Index(sorted(set(year.online["region_id"]) & set(reached["region_id"])))
    online = year.online[year.online["region_id"].isin(region) & year.online["sku_id"].isin(skus["sku_id"])]
    demand = np.zeros((len(skus), len(region)))
    demand[pd.Index(skus["sku_id"]).get_indexer(online["sku_id"]), region.get_indexer(online["region_id"])] = online["units"]
    mile = np.full((len(nodes), len(region)), np.inf)
    zones = year.zones[year.zones["node_id"].isin(nodes["node_id"]) & year.zones["region_id"].isin(region)]
    late = zones["delivery_days"].astype(float).fillna(0.0) * settings.planning.delivery_day_cost_per_unit
    at = pd.Index(nodes["node_id"]).get_indexer(zones["node_id"]), region.get_indexer(zones["region_id"])
    mile[at] = zones["final_mile_cost_per_unit"].astype(float) + late
    per_unit, per_kg = _freight_in(year, nodes)
    weight = skus["weight_kg"].to_numpy(dtype=float)
    freight = per_unit[None, :] + weight[:, None] * per_kg[None, :]
    total = np.maximum(demand.sum(axis=1), 1e-9)
    held = year.safety_factor * np.sqrt(year.protection_days) * (skus["unit_cost"] * skus["std_units"]).to_numpy(dtype=float)
    carried = warehouse.execute("select sku_id, node_id from intermediate.int_sku_nodes_carried where is_active").df()
    is_carried = np.zeros((len(skus), len(nodes)), bool)
    i, j = pd.Index(skus["sku_id"]).get_indexer(carried["sku_id"]), pd.Index(nodes["node_id"]).get_indexer(carried["node_id"])
    is_carried[i[(i >= 0) & (j >= 0)], j[(i >= 0) & (j >= 0)]] = True
    return PlacementInputs(
        sku_ids=skus["sku_id"].to_numpy(dtype=object),
        node_ids=nodes["node_id"].to_numpy(dtype=object),
        node_types=nodes["node_type"].to_numpy(dtype=object),
        demand_units=demand,
        cost_per_unit=freight[:, :, None] + mile[None, :, :],
        pooled_cost=(held / np.sqrt(total))[:, None] * nodes["holding_cost_rate_per_year"].to_numpy(dtype=float)[None, :],
        is_bulky=skus["is_bulky"].to_numpy(dtype=bool),
        is_carried=is_carried,
    )


def _freight_in(year: Year, nodes: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Handling and lanes from the root to each node, per unit and per kilogram."""
    parent = dict(zip(year.nodes["node_id"], year.nodes["replenished_from_node_id"], strict=True))
    handling = dict(zip(year.nodes["node_id"], year.nodes["handling_cost_per_unit"], strict=True))
    lane = {(r.origin_node_id, r.destination_node_id): (r.cost_per_unit, r.cost_per_kg) for r in year.lanes.itertuples()}
    per_unit, per_kg = np.zeros(len(nodes)), np.zeros(len(nodes))
    for i, node in enumerate(nodes["node_id"]):
        at, seen = node, set()
        per_unit[i] = handling.get(node, 0.0)
        while isinstance(parent.get(at), str) and at not in seen:
            seen.add(at)
            cost = lane.get((parent[at], at), (0.0, 0.0))
            at = parent[at]
            per_unit[i] += cost[0] + handling.get(at, 0.0)
            per_kg[i] += cost[1]
    return per_unit, per_kg
