"""What nobody could beat: the least cost of a scenario for one who knows every demand and lead time beforehand.

Belongs here: the bound. Does not: a policy (it sees the future). It pays no departures and no order lines, splits cases and has no capacities, so
every policy's total cost in `twin.py` is at least as high.

Notes
-----
Per SKU a flow over time: stock of a node tomorrow is stock today plus what arrives less what is sold and what leaves. Holding is paid on
stock and on what is under way, lanes per unit, what is not sold at its shortage cost; stock of the end carries its freight as in the twin. Solved as a linear programme by HiGHS; SKUs share
its matrix and differ in costs, demand and stock.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csc_array, csr_array

from planning.errors import PlanningError, SolverError
from planning.twin import Scenario, TwinNetwork, freight_in


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
    matrix, lane, days_held = _balances(network, scenario)
    n_days, n_nodes, n_skus = scenario.demand.shape
    cover = np.zeros((n_nodes, n_skus)) if scenario.cover_units is None else scenario.cover_units
    freight = freight_in(network)
    before = scenario.on_hand + scenario.under_way.sum(axis=0)
    origin, destination = network.lane_origin[lane], network.lane_destination[lane]
    cost, filled = np.zeros(n_skus), np.zeros(n_skus)
    for sku in range(n_skus):
        holding, short = network.holding_cost_per_unit_day[:, sku], np.tile(network.shortage_cost_per_unit[:, sku], n_days)
        demand = scenario.demand[:, :, sku].ravel().astype(float)
        given = (scenario.supply[:, :, sku] + scenario.under_way[:, :, sku]).astype(float)
        given[0] += scenario.on_hand[:, sku]
        usable = network.is_carried[origin, sku] & network.is_carried[destination, sku]
        most = np.r_[
            np.where(usable, np.inf, 0.0), demand, np.full(n_days * n_nodes, np.inf), cover[:, sku], np.full(n_nodes, np.inf)
        ]  # fmt: skip
        found = linprog(
            np.r_[
                network.lane_cost_per_unit[lane, sku] + holding[destination] * days_held,
                np.tile(network.final_mile_cost_per_unit, n_days) - short,
                np.tile(holding, n_days),
                -freight[:, sku],
                np.zeros(n_nodes),
            ],
            A_eq=matrix,
            b_eq=np.r_[given.ravel(), np.zeros(n_nodes)],
            bounds=np.column_stack([np.zeros(len(most)), most]),
            method="highs",
        )
        if found.status != 0:
            raise SolverError(f"clairvoyant bound: HiGHS on SKU {network.sku_ids[sku]}: {found.message}")
        waiting = np.arange(n_days) @ scenario.under_way[:, :, sku] @ holding  # held on its way, whatever anybody does
        carried = float(freight[:, sku] @ np.minimum(before[:, sku], cover[:, sku]))
        cost[sku] = found.fun + waiting + float(short @ demand) + carried
        filled[sku] = found.x[len(lane) : len(lane) + len(demand)].sum()
    return Bound(cost, filled)


def _balances(network: TwinNetwork, scenario: Scenario) -> tuple[csc_array, NDArray[np.int64], NDArray[np.int64]]:
    """Stock balances of every day and node and of the end; lane and days held within the horizon of every shipment variable.

    Columns are shipments, sales, evening stocks, stock of the end that carries its freight, the rest of it. Stock + sold + leaving - arriving
    - stock of the evening before = given; at the end both kinds together are the last evening's stock and what is still under way.
    """
    n_days, n_nodes, _ = scenario.demand.shape
    day, lane = (x.ravel() for x in np.meshgrid(np.arange(n_days), np.arange(len(network.lane_origin)), indexing="ij"))
    due = np.minimum(day + scenario.lane_days[day, lane], n_days)
    ships, cells = len(lane), n_days * n_nodes
    sold, stock, kept = ships, ships + cells, ships + 2 * cells
    cell, node, column = np.arange(cells), np.arange(n_nodes), np.arange(ships)
    entries = [
        (day * n_nodes + network.lane_origin[lane], column, 1.0),
        (due * n_nodes + network.lane_destination[lane], column, -1.0),  # row n_days is the end
        (cell, sold + cell, 1.0),
        (cell, stock + cell, 1.0),
        (cell + n_nodes, stock + cell, -1.0),
        (cells + node, kept + node, 1.0),
        (cells + node, kept + n_nodes + node, 1.0),
    ]
    row, col = (np.concatenate([entry[i] for entry in entries]) for i in range(2))
    value = np.concatenate([np.full(len(entry[0]), entry[2]) for entry in entries])
    matrix = csr_array((value, (row, col)), shape=(cells + n_nodes, ships + 2 * cells + 2 * n_nodes)).tocsc()
    return matrix, lane, due - day
