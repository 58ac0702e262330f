"""Which units move today: from where, to where, what it costs and what it gains.

Belongs here: the transfer plan of a shard of SKUs, from positions, values and lanes to explained lines. Does not: the
value of a unit (`marginal_value.py`), the solver's inner loop (`min_cost_flow.py`), the independent post-check
(`plan_checks.py`).

Notes
-----
max sum of value won at destinations - value lost at origins - lane cost * units, subject to units given <= available,
whole cases, lanes that are open. A unit travels one lane. A node may pass units on while others are on their way to it; what
it receives is then valued as if it had given nothing, which is never too much. Stock does not climb to an ancestor of its
node: what the ancestor would keep it for is partly the node's own later demand. SKUs meet only on lanes: a lane whose lines together do not pay its departure or miss its least load is closed and the plan solved again, and a
lane above its capacity keeps its most valuable lines.
"""

import hashlib
import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning import min_cost_flow
from planning.errors import PlanningError
from planning.frames import OPEN_LANES, STOCK_POSITIONS, TRANSFERS
from planning.lead_time_demand import LeadTimeDemand
from planning.lot_sizes import whole_cases_down
from planning.marginal_value import DAYS_PER_YEAR, MarginalValues, stockout_probability
from planning.pilot import line_status

log = logging.getLogger(__name__)


def cheapest_way_in(*, positions: pd.DataFrame, lanes: pd.DataFrame) -> NDArray[np.float64]:
    """Least cost of bringing a unit to each row by an open lane from a node that carries its SKU, shape (n_rows,); infinity for no lane."""
    network = _network(positions, lanes, set())
    node = network.nodes.get_indexer(positions["node_id"])
    sku, _ = pd.factorize(positions["sku_id"])
    carried = np.zeros((int(sku.max(initial=-1)) + 1, len(network.nodes)), bool)
    carried[sku, node] = True
    weight = positions["weight_kg"].to_numpy(dtype=float)
    least = np.full(len(positions), np.inf)
    for origin in range(len(network.nodes)):
        cost = network.cost[origin, node] + network.cost_per_kg[origin, node] * weight
        least = np.where(carried[sku, origin] & (network.cost[origin, node] < min_cost_flow.FAR), np.minimum(least, cost), least)
    return least


@dataclass(frozen=True)
class TransferPlan:
    """The plan and what it took to get there.

    Parameters
    ----------
    lines : DataFrame
        Frame `plan.transfers`, most valuable line first.
    closed_lanes : list of (origin, destination)
        Lanes that did not pay their departure or miss their least load.
    trimmed_units : int
        Units taken off because a lane was full.
    """

    lines: pd.DataFrame
    closed_lanes: list[tuple[str, str]]
    trimmed_units: int


@dataclass(frozen=True)
class _Network:
    nodes: pd.Index
    cost: NDArray[np.float64]
    cost_per_kg: NDArray[np.float64]
    carry_days: NDArray[np.float64]


def _upward(positions: pd.DataFrame) -> set[tuple[str, str]]:
    """Pairs of a node and one of its ancestors in the replenishment tree."""
    known = positions.dropna(subset="replenished_from_node_id").drop_duplicates("node_id")
    parent = dict(zip(known["node_id"], known["replenished_from_node_id"], strict=True))
    pairs = set()
    for node in parent:
        above = parent.get(node)
        while above is not None and (node, above) not in pairs:
            pairs.add((node, above))
            above = parent.get(above)
    return pairs


def _network(positions: pd.DataFrame, lanes: pd.DataFrame, closed: set[tuple[str, str]]) -> _Network:
    nodes = pd.Index(sorted(set(positions["node_id"])))
    cost = np.full((len(nodes), len(nodes)), min_cost_flow.FAR)
    cost_per_kg, carry_days = np.zeros_like(cost), np.zeros_like(cost)
    handling = positions.drop_duplicates("node_id").set_index("node_id")["handling_cost_per_unit"]
    pairs = zip(lanes["origin_node_id"], lanes["destination_node_id"], strict=True)
    usable = np.fromiter((pair not in closed for pair in pairs), dtype=bool, count=len(lanes))
    here = lanes[usable & lanes["origin_node_id"].isin(nodes) & lanes["destination_node_id"].isin(nodes)]
    o, d = nodes.get_indexer(here["origin_node_id"]), nodes.get_indexer(here["destination_node_id"])
    touched = here["origin_node_id"].map(handling).to_numpy() + here["destination_node_id"].map(handling).to_numpy()
    cost[o, d] = here["cost_per_unit"].to_numpy(dtype=float) + touched
    cost_per_kg[o, d] = here["cost_per_kg"].to_numpy(dtype=float)
    carry_days[o, d] = here["lead_time_days"].to_numpy(dtype=float)
    return _Network(nodes, cost, cost_per_kg, carry_days)


@dataclass(frozen=True)
class _Problem:
    """Arrays of one solve, aligned with the rows of the positions."""

    positions: pd.DataFrame
    values: MarginalValues
    row_start: NDArray[np.int64]
    row_sku: NDArray[np.int64]
    available: NDArray[np.int64]
    pack: NDArray[np.int64]
    carry_per_day: NDArray[np.float64]
    accepts: NDArray[np.bool_]


def _problem(positions: pd.DataFrame, values: MarginalValues) -> _Problem:
    sku = positions["sku_id"].to_numpy()
    change = np.flatnonzero(np.r_[True, sku[1:] != sku[:-1]])
    if len(change) != positions["sku_id"].nunique():
        raise PlanningError("stock_positions: rows of a SKU do not stand together; sort by sku_id")
    free = positions["on_hand_units"] - positions["reserved_units"] - positions["presentation_units"]
    pack = positions["case_pack_units"].to_numpy(dtype=np.int64)
    return _Problem(
        positions=positions,
        values=values,
        row_start=np.r_[change, len(sku)].astype(np.int64),
        row_sku=np.repeat(np.arange(len(change)), np.diff(np.r_[change, len(sku)])),
        available=whole_cases_down(np.maximum(free.to_numpy(dtype=np.int64), 0), pack),
        pack=pack,
        carry_per_day=(positions["holding_cost_rate_per_year"] * positions["unit_cost"]).to_numpy(dtype=float) / DAYS_PER_YEAR,
        accepts=np.ones(len(sku), dtype=bool),
    )


def _solve(problem: _Problem, network: _Network) -> NDArray[np.int64]:
    """Cases from each row to each node, shape (n_rows, n_nodes)."""
    flow = np.zeros((len(problem.positions), len(network.nodes)), np.int64)
    min_cost_flow.transport_all(
        problem.row_start,
        network.nodes.get_indexer(problem.positions["node_id"]).astype(np.int64),
        network.cost,
        network.cost_per_kg,
        network.carry_days,
        problem.positions["weight_kg"].to_numpy(dtype=float),
        problem.carry_per_day,
        problem.available // problem.pack,
        problem.accepts,
        problem.values.surplus_units,
        problem.values.sellable_units,
        problem.values.urgent_units,
        problem.values.shortage_cost_per_unit,
        problem.values.later_value_per_unit,
        problem.values.holding_cost_per_unit,
        problem.pack,
        flow,
    )
    return flow


def _lines(problem: _Problem, network: _Network, flow: NDArray[np.int64]) -> pd.DataFrame:
    """One row per move, with its row numbers, cost before fixed charges and gain."""
    row, node = np.nonzero(flow)
    row_node = network.nodes.get_indexer(problem.positions["node_id"])
    row_of = np.full((len(problem.row_start) - 1, len(network.nodes)), -1, np.int64)
    row_of[problem.row_sku, row_node] = np.arange(len(row_node))
    destination = row_of[problem.row_sku[row], node]
    units = flow[row, node] * problem.pack[row]
    n_rows = len(problem.positions)
    given = np.bincount(row, weights=units, minlength=n_rows).astype(np.int64)
    received = np.bincount(destination, weights=units, minlength=n_rows).astype(np.int64)
    v = problem.values
    lost, won = min_cost_flow.total_values(
        given, received, v.surplus_units, v.sellable_units, v.urgent_units, v.shortage_cost_per_unit, v.later_value_per_unit,
        v.holding_cost_per_unit,
    )  # fmt: skip
    o = row_node[row]
    cost_per_unit = (
        network.cost[o, node]
        + network.cost_per_kg[o, node] * problem.positions["weight_kg"].to_numpy(dtype=float)[row]
        + network.carry_days[o, node] * problem.carry_per_day[row]
    )
    return pd.DataFrame(
        {
            "row": row,
            "destination": destination,
            "origin_node_id": network.nodes[o],
            "destination_node_id": network.nodes[node],
            "transfer_units": units,
            "given": given[row],
            "received": received[destination],
            "transfer_cost": cost_per_unit * units,
            "expected_gain": won[destination] * units / received[destination] - lost[row] * units / given[row],
        }
    )


def _unpaid_lanes(lines: pd.DataFrame, lanes: pd.DataFrame) -> set[tuple[str, str]]:
    """Lanes whose lines together miss the least load or do not earn the departure."""
    if lines.empty:
        return set()
    worth = lines.assign(net=lines["expected_gain"] - lines["transfer_cost"]).groupby(["origin_node_id", "destination_node_id"])
    lane = lanes.set_index(["origin_node_id", "destination_node_id"]).join(
        worth.agg(net=("net", "sum"), units=("transfer_units", "sum")), how="inner"
    )
    return set(lane.index[(lane["net"] <= lane["fixed_cost_per_shipment"]) | (lane["units"] < lane["min_units"])])


def _within_capacity(lines: pd.DataFrame, lanes: pd.DataFrame, pack: NDArray[np.int64]) -> pd.DataFrame:
    """Trim each full lane from its least valuable line upwards, in whole cases."""
    capacity = lanes.set_index(["origin_node_id", "destination_node_id"])["capacity_units_per_day"].astype(float).fillna(np.inf)
    keys = pd.MultiIndex.from_frame(lines[["origin_node_id", "destination_node_id"]])
    lines = lines.assign(
        limit=capacity.reindex(keys).to_numpy(), worth=(lines["expected_gain"] - lines["transfer_cost"]) / lines["transfer_units"]
    ).sort_values(["worth", "row"], ascending=[False, True], kind="stable")
    before = lines.groupby(["origin_node_id", "destination_node_id"])["transfer_units"].cumsum() - lines["transfer_units"]
    room = np.maximum(lines["limit"] - before, 0)
    cases = pack[lines["row"]]
    kept = np.minimum(lines["transfer_units"], np.where(np.isinf(room), lines["transfer_units"], room // cases * cases))
    share = kept / lines["transfer_units"]
    trimmed = lines.assign(
        transfer_units=kept.astype(np.int64),
        transfer_cost=lines["transfer_cost"] * share,
        expected_gain=lines["expected_gain"] * share,
    )
    return trimmed[trimmed["transfer_units"] > 0].drop(columns=["limit", "worth"])


def _share_departures(lines: pd.DataFrame, lanes: pd.DataFrame) -> pd.DataFrame:
    """Spread each departure's fixed cost over its lines in proportion to what they net, so that none turns negative."""
    fixed = lanes.set_index(["origin_node_id", "destination_node_id"])["fixed_cost_per_shipment"].astype(float)
    keys = pd.MultiIndex.from_frame(lines[["origin_node_id", "destination_node_id"]])
    net = lines["expected_gain"] - lines["transfer_cost"]
    share = net / net.groupby([lines["origin_node_id"], lines["destination_node_id"]]).transform("sum")
    return lines.assign(transfer_cost=lines["transfer_cost"] + share * fixed.reindex(keys).to_numpy())


def _runner_up(problem: _Problem, network: _Network, lines: pd.DataFrame) -> NDArray[np.object_]:
    """Node that would have sent the next case to each line's destination."""
    widest = int(np.diff(problem.row_start).max())
    row, destination = lines["row"].to_numpy(), lines["destination"].to_numpy()
    nodes = problem.positions["node_id"].to_numpy()
    row_node = network.nodes.get_indexer(nodes)
    rows = np.minimum(problem.row_start[problem.row_sku[row]][:, None] + np.arange(widest), len(nodes) - 1)
    o, d = row_node[rows], row_node[destination][:, None]
    weight = problem.positions["weight_kg"].to_numpy(dtype=float)[row][:, None]
    cost = network.cost[o, d] + network.cost_per_kg[o, d] * weight + network.carry_days[o, d] * problem.carry_per_day[row][:, None]
    n_rows, v = len(nodes), problem.values
    other = min_cost_flow.runner_up_rows(
        row,
        destination,
        problem.row_start,
        problem.row_sku,
        cost,
        problem.available,
        np.bincount(row, weights=lines["transfer_units"], minlength=n_rows).astype(np.int64),
        np.bincount(destination, weights=lines["transfer_units"], minlength=n_rows).astype(np.int64),
        v.surplus_units,
        v.shortage_cost_per_unit,
        v.holding_cost_per_unit,
        problem.pack,
    )
    return np.where(other >= 0, nodes[other], None)


def _reason(before: pd.Series, cycle_service_level: NDArray[np.float64]) -> NDArray[np.str_]:
    return np.select([before >= 0.5, before > 1 - cycle_service_level], ["prevent_stockout", "raise_availability"], "rebalance_surplus")


def _explain(
    lines: pd.DataFrame, problem: _Problem, network: _Network, demand: LeadTimeDemand, lanes: pd.DataFrame, as_of_date: pd.Timestamp
) -> pd.DataFrame:
    position = problem.positions["on_hand_units"] - problem.positions["reserved_units"] + problem.positions["inbound_units"]
    position = position.to_numpy(dtype=np.int64)
    n_rows = len(position)
    given = np.bincount(lines["row"], weights=lines["transfer_units"], minlength=n_rows).astype(np.int64)
    received = np.bincount(lines["destination"], weights=lines["transfer_units"], minlength=n_rows).astype(np.int64)
    before = stockout_probability(demand=demand, position_units=position)
    after = stockout_probability(demand=demand, position_units=position - given + received)
    row, destination = lines["row"].to_numpy(), lines["destination"].to_numpy()
    lane = lanes.set_index(["origin_node_id", "destination_node_id"]).loc[
        pd.MultiIndex.from_frame(lines[["origin_node_id", "destination_node_id"]])
    ]
    sku = problem.positions["sku_id"].to_numpy()[row]
    ship = pd.to_datetime(lane["ship_date"].to_numpy())
    day = as_of_date.date().isoformat()
    names = zip(sku, lines["origin_node_id"], lines["destination_node_id"], lane["mode"], strict=True)
    return pd.DataFrame(
        {
            "transfer_id": [hashlib.sha256("|".join((day, *name)).encode()).hexdigest()[:16] for name in names],
            "as_of_date": as_of_date,
            "sku_id": sku,
            "origin_node_id": lines["origin_node_id"].to_numpy(),
            "destination_node_id": lines["destination_node_id"].to_numpy(),
            "mode": lane["mode"].to_numpy(),
            "transfer_units": lines["transfer_units"].to_numpy(),
            "ship_date": ship,
            "arrival_date": ship + pd.to_timedelta(np.ceil(lane["lead_time_days"].to_numpy(dtype=float)), unit="D"),
            "transfer_cost": lines["transfer_cost"].to_numpy(),
            "expected_gain": lines["expected_gain"].to_numpy(),
            "net_gain": (lines["expected_gain"] - lines["transfer_cost"]).to_numpy(),
            "origin_stockout_probability_before": before[row],
            "origin_stockout_probability_after": after[row],
            "destination_stockout_probability_before": before[destination],
            "destination_stockout_probability_after": after[destination],
            "runner_up_origin_node_id": _runner_up(problem, network, lines),
            "reason_code": _reason(before[destination], problem.positions["cycle_service_level"].to_numpy(dtype=float)[destination]),
        }
    ).sort_values(["net_gain", "transfer_id"], ascending=[False, True], ignore_index=True)


def plan_transfers(
    *,
    positions: pd.DataFrame,
    demand: LeadTimeDemand,
    values: MarginalValues,
    lanes: pd.DataFrame,
    as_of_date: pd.Timestamp,
    min_net_gain_per_line: float,
    pilot_only: bool,
) -> TransferPlan:
    """Move each unit where it is worth most.

    Parameters
    ----------
    positions : DataFrame
        Frame `stock_positions`, rows of a SKU together.
    demand : LeadTimeDemand
    values : MarginalValues
        Both aligned with the rows of ``positions``.
    lanes : DataFrame
        Frame `open_lanes`.
    as_of_date : Timestamp
    min_net_gain_per_line : float
        Lines that net less, in currency, are not worth a picker's walk.
    pilot_only : bool
        Lines that leave or enter a node outside the pilot cluster are shadows.

    Returns
    -------
    TransferPlan

    Raises
    ------
    FrameError, PlanningError
        Positions or lanes break their contract, or rows of a SKU do not stand together.
    """
    positions, lanes = STOCK_POSITIONS.check(positions).reset_index(drop=True), OPEN_LANES.check(lanes)
    problem = _problem(positions, values)
    closed, upward = set[tuple[str, str]](), _upward(positions)
    while True:
        network = _network(positions, lanes, closed | upward)
        lines = _lines(problem, network, _solve(problem, network))
        lines = lines[lines["expected_gain"] - lines["transfer_cost"] >= min_net_gain_per_line]
        unpaid = _unpaid_lanes(lines, lanes)
        if not unpaid:
            break
        closed |= unpaid
    wanted = int(lines["transfer_units"].sum())
    if not lines.empty:
        lines = _within_capacity(lines, lanes, problem.pack)
        lines = _share_departures(lines, lanes)
    trimmed = wanted - int(lines["transfer_units"].sum())
    log.info("transfer plan: %d lines, %d lanes closed, %d units trimmed", len(lines), len(closed), trimmed)
    if lines.empty:
        return TransferPlan(pd.DataFrame(columns=list(TRANSFERS.fields)), sorted(closed), trimmed)
    lines = _explain(lines, problem, network, demand, lanes, as_of_date)
    ends = ("origin_node_id", "destination_node_id")
    lines = lines.assign(status=line_status(lines, positions, node_columns=ends, pilot_only=pilot_only))
    return TransferPlan(TRANSFERS.check(lines), sorted(closed), trimmed)
