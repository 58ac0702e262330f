"""How many nodes, which, and whom each serves: today's network beside the best one, its cost by number of nodes, and how stable it is.

Belongs here: scenarios and what they cost, from masters and a year of demand. Does not: the programme (`facility_location.py`), which SKU stands where
(`placement.py`).

Notes
-----
A customer is a region (its online orders) or a store (its counter sales). A site serves a region at its freight in, its handling and the zone's final mile, a
store over a lane. Its safety stock pools: with variance proportional to volume a site that serves v of V units a year holds sqrt(v / V) of
what one site that serves all would hold.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.errors import InfeasiblePlanError, PlanningError
from planning.facility_location import Sites, Siting, locate
from planning.frames import NETWORK_DESIGN

STABILITY = 0.2  # demand is moved up and down by so much
TODAY, BEST, MORE, LESS = "today", "best", "best, demand +20 %", "best, demand -20 %"


@dataclass(frozen=True)
class DesignInputs:
    """What a design is made from.

    Parameters
    ----------
    nodes : DataFrame
        node_id, node_type, replenished_from_node_id, fixed_cost_per_year, handling_cost_per_unit, holding_cost_rate_per_year,
        outbound_units_per_day, is_open: the sites that may serve.
    zones : DataFrame
        node_id, region_id, final_mile_cost_per_unit, delivery_days.
    lanes : DataFrame
        origin_node_id, destination_node_id, cost_per_unit, cost_per_kg, lead_time_days.
    regions, stores : Series
        Units a year by region_id and by node_id of the store.
    pooled_stock_cost : float
        Value of the safety stock that one site would hold for all demand.
    unit_weight_kg : float
        Of an average unit.
    """

    nodes: pd.DataFrame
    zones: pd.DataFrame
    lanes: pd.DataFrame
    regions: pd.Series
    stores: pd.Series
    pooled_stock_cost: float
    unit_weight_kg: float


@dataclass(frozen=True)
class Design:
    """Rows of the table, and what a reader asks first.

    Parameters
    ----------
    rows : DataFrame
        Frame `plan.network_design`.
    infeasible : dict of str to str
        Scenarios that nobody can serve, and why.
    elbow_count : int
        Number of nodes after which one more changes the cost least for its effort: the point of the curve farthest below its chord.
    stable_share : float
        Share of the sites of the best network that are in it with 20 % more and with 20 % less demand too.
    """

    rows: pd.DataFrame
    infeasible: dict[str, str]
    elbow_count: int
    stable_share: float


def design_network(inputs: DesignInputs, *, as_of_date: pd.Timestamp, time_limit_seconds: float) -> Design:
    """Compare today's network with the best ones.

    Parameters
    ----------
    inputs : DesignInputs
    as_of_date : Timestamp
    time_limit_seconds : float
        Of each programme.

    Raises
    ------
    PlanningError
        No demand, no site, or a network that is replenished in a circle.
    InfeasiblePlanError
        Not even all sites together can serve everybody.
    """
    if inputs.nodes.empty or (inputs.regions.sum() + inputs.stores.sum()) <= 0:
        raise PlanningError("network design: no node that may serve, or no demand; deliver nodes and a year of orders or sales")
    problem = _Problem(inputs)
    is_open = inputs.nodes["is_open"].to_numpy(dtype=bool).astype(float)
    rows: list[pd.DataFrame] = []
    infeasible: dict[str, str] = {}

    def solve(scenario: str, sites: Sites, **limits: object) -> Siting | None:
        try:
            found = locate(sites, time_limit_seconds=time_limit_seconds, **limits)
        except InfeasiblePlanError as error:
            infeasible[scenario] = str(error)
            return None
        rows.append(problem.described(scenario, sites, found))
        return found

    solve(TODAY, problem.sites, is_open=is_open)
    best = locate(problem.sites, time_limit_seconds=time_limit_seconds)
    rows.append(problem.described(BEST, problem.sites, best))
    swung = [solve(name, problem.scaled(1 + sign * STABILITY)) for name, sign in ((MORE, 1), (LESS, -1))]
    for days in problem.promises():
        solve(f"promise {days} days", problem.within(days))
    curve = {}
    for count in range(1, len(inputs.nodes) + 1):
        found = solve(f"{count} node{'s' if count > 1 else ''}", problem.sites, open_count=count)
        if found is not None:
            curve[count] = found.cost
    stays = np.all([best.is_open, *(s.is_open for s in swung if s is not None)], axis=0)
    table = pd.concat(rows, ignore_index=True).assign(as_of_date=as_of_date)
    return Design(
        rows=NETWORK_DESIGN.check(table.sort_values(["scenario", "node_id"], ignore_index=True)),
        infeasible=infeasible,
        elbow_count=elbow(curve),
        stable_share=float(stays.sum() / max(best.is_open.sum(), 1)),
    )


def elbow(curve: dict[int, float]) -> int:
    """Number of nodes at which a falling curve of cost turns: farthest below the chord from its first point to its least.

    Examples
    --------
    >>> elbow({1: 100.0, 2: 60.0, 3: 52.0, 4: 50.0, 5: 55.0})
    2
    """
    if not curve:
        return 0
    counts = np.array(sorted(curve))
    cost = np.array([curve[c] for c in counts])
    last = int(np.argmin(cost))
    if last == 0:
        return int(counts[0])
    x, y = counts[: last + 1], cost[: last + 1]
    chord = y[0] + (y[-1] - y[0]) * (x - x[0]) / (x[-1] - x[0])
    return int(x[np.argmax(chord - y)]) if last > 1 else int(counts[last])


class _Problem:
    """Arrays of a design: sites are rows of the nodes, customers regions then stores."""

    def __init__(self, inputs: DesignInputs) -> None:
        self.inputs = inputs
        nodes = inputs.nodes.reset_index(drop=True)
        self.names = nodes["node_id"].to_numpy()
        index = pd.Index(self.names)
        self.lane = {
            (row.origin_node_id, row.destination_node_id): float(row.cost_per_unit) + float(row.cost_per_kg) * inputs.unit_weight_kg
            for row in inputs.lanes.itertuples()
        }
        self.handling = dict(zip(nodes["node_id"], nodes["handling_cost_per_unit"].fillna(0.0).astype(float), strict=True))
        self.parent = dict(zip(nodes["node_id"], nodes["replenished_from_node_id"], strict=True))
        self.freight = np.array([self._freight_in(node) for node in self.names])
        customers = [*inputs.regions.index, *inputs.stores.index]
        demand = np.r_[inputs.regions.to_numpy(dtype=float), inputs.stores.to_numpy(dtype=float)]
        self.mile = np.full((len(nodes), len(customers)), np.inf)
        self.days = np.full_like(self.mile, np.inf)
        place = {region: i for i, region in enumerate(inputs.regions.index)}
        for row in inputs.zones.itertuples():
            site = index.get_indexer([row.node_id])[0]
            if site >= 0 and row.region_id in place:
                self.mile[site, place[row.region_id]] = float(row.final_mile_cost_per_unit)
                self.days[site, place[row.region_id]] = np.nan if pd.isna(row.delivery_days) else float(row.delivery_days)
        for at, store in enumerate(inputs.stores.index, start=len(place)):
            for site, node in enumerate(self.names):
                if (node, store) in self.lane:
                    self.mile[site, at] = self.lane[node, store]
                    self.days[site, at] = 0.0
        rate = nodes["holding_cost_rate_per_year"].fillna(0.0).to_numpy(dtype=float)
        total = float(demand.sum())
        outbound = nodes["outbound_units_per_day"].astype(float).fillna(np.inf).to_numpy() * 365.0
        needs = [(i, int(index.get_indexer([self.parent[node]])[0])) for i, node in enumerate(self.names) if self.parent[node] in index]
        self.sites = Sites(
            fixed_cost=nodes["fixed_cost_per_year"].fillna(0.0).to_numpy(dtype=float),
            service_cost=(self.freight[:, None] + self.mile) * demand[None, :],
            demand=demand,
            capacity=outbound,
            pooled_cost=rate * inputs.pooled_stock_cost / np.sqrt(total),
            needs=needs,
            customer_names=tuple(map(str, customers)),
        )

    def _freight_in(self, node: str) -> float:
        """Handling and lanes of a unit on its way from the root to the node."""
        total, seen = self.handling.get(node, 0.0), [node]
        while self.parent.get(node) is not None and not pd.isna(self.parent.get(node)):
            above = self.parent[node]
            if above in seen:
                raise PlanningError(
                    f"nodes: {' -> '.join([*seen, above])} replenish each other in a circle; correct replenished_from_node_id"
                )
            total += self.lane.get((above, node), 0.0) + self.handling.get(above, 0.0)
            seen.append(above)
            node = above
        return total

    def scaled(self, factor: float) -> Sites:
        """The same with more or less demand; its variance follows, so a unit's share of pooled stock stays what it is."""
        return replace(self.sites, demand=self.sites.demand * factor, service_cost=self.sites.service_cost * factor)

    def promises(self) -> list[int]:
        """Delivery promises that would bind: the days of zones, but for the longest."""
        known = np.unique(self.days[np.isfinite(self.days) & (self.days > 0)])
        return [int(d) for d in known[:-1]]

    def within(self, days: int) -> Sites:
        """Only who reaches a customer within so many days may serve him."""
        return replace(self.sites, service_cost=np.where(self.days <= days, self.sites.service_cost, np.inf))

    def described(self, scenario: str, sites: Sites, found: Siting) -> pd.DataFrame:
        """One row per node of the scenario."""
        served = np.maximum(found.share, 0.0) * sites.demand[None, :]  # HiGHS keeps bounds within a tolerance
        units = served.sum(axis=1)
        mile = np.sum(served * np.where(np.isfinite(self.mile), self.mile, 0.0), axis=1)
        return pd.DataFrame(
            {
                "scenario": scenario,
                "node_id": self.names,
                "node_type": self.inputs.nodes["node_type"].to_numpy(),
                "is_open": found.is_open,
                "node_count": int(found.is_open.sum()),
                "assigned_demand_units": np.round(units, 3),
                "fixed_cost_per_year": np.round(np.where(found.is_open, sites.fixed_cost, 0.0), 4),
                "freight_and_handling_cost": np.round(units * self.freight, 4),
                "final_mile_cost": np.round(mile, 4),
                "carrying_cost": np.round(_pooled(sites, units), 4),
                "scenario_total_cost": round(found.cost, 4),
                "scenario_bound_cost": round(min(found.bound, found.cost), 4),
            }
        )


def _pooled(sites: Sites, units: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.zeros(len(units)) if sites.pooled_cost is None else sites.pooled_cost * np.sqrt(units)
