"""What nobody could beat: the least cost of a scenario for one who knows every demand and lead time beforehand.

Belongs here: the bound. Does not: a policy (it sees the future). It pays no departures and no order lines, splits cases and has no capacities, so
every policy's total cost in `twin.py` is at least as high.

Notes
-----
Per SKU a flow over time: stock of a node tomorrow is stock today plus what arrives less what is sold and what leaves. Holding is paid on
stock and on what is under way, lanes per unit, what is not sold at its shortage cost. Solved as a linear programme by HiGHS; SKUs share
its matrix and differ in costs, demand and stock.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csc_array, csr_array

from planning.errors import PlanningError, SolverError
from planning.twin import Scenario, TwinNetwork


@dataclass(frozen=True)
class Bound:
    """Least cost of every SKU and what it fills.

    Parameters
    ----------
    cost : ndarray of shape (n_skus,)
    filled_units : ndarray of shape (n_skus,)
    """

    cost: NDArray[np.float64]
    filled_units: NDArray[np.float64]


def clairvoyant_bound(network: TwinNetwork, scenario: Scenario) -> Bound:
    """Least total cost of every SKU over the scenario.

    Raises
    ------
    PlanningError
        A scenario with back orders or with orders from the supplier: its bound is another one.
    SolverError
        HiGHS stopped without an optimum.
    """
    if scenario.is_backordered or scenario.supplier_days is not None:
        raise PlanningError("clairvoyant bound: lost sales and a given supply only; leave is_backordered and supplier_days out")
    matrix, lane, day, days_under_way = _balances(network, scenario)
    n_days, n_nodes, n_skus = scenario.demand.shape
    cost, filled = np.zeros(n_skus), np.zeros(n_skus)
    for sku in range(n_skus):
        origin, destination = network.lane_origin[lane], network.lane_destination[lane]
        usable = network.is_carried[origin, sku] & network.is_carried[destination, sku]
        holding = network.holding_cost_per_unit_day[:, sku]
        shipping = network.lane_cost_per_unit[lane, sku] + holding[destination] * days_under_way
        selling = np.tile(network.final_mile_cost_per_unit - network.shortage_cost_per_unit[:, sku], n_days)
        demand = scenario.demand[:, :, sku].ravel().astype(float)
        given = (scenario.supply[:, :, sku] + scenario.under_way[:, :, sku]).astype(float)
        given[0] += scenario.on_hand[:, sku]
        found = linprog(
            np.r_[shipping, selling, np.tile(holding, n_days)],
            A_eq=matrix,
            b_eq=given.ravel(),
            bounds=np.column_stack(
                [np.zeros(matrix.shape[1]), np.r_[np.where(usable, np.inf, 0.0), demand, np.full(n_days * n_nodes, np.inf)]]
            ),
            method="highs",
        )
        if found.status != 0:
            raise SolverError(f"clairvoyant bound: HiGHS on SKU {network.sku_ids[sku]}: {found.message}")
        sold = found.x[len(lane) : len(lane) + len(demand)]
        waiting = np.arange(n_days) @ scenario.under_way[:, :, sku] @ holding  # held on its way, whatever anybody does
        cost[sku] = found.fun + waiting + float(np.tile(network.shortage_cost_per_unit[:, sku], n_days) @ demand)
        filled[sku] = sold.sum()
    return Bound(cost, filled)


def _balances(
    network: TwinNetwork, scenario: Scenario
) -> tuple[csc_array, NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Stock balances of every day and node; and lane, day and days under way within the horizon of every shipment variable.

    Columns are shipments, sales, evening stocks: stock + sold + leaving - arriving - stock of the evening before = given.
    """
    n_days, n_nodes, _ = scenario.demand.shape
    day, lane = (x.ravel() for x in np.meshgrid(np.arange(n_days), np.arange(len(network.lane_origin)), indexing="ij"))
    due = day + scenario.lane_days[day, lane]
    inside = due < n_days  # what would come after the end only costs
    day, lane, due = day[inside], lane[inside], due[inside]
    ships, cells = len(lane), n_days * n_nodes
    leaves, arrives = day * n_nodes + network.lane_origin[lane], due * n_nodes + network.lane_destination[lane]
    cell, column = np.arange(cells), np.arange(ships)
    row = np.r_[leaves, arrives, cell, cell, cell[n_nodes:]]
    col = np.r_[column, column, ships + cell, ships + cells + cell, ships + cells + cell[: cells - n_nodes]]
    value = np.r_[np.ones(ships), -np.ones(ships), np.ones(cells), np.ones(cells), -np.ones(cells - n_nodes)]
    return csr_array((value, (row, col)), shape=(cells, ships + 2 * cells)).tocsc(), lane, day, due - day
