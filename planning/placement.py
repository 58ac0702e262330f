"""At which nodes each SKU should stand: near its customers where that pays, together with the rest where it does not.

Belongs here: the choice per SKU, and what each further node costs and saves. Does not: how many nodes there should be (`network_design.py`), how much stands
at each (`stock_targets.py`).

Notes
-----
A region is served by the stocked node that reaches it most cheaply (freight in and final mile). A SKU that stands at a set S costs a year

    sum_r d_r min_(n in S) c_nr + sum_(n in S) (a_n sqrt(v_n) + l min(reviews, v_n)),

v_n being the units that n then serves, a_n sqrt(v_n) its safety stock (variance in proportion to volume, so splitting demand over nodes holds
more) and l the cost of a replenishment line. Up to `_MOST_EXACT` nodes every set is tried; beyond, nodes are added, dropped and exchanged while it
pays. A node beyond the first must save more than a least saving, which is the guard against spreading a SKU thin.

References
----------
Snyder & Shen, *Fundamentals of Supply Chain Theory*, ch. 7.3 (risk pooling), 8.2 (location).
"""

from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.errors import PlanningError
from planning.frames import PLACEMENTS

_MOST_EXACT = 12
CENTRAL_ONLY = ("urban_mfc", "store")  # types of node that bulky goods do not fit


@dataclass(frozen=True)
class PlacementInputs:
    """What a placement is made from.

    Parameters
    ----------
    sku_ids, node_ids : ndarray of str
        Nodes that may serve regions.
    node_types : ndarray of str, shape (n_nodes,)
    demand_units : ndarray of shape (n_skus, n_regions)
        A year's orders.
    cost_per_unit : ndarray of shape (n_skus, n_nodes, n_regions)
        Freight in, handling, final mile and what a later delivery is held to cost; infinity where the node does not serve the region.
    pooled_cost : ndarray of shape (n_skus, n_nodes)
        a_n: holding a year of the safety stock for one unit of demand a year.
    is_bulky : ndarray of bool, shape (n_skus,)
    is_carried : ndarray of bool, shape (n_skus, n_nodes)
    """

    sku_ids: NDArray[np.object_]
    node_ids: NDArray[np.object_]
    node_types: NDArray[np.object_]
    demand_units: NDArray[np.float64]
    cost_per_unit: NDArray[np.float64]
    pooled_cost: NDArray[np.float64]
    is_bulky: NDArray[np.bool_]
    is_carried: NDArray[np.bool_]


@numba.njit(cache=True)
def _cost_of(
    chosen: NDArray[np.bool_], demand: NDArray[np.float64], cost: NDArray[np.float64], pooled: NDArray[np.float64],
    line_cost: float, reviews: float, units: NDArray[np.float64],
) -> tuple[float, float]:  # fmt: skip
    """Cost of serving and cost of standing at the chosen nodes; ``units`` gets what each serves. Infinite where a region is not reached."""
    units[:] = 0.0
    serving = 0.0
    for r in range(demand.size):
        if demand[r] <= 0.0:
            continue
        best, at = np.inf, -1
        for n in range(chosen.size):
            if chosen[n] and cost[n, r] < best:
                best, at = cost[n, r], n
        if at < 0:
            return np.inf, np.inf
        serving += demand[r] * best
        units[at] += demand[r]
    standing = 0.0
    for n in range(chosen.size):
        if chosen[n]:
            standing += pooled[n] * np.sqrt(units[n]) + line_cost * min(reviews, units[n])
    return serving, standing


@numba.njit(cache=True)
def _total(
    chosen: NDArray[np.bool_], demand: NDArray[np.float64], cost: NDArray[np.float64], pooled: NDArray[np.float64],
    line_cost: float, reviews: float, least_saving: float, units: NDArray[np.float64],
) -> float:  # fmt: skip
    serving, standing = _cost_of(chosen, demand, cost, pooled, line_cost, reviews, units)
    return serving + standing + least_saving * max(0, chosen.sum() - 1)


@numba.njit(cache=True, parallel=True)
def _place(
    demand: NDArray[np.float64], cost: NDArray[np.float64], pooled: NDArray[np.float64], eligible: NDArray[np.bool_],
    line_cost: float, reviews: float, least_saving: float, chosen: NDArray[np.bool_],
) -> None:  # fmt: skip
    n_nodes = pooled.shape[1]
    for k in numba.prange(demand.shape[0]):
        units = np.empty(n_nodes)
        best = np.inf
        mine = np.zeros(n_nodes, np.bool_)
        if demand[k].sum() <= 0.0:
            continue
        if n_nodes <= _MOST_EXACT:
            for mask in range(1, 1 << n_nodes):
                fits = True
                for n in range(n_nodes):
                    mine[n] = (mask >> n) & 1
                    fits = fits and (not mine[n] or eligible[k, n])
                if fits:
                    total = _total(mine, demand[k], cost[k], pooled[k], line_cost, reviews, least_saving, units)
                    if total < best - 1e-9:
                        best = total
                        chosen[k] = mine
            continue
        mine[:] = eligible[k]
        best = _total(mine, demand[k], cost[k], pooled[k], line_cost, reviews, least_saving, units)
        better = np.isfinite(best)
        while better:
            better = False
            step, step_in, step_out = best - 1e-9, -1, -1
            for i in range(-1, n_nodes):  # -1: nothing comes in, or nothing goes out
                if i >= 0 and (mine[i] or not eligible[k, i]):
                    continue
                for o in range(-1, n_nodes):
                    if (o >= 0 and not mine[o]) or (i < 0 and o < 0):
                        continue
                    if i >= 0:
                        mine[i] = True
                    if o >= 0:
                        mine[o] = False
                    total = _total(mine, demand[k], cost[k], pooled[k], line_cost, reviews, least_saving, units)
                    if i >= 0:
                        mine[i] = False
                    if o >= 0:
                        mine[o] = True
                    if total < step:
                        step, step_in, step_out = total, i, o
            if step_in >= 0 or step_out >= 0:
                better = True
                best = step
                if step_in >= 0:
                    mine[step_in] = True
                if step_out >= 0:
                    mine[step_out] = False
        chosen[k] = mine


def place(inputs: PlacementInputs, *, line_cost: float, reviews_per_year: float, least_saving_per_node: float) -> NDArray[np.bool_]:
    """Nodes at which each SKU should stand, shape (n_skus, n_nodes); a SKU that nobody asked for stands nowhere.

    Raises
    ------
    PlanningError
        Demand or costs that are negative or missing.
    """
    for name, values in (
        ("demand_units", inputs.demand_units),
        ("cost_per_unit", inputs.cost_per_unit),
        ("pooled_cost", inputs.pooled_cost),
    ):
        if np.any(np.isnan(values)) or np.any(values < 0):
            raise PlanningError(
                f"placement: {name} is missing or negative at {int(np.sum(~(values >= 0)))} places; complete skus, lanes and zones"
            )
    chosen = np.zeros(inputs.pooled_cost.shape, np.bool_)
    _place(
        _reachable(inputs), inputs.cost_per_unit, inputs.pooled_cost, _eligible(inputs), line_cost, reviews_per_year,
        least_saving_per_node, chosen,
    )  # fmt: skip
    return chosen


def _eligible(inputs: PlacementInputs) -> NDArray[np.bool_]:
    return ~(inputs.is_bulky[:, None] & np.isin(inputs.node_types, CENTRAL_ONLY)[None, :])


def _reachable(inputs: PlacementInputs) -> NDArray[np.float64]:
    """Demand of the regions that some node may serve with the SKU; nobody's choice of nodes depends on the rest."""
    reached = (_eligible(inputs)[:, :, None] & np.isfinite(inputs.cost_per_unit)).any(axis=1)
    return np.where(reached, inputs.demand_units, 0.0)


def placements(
    inputs: PlacementInputs, *, as_of_date: pd.Timestamp, line_cost: float, reviews_per_year: float, least_saving_per_node: float
) -> pd.DataFrame:
    """Where each SKU should stand, with what every node that is chosen, carried or next best costs and saves.

    Returns
    -------
    DataFrame
        Frame `plan.placements`. A chosen node's figures are against the chosen nodes without it, those of another against the chosen nodes with it.
    """
    chosen = place(inputs, line_cost=line_cost, reviews_per_year=reviews_per_year, least_saving_per_node=least_saving_per_node)
    n_skus, n_nodes = chosen.shape
    shape = (n_skus, n_nodes)
    served, saved, held, lines = (np.zeros(shape) for _ in range(4))
    _explain(chosen, _reachable(inputs), inputs.cost_per_unit, inputs.pooled_cost, line_cost, reviews_per_year, served, saved, held, lines)
    net = saved - held - lines
    alone = chosen & (chosen.sum(axis=1, keepdims=True) == 1)
    reason = np.select(
        [alone, chosen, ~_eligible(inputs), np.isfinite(net) & (net > 0) & (net <= least_saving_per_node)],
        ["first_node", "pays", "bulky", "spread_limit"],
        "does_not_pay",
    )
    order = np.where(chosen, -net, np.inf)
    rank = np.argsort(np.argsort(order, axis=1, kind="stable"), axis=1) + 1
    sku, node = np.nonzero(chosen | inputs.is_carried | (served > 0))
    at = sku, node

    def finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.round(np.where(np.isfinite(values), values, 0.0)[at], 4)

    return PLACEMENTS.check(
        pd.DataFrame(
            {
                "as_of_date": as_of_date,
                "sku_id": inputs.sku_ids[sku],
                "node_id": inputs.node_ids[node],
                "is_stocked": chosen[at],
                "is_carried_now": inputs.is_carried[at],
                "served_demand_units": finite(served),
                "holding_cost_per_year": np.maximum(finite(held), 0.0),
                "line_cost_per_year": np.maximum(finite(lines), 0.0),
                "final_mile_saving_per_year": finite(saved),
                "net_saving_per_year": finite(net),
                "reason_code": reason[at],
                "spread_rank": pd.array(np.where(chosen, rank, 0)[at], dtype="Int64"),
            }
        ).assign(spread_rank=lambda rows: rows["spread_rank"].where(rows["is_stocked"]))
    )


@numba.njit(cache=True, parallel=True)
def _explain(
    chosen: NDArray[np.bool_], demand: NDArray[np.float64], cost: NDArray[np.float64], pooled: NDArray[np.float64],
    line_cost: float, reviews: float, served: NDArray[np.float64], saved: NDArray[np.float64], held: NDArray[np.float64],
    lines: NDArray[np.float64],
) -> None:  # fmt: skip
    n_nodes = chosen.shape[1]
    for k in numba.prange(chosen.shape[0]):
        if demand[k].sum() <= 0.0:
            continue
        with_it, without = np.empty(n_nodes), np.empty(n_nodes)
        mine = np.empty(n_nodes, np.bool_)
        for n in range(n_nodes):
            mine[:] = chosen[k]
            mine[n] = True
            serving_with, standing_with = _cost_of(mine, demand[k], cost[k], pooled[k], line_cost, reviews, with_it)
            served[k, n] = with_it[n]
            mine[n] = False
            if mine.sum() == 0:  # the only node: there is nothing to hold it against
                held[k, n] = pooled[k, n] * np.sqrt(with_it[n])
                lines[k, n] = line_cost * min(reviews, with_it[n])
                continue
            serving_without, standing_without = _cost_of(mine, demand[k], cost[k], pooled[k], line_cost, reviews, without)
            saved[k, n] = serving_without - serving_with
            for i in range(n_nodes):
                line = line_cost * (min(reviews, with_it[i]) * (mine[i] or i == n) - min(reviews, without[i]) * mine[i])
                lines[k, n] += line
            held[k, n] = standing_with - standing_without - lines[k, n]
