"""Which units move today: from where, to where, what it costs and what it gains, with a proof of how good the plan is.

Belongs here: the transfer plan of a shard of SKUs, from positions, values and lanes to lines. Does not: the value of a unit
(`marginal_value.py`), how a line is explained (`transfer_lines.py`), the solvers (`shared_limits.py`), the independent post-check
(`plan_checks.py`).

Notes
-----
max sum of value won at destinations - value lost at origins - lane cost * units - fixed cost of departures used, subject to units given <=
available, whole cases, what lanes and nodes can carry, the least that a departure carries. A unit travels one lane. A node may pass units on while
others are on their way to it; what it receives is then valued as if it had given nothing, which is never too much. Stock does not climb to an
ancestor of its node: what the ancestor would keep it for is partly the node's own later demand. A SKU-node that received a transfer lately gives
none, and one that gave receives none. Lines and departures that gain less than the least stay undone, and what they leave is planned again.
"""

import logging
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.errors import InfeasiblePlanError, PlanningError
from planning.flow_arrays import Rows
from planning.frames import OPEN_LANES, OPEN_TRANSFERS, STOCK_POSITIONS, TRANSFER_CERTIFICATES, TRANSFER_LIMITS, TRANSFERS
from planning.lead_time_demand import LeadTimeDemand
from planning.lot_sizes import whole_cases_down
from planning.marginal_value import DAYS_PER_YEAR, MarginalValues
from planning.pilot import line_status
from planning.shared_limits import Certificate, Effort, coordinate, departures_net
from planning.transfer_lanes import TransferLanes, transfer_lanes
from planning.transfer_lines import Told, told_lines, transfer_steps
from planning.transfer_problem import Flows, TransferProblem, Worth, solve_apart, worth

log = logging.getLogger(__name__)

_CLEANINGS = 12  # times that too small lines and departures are taken out and the rest is planned again


@dataclass(frozen=True)
class TransferRules:
    """What a deployment wants of its transfers.

    Parameters
    ----------
    min_net_gain_per_line, min_net_gain_per_shipment : float
        Lines that net less before their share of the departure, and departures whose lines net less after it, stay undone; a departure also has
        to leave every line its least.
    cool_down_days : int
        A SKU-node that received a transfer so lately gives none, and one that gave receives none.
    pilot_only : bool
        Lines that leave or enter a node outside the pilot cluster are shadows.
    effort : Effort
    """

    min_net_gain_per_line: float
    min_net_gain_per_shipment: float
    cool_down_days: int
    pilot_only: bool
    effort: Effort


@dataclass(frozen=True)
class TransferPlan:
    """The plan and what it took to get there.

    Parameters
    ----------
    lines : DataFrame
        Frame `plan.transfers`, most valuable line first.
    steps : DataFrame
        Frame `plan.transfer_steps`.
    certificate : DataFrame
        Frame `plan.transfer_certificates`, one row.
    limits : DataFrame
        Frame `plan.transfer_limits`.
    unused_lanes : list of (origin, destination)
        Departures that would carry units if they cost nothing, and do not pay.
    """

    lines: pd.DataFrame
    steps: pd.DataFrame
    certificate: pd.DataFrame
    limits: pd.DataFrame
    unused_lanes: list[tuple[str, str]]


def plan_transfers(
    *,
    positions: pd.DataFrame,
    demand: LeadTimeDemand,
    values: MarginalValues,
    units_per_day: NDArray[np.float64],
    lanes: pd.DataFrame,
    open_transfers: pd.DataFrame,
    blocked_lines: pd.DataFrame,
    as_of_date: pd.Timestamp,
    rules: TransferRules,
) -> TransferPlan:
    """Move each unit where it is worth most.

    Parameters
    ----------
    positions : DataFrame
        Frame `stock_positions`, rows of a SKU together; open transfers are in its reserved and inbound units.
    demand : LeadTimeDemand
    values : MarginalValues
    units_per_day : ndarray of shape (n_rows,)
        Expected demand of each row and those it replenishes; all aligned with the rows of ``positions``.
    lanes : DataFrame
        Frame `open_lanes`.
    open_transfers : DataFrame
        Frame `open_transfers`: lines that are approved or issued and have not left; they are frozen, and use up what their departure can carry.
    blocked_lines : DataFrame
        sku_id, origin_node_id, destination_node_id that may not be proposed.
    as_of_date : Timestamp
    rules : TransferRules

    Returns
    -------
    TransferPlan

    Raises
    ------
    FrameError, PlanningError
        Positions or lanes break their contract, or rows of a SKU do not stand together.
    InfeasiblePlanError
        Open transfers need more than a departure or a node can carry; the message says which, and by how much.
    """
    positions, lanes = STOCK_POSITIONS.check(positions).reset_index(drop=True), OPEN_LANES.check(lanes)
    network = transfer_lanes(positions=positions, lanes=lanes, as_of_date=as_of_date)
    committed = _committed(network, positions, OPEN_TRANSFERS.check(open_transfers))
    problem = _problem(positions, values, network, committed, blocked_lines, rules)
    flows, certificate = coordinate(problem, rules.effort)
    flows = _worth_their_while(problem, flows, rules)
    money = worth(problem, flows)
    log.info("transfer plan: %d lines, %d units, by %s", len(flows), int(flows.units.sum()), certificate.method)
    cost = money.cost + _share_of_departure(problem, flows, money, rules)
    told = Told(positions, demand, values, units_per_day, network, problem, certificate, as_of_date)
    lines = told_lines(told, flows, cost, money.gain)
    ends = ("origin_node_id", "destination_node_id")
    lines = lines.assign(status=line_status(lines, positions, node_columns=ends, pilot_only=rules.pilot_only))
    unused = network.table.loc[(certificate.wanted_units > 0) & (flows.load(len(network.table)) <= 0), list(ends)]
    return TransferPlan(
        TRANSFERS.check(lines),
        transfer_steps(told, flows, lines),
        _certificate_row(problem, certificate, money.total, as_of_date),
        _limit_rows(problem, certificate, network, flows, committed, as_of_date),
        [tuple(pair) for pair in unused.itertuples(index=False)],
    )


@dataclass(frozen=True)
class _Committed:
    """Units of open transfers by departure and node."""

    arc: NDArray[np.float64]
    out: NDArray[np.float64]
    into: NDArray[np.float64]


def _committed(network: TransferLanes, positions: pd.DataFrame, open_transfers: pd.DataFrame) -> _Committed:
    """Units that open transfers take of today's departures and of the nodes' day."""
    n_nodes = len(network.nodes)
    keys = ["origin_node_id", "destination_node_id", "mode", "ship_date"]
    same = open_transfers.assign(ship_date=pd.to_datetime(open_transfers["ship_date"]))
    by_lane = same.groupby(keys)["transfer_units"].sum()
    leaving = network.table.assign(ship_date=pd.to_datetime(network.table["ship_date"]))
    arc = by_lane.reindex(pd.MultiIndex.from_frame(leaving[keys])).fillna(0).to_numpy(dtype=float)
    out = np.bincount(network.arcs.origin, weights=arc, minlength=n_nodes)
    into = np.bincount(network.arcs.destination, weights=arc, minlength=n_nodes)
    problems = []
    capacity = network.table["capacity_units_per_day"].to_numpy(dtype=float, na_value=np.inf)
    for at in np.flatnonzero(arc > np.where(np.isnan(capacity), np.inf, capacity)):
        lane = network.table.iloc[at]
        name = f"{lane['origin_node_id']} -> {lane['destination_node_id']} by {lane['mode']}"
        problems.append(
            f"the departure {name} carries {capacity[at]:g} units, {arc[at]:g} are committed: {arc[at] - capacity[at]:g} too many"
        )
    for word, column, used in (("sends", "outbound_units_per_day", out), ("takes in", "inbound_units_per_day", into)):
        limit = _of_node(positions, network, column)
        for at in np.flatnonzero(used > limit):
            problems.append(
                f"{network.nodes[at]} {word} {limit[at]:g} units a day, {used[at]:g} are committed: {used[at] - limit[at]:g} too many"
            )
    if problems:
        raise InfeasiblePlanError(f"transfers: {'; '.join(problems[:5])}; cancel open transfers or move their day")
    return _Committed(arc, out, into)


def _of_node(positions: pd.DataFrame, network: TransferLanes, column: str) -> NDArray[np.float64]:
    """A limit of every node; infinity where it has none."""
    by_node = positions.drop_duplicates("node_id").set_index("node_id")[column].astype(float)
    return by_node.reindex(network.nodes).fillna(np.inf).to_numpy(dtype=float)


def _problem(
    positions: pd.DataFrame,
    values: MarginalValues,
    network: TransferLanes,
    committed: _Committed,
    blocked_lines: pd.DataFrame,
    rules: TransferRules,
) -> TransferProblem:
    sku = positions["sku_id"].to_numpy()
    change = np.flatnonzero(np.r_[True, sku[1:] != sku[:-1]]) if len(sku) else np.zeros(0, np.int64)
    if len(change) != positions["sku_id"].nunique():
        raise PlanningError("stock_positions: rows of a SKU do not stand together; sort by sku_id")
    free = positions["on_hand_units"] - positions["reserved_units"] - positions["presentation_units"]
    pack = positions["case_pack_units"].to_numpy(dtype=np.int64)
    cooling = {name: _lately(positions[name], rules.cool_down_days) for name in ("transferred_in_days", "transferred_out_days")}
    available = np.where(cooling["transferred_in_days"], 0, np.maximum(free.to_numpy(dtype=np.int64), 0))
    rows = Rows(
        start=np.r_[change, len(sku)].astype(np.int64),
        node=network.rows_of(positions["node_id"]),
        available_cases=whole_cases_down(available, pack) // pack,
        pack=pack,
        weight_kg=positions["weight_kg"].to_numpy(dtype=float),
        carry_cost_per_unit_day=(positions["holding_cost_rate_per_year"] * positions["unit_cost"]).to_numpy(dtype=float) / DAYS_PER_YEAR,
        may_receive=~cooling["transferred_out_days"],
    )
    table = network.table
    upward = _upward(positions)
    climbs = np.fromiter(
        (pair in upward for pair in zip(table["origin_node_id"], table["destination_node_id"], strict=True)), bool, len(table)
    )
    capacity = table["capacity_units_per_day"].astype(float).fillna(np.inf).to_numpy(dtype=float) - committed.arc
    running = committed.arc > 0  # an open transfer has paid the departure
    return TransferProblem(
        rows,
        values.curves,
        network.arcs,
        capacity_units=np.where(climbs, 0.0, capacity),
        fixed_cost=np.where(running, 0.0, table["fixed_cost_per_shipment"].to_numpy(dtype=float)),
        min_units=np.maximum(table["min_units"].to_numpy(dtype=float) - committed.arc, 0.0),
        out_units=_of_node(positions, network, "outbound_units_per_day") - committed.out,
        into_units=_of_node(positions, network, "inbound_units_per_day") - committed.into,
        blocked=_blocked(positions, rows, network, blocked_lines),
    )


def _lately(days: pd.Series, cool_down_days: int) -> NDArray[np.bool_]:
    return (days.astype(float) < cool_down_days).to_numpy()


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


def _blocked(positions: pd.DataFrame, rows: Rows, network: TransferLanes, blocked_lines: pd.DataFrame) -> NDArray[np.int64]:
    if blocked_lines.empty:
        return np.zeros(0, np.int64)
    order = pd.DataFrame({"sku_id": positions["sku_id"].to_numpy()[rows.start[:-1]], "sku": np.arange(len(rows.start) - 1)})
    arcs = network.table[["origin_node_id", "destination_node_id"]].assign(arc=np.arange(len(network.table)))
    pairs = blocked_lines.merge(order, on="sku_id").merge(arcs, on=["origin_node_id", "destination_node_id"])
    return np.unique(pairs["sku"].to_numpy(dtype=np.int64) * len(arcs) + pairs["arc"].to_numpy(dtype=np.int64))


def _worth_their_while(problem: TransferProblem, flows: Flows, rules: TransferRules) -> Flows:
    """Take out lines and departures that gain too little, and let their SKUs find other ways within what is left."""
    n_arcs, cleaning = len(problem.arcs.origin), 0
    weak, poor = _too_little(problem, flows, rules)
    while weak.any() or poor.any():
        gone = weak | poor[flows.arc]
        touched, kept = np.unique(flows.sku[gone]), flows.of(~gone)
        code = flows.sku[weak] * n_arcs + flows.arc[weak]
        closed = np.where(poor | (kept.load(n_arcs) <= 0) & (problem.fixed_cost > 0), 0.0, problem.capacity_units)
        problem = replace(problem, blocked=np.sort(np.concatenate([problem.blocked, code])), capacity_units=closed)
        flows = _again(problem, kept, touched) if cleaning < _CLEANINGS else kept
        cleaning += 1
        weak, poor = _too_little(problem, flows, rules)
    return flows


def _too_little(problem: TransferProblem, flows: Flows, rules: TransferRules) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Lines that gain less than the least, and of the departures that do the poorest third: what they carried may make the others pay."""
    money = worth(problem, flows)
    net, load = departures_net(problem, flows)
    least = np.maximum(rules.min_net_gain_per_shipment, rules.min_net_gain_per_line * np.bincount(flows.arc, minlength=len(load)))
    asked = (problem.fixed_cost > 0) | (rules.min_net_gain_per_shipment > 0)
    poor = (load > 0) & ((net < least) & asked | (load < problem.min_units))
    order = np.flatnonzero(poor)[np.argsort(net[poor], kind="stable")]
    poor[order[max(1, -(-len(order) // 3)) :]] = False
    return money.gain - money.cost < rules.min_net_gain_per_line, poor


def _again(problem: TransferProblem, kept: Flows, skus: NDArray[np.int64]) -> Flows:
    """Other ways for some SKUs where nothing is shared that could be overrun; else what they keep."""
    others = kept.of(~np.isin(kept.sku, skus))
    found, _ = solve_apart(problem, skus, np.zeros(len(problem.arcs.origin)), problem.limits())
    both = others.with_skus(found, skus, problem.n_skus)
    load = both.load(len(problem.arcs.origin))
    sent, taken = problem.at_nodes(load)
    fits = (load <= problem.capacity_units).all() and (sent <= problem.out_units).all() and (taken <= problem.into_units).all()
    return both if fits else kept


def _share_of_departure(problem: TransferProblem, flows: Flows, money: Worth, rules: TransferRules) -> NDArray[np.float64]:
    """Each line's share of its departure's fixed cost, in proportion to what it nets above the least that a line has to."""
    above = money.gain - money.cost - rules.min_net_gain_per_line
    of_arc = np.bincount(flows.arc, weights=above, minlength=len(problem.arcs.origin))[flows.arc]
    return problem.fixed_cost[flows.arc] * np.divide(above, of_arc, out=np.zeros(len(flows)), where=of_arc > 0)


def _certificate_row(problem: TransferProblem, certificate: Certificate, value: float, as_of_date: pd.Timestamp) -> pd.DataFrame:
    bound = max(certificate.bound(problem), value) if certificate.method == "exact" else certificate.bound(problem)
    row = {
        "as_of_date": as_of_date,
        "method": certificate.method,
        "plan_net_gain": value,
        "bound_net_gain": bound,
        "gap_share": max(0.0, (bound - value) / bound) if bound > 0 else 0.0,
        "skus_net_gain": bound - certificate.limits_value(problem),
        "limits_cost": certificate.limits_value(problem),
        "solver_round_count": certificate.rounds,
    }
    return TRANSFER_CERTIFICATES.check(pd.DataFrame([row]))


def _limit_rows(
    problem: TransferProblem,
    certificate: Certificate,
    network: TransferLanes,
    flows: Flows,
    committed: _Committed,
    as_of_date: pd.Timestamp,
) -> pd.DataFrame:
    """What is shared: every departure, and every node that has a limit."""
    load = flows.load(len(problem.arcs.origin))
    most, price = certificate.most_units, certificate.price_per_unit
    departures = network.table[["origin_node_id", "destination_node_id", "mode"]].assign(
        limit_kind="departure",
        limit_units=np.where(np.isinf(problem.capacity_units), np.nan, np.floor(problem.capacity_units)),
        used_units=load,
        committed_units=committed.arc,
        most_units=np.where(np.isinf(most), np.nan, most),
        fixed_cost=problem.fixed_cost,
        price_per_unit=price,
        bound_cost=np.maximum(np.where(price > 0, price * np.where(price > 0, most, 0.0), 0.0) - problem.fixed_cost, 0.0),
    )
    parts = [departures]
    for kind, column, ends, limit, prices, open_units in (
        ("outbound", "origin_node_id", problem.arcs.origin, problem.out_units, certificate.out_price_per_unit, committed.out),
        ("inbound", "destination_node_id", problem.arcs.destination, problem.into_units, certificate.into_price_per_unit, committed.into),
    ):
        at = np.flatnonzero(np.isfinite(limit))
        used = np.bincount(ends, weights=load, minlength=len(limit))[at]
        blank = dict.fromkeys(("origin_node_id", "destination_node_id", "mode"), "")
        parts.append(
            pd.DataFrame(
                blank
                | {
                    column: network.nodes[at],
                    "limit_kind": kind,
                    "limit_units": np.floor(limit[at]),
                    "used_units": used,
                    "committed_units": open_units[at],
                    "most_units": limit[at],
                    "fixed_cost": 0.0,
                    "price_per_unit": prices[at],
                    "bound_cost": prices[at] * limit[at],
                },
                index=np.arange(len(at)),
            )
        )
    rows = pd.concat([part for part in parts if len(part)], ignore_index=True) if any(len(part) for part in parts) else departures
    return TRANSFER_LIMITS.check(rows.assign(as_of_date=as_of_date))
