"""Transfers: the same model solved by the kernel and by its peers in one run, then with what SKUs share.

Belongs here: seconds, memory, ratios and objectives. Does not: anything a test asserts. Peers solve fewer SKUs where they are slow, scaled up, which
the table says; OR-Tools and networkx are no dependencies of nodewise and are left out where they are not installed.
"""

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.optimize import linprog
from scipy.sparse import coo_array

from planning.flow_arrays import Arcs, Rows, give_cost, receive_value
from planning.frames import OPEN_TRANSFERS
from planning.lead_time_demand import LeadTimeDemand
from planning.marginal_value import MarginalValues
from planning.shared_limits import Effort, coordinate
from planning.transfer_problem import TransferProblem, solve_apart, worth
from planning.transfers import TransferRules, plan_transfers

PATHS, MOST, PENNIES = 64, 48, 10_000  # peers that want whole numbers get ten-thousandths
SIZES = ((5, 1_000), (5, 10_000), (5, 50_000), (20, 1_000), (20, 10_000), (20, 50_000), (100, 1_000), (100, 10_000))
EFFORT = Effort(price_rounds=40, lane_trials=100, exact_moves=5_000, exact_nodes=2_000)
SHORTAGE, HOLDING = 6.0, 0.2


def instance(nodes: int, skus: int, paths: int = PATHS) -> TransferProblem:
    """Every SKU at every node, a lane between any two, demand of a gamma-Poisson, stock that fits it badly."""
    rng = np.random.default_rng(1)
    rows = skus * nodes
    stock = rng.poisson(rng.gamma(1.2, 3.0, rows)).astype(np.int64)
    sellable, surplus = np.empty((rows, 1, paths), np.int32), np.empty((rows, paths), np.int32)
    for at in range(0, rows, 50_000):  # in parts, so that memory is the problem's and not its making's
        part = slice(at, at + 50_000)
        have = stock[part, None].astype(np.int32)
        demand = rng.poisson(rng.gamma(1.5, 2.0, (len(have), 1)), (len(have), paths)).astype(np.int32)
        sellable[part, 0] = np.sort(np.maximum(demand - have, 0), axis=1)
        surplus[part] = np.sort(np.maximum(have - demand, 0), axis=1)
    shortage = np.full(rows, SHORTAGE)
    values = MarginalValues(sellable, sellable, surplus, shortage, shortage, np.full(rows, HOLDING), shortage[:, None].copy())
    origin, destination = np.nonzero(~np.eye(nodes, dtype=bool))
    zero = np.zeros(len(origin))
    arcs = Arcs(
        np.searchsorted(origin, np.arange(nodes + 1)),
        origin,
        destination,
        zero.astype(np.int64),
        rng.uniform(0.4, 3.0, len(origin)),
        zero,
        zero,
    )
    table = Rows(
        np.arange(skus + 1) * nodes, np.tile(np.arange(nodes), skus), stock, np.ones(rows, np.int64), np.zeros(rows), np.zeros(rows),
        np.ones(rows, bool),
    )  # fmt: skip
    free = np.full(nodes, np.inf)
    return TransferProblem(table, values.curves, arcs, np.full(len(origin), np.inf), zero, zero, free, free.copy())


def kernel(p: TransferProblem, skus: int) -> tuple[float, float]:
    """Seconds and value of the first SKUs."""
    some = np.arange(skus)
    solve_apart(p, some[:2], np.zeros(len(p.arcs.origin)), p.limits())
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        flows, bounds = solve_apart(p, some, np.zeros(len(p.arcs.origin)), p.limits())
        seconds.append(time.perf_counter() - start)
    assert abs(worth(p, flows).total - bounds.sum()) <= 1e-6 * max(1.0, abs(bounds.sum()))
    return min(seconds), float(bounds.sum())


def _pieces(p: TransferProblem, k: int) -> tuple[list[list[float]], list[list[float]]]:
    """Marginal costs of giving and values of receiving at every node of SKU k, unit by unit."""
    a, b, c = int(p.rows.start[k]), int(p.rows.start[k + 1]), p.curves
    give = [[give_cost(c.surplus[r], u, 1, SHORTAGE, HOLDING) for u in range(p.rows.available_cases[r])] for r in range(a, b)]
    gain = [[receive_value(c.sellable[r, 0], c.urgent[r, 0], u, 1, SHORTAGE, SHORTAGE, HOLDING) for u in range(MOST)] for r in range(a, b)]
    return give, gain


def _paying(p: TransferProblem, give: list, gain: list) -> list[int]:
    """Arcs whose first unit pays: the others carry nothing in any optimum, so peers are spared them too."""
    a = p.arcs
    return [
        e for e in range(len(a.origin))
        if give[a.origin[e]] and gain[a.destination[e]][0] - give[a.origin[e]][0] - a.cost_per_unit[e] > 0
    ]  # fmt: skip


def scipy_linprog(p: TransferProblem, skus: int) -> float:
    """One block LP of all SKUs, sparse, by HiGHS; returns its objective."""
    cost, upper, entries, rows = [], [], [], 0
    for k in range(skus):
        give, gain = _pieces(p, k)
        n = len(give)
        for e in _paying(p, give, gain):
            entries += [(rows + p.arcs.origin[e], len(cost), 1.0), (rows + n + p.arcs.destination[e], len(cost), 1.0)]
            cost.append(p.arcs.cost_per_unit[e])
            upper.append(np.inf)
        for side, sign, base in ((give, 1.0, rows), (gain, -1.0, rows + n)):
            for node, values in enumerate(side):
                for value in values:
                    entries.append((base + node, len(cost), -1.0))
                    cost.append(sign * value)
                    upper.append(1.0)
        rows += 2 * n
    at, variable, value = zip(*entries, strict=True)
    matrix = coo_array((value, (at, variable)), shape=(rows, len(cost))).tocsr()
    found = linprog(cost, A_eq=matrix, b_eq=np.zeros(rows), bounds=np.column_stack([np.zeros(len(cost)), upper]), method="highs")
    return -float(found.fun)


def _graph(p: TransferProblem, k: int) -> tuple[list[tuple[int, int, int, int]], int]:
    """Arcs (from, to, capacity, cost in whole numbers) of SKU k with a source 0 and a sink 1, and its largest flow."""
    give, gain = _pieces(p, k)
    n, arcs = len(give), []
    for e in _paying(p, give, gain):
        arcs.append((2 + p.arcs.origin[e], 2 + n + p.arcs.destination[e], 10**6, round(p.arcs.cost_per_unit[e] * PENNIES)))
    for node, values in enumerate(give):
        arcs += [(0, 2 + node, 1, round(v * PENNIES)) for v in values]
    for node, values in enumerate(gain):
        arcs += [(2 + n + node, 1, 1, -round(v * PENNIES)) for v in values]
    total = sum(len(values) for values in give)
    return [*arcs, (0, 1, total, 0)], total


def or_tools(p: TransferProblem, skus: int) -> float:
    """One graph of all SKUs by OR-Tools' SimpleMinCostFlow; returns its objective."""
    from ortools.graph.python import min_cost_flow

    solver, base = min_cost_flow.SimpleMinCostFlow(), 0
    tail, head, capacity, cost, supply = [], [], [], [], []
    for k in range(skus):
        arcs, total = _graph(p, k)
        a = np.array(arcs, dtype=np.int64)
        tail.append(a[:, 0] + base)
        head.append(a[:, 1] + base)
        capacity.append(a[:, 2])
        cost.append(a[:, 3])
        supply += [(base, total), (base + 1, -total)]
        base += 2 + 2 * int(p.rows.start[1])
    solver.add_arcs_with_capacity_and_unit_cost(*(np.concatenate(one) for one in (tail, head, capacity, cost)))
    for node, units in supply:
        solver.set_node_supply(node, units)
    assert solver.solve() == solver.OPTIMAL
    return -solver.optimal_cost() / PENNIES


def networkx(p: TransferProblem, skus: int) -> float:
    """Network simplex of each SKU by networkx; returns the objective."""
    import networkx as nx

    worth_of = 0.0
    for k in range(skus):
        arcs, total = _graph(p, k)
        graph = nx.MultiDiGraph()
        graph.add_node(0, demand=-total)
        graph.add_node(1, demand=total)
        for tail, head, capacity, cost in arcs:
            graph.add_edge(tail, head, capacity=capacity, weight=cost)
        worth_of -= nx.network_simplex(graph)[0] / PENNIES
    return worth_of


def _timed(peer: Callable[[TransferProblem, int], float], p: TransferProblem, skus: int, of: int) -> str:
    """Seconds of a peer for all SKUs, scaled up from some, and how far its objective is from the kernel's on those."""
    try:
        start = time.perf_counter()
        found = peer(p, skus)
    except ImportError:
        return "not installed"
    seconds = (time.perf_counter() - start) / skus * of
    ours = kernel(p, skus)[1]
    return f"{seconds:,.1f} s{'' if skus == of else f' (from {skus})'}, off by {abs(found - ours) / max(1.0, abs(ours)):.0e}|{seconds}"


def table_line(nodes: int, skus: int) -> None:
    """Print one line of the uncoupled table."""
    p = instance(nodes, skus)
    seconds, _ = kernel(p, skus)
    line = f"{nodes:>4} x {skus:>7,} {seconds:9.3f} {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:9,.0f}"
    for peer, most in ((scipy_linprog, 20_000), (or_tools, 40_000), (networkx, 2_000)):
        said, _, raw = _timed(peer, p, max(1, min(skus, most // nodes)), skus).partition("|")
        line += f"  {said:36} {float(raw) / seconds if raw else float('nan'):6,.0f}"
    print(line, flush=True)


def table(sizes: tuple[tuple[int, int], ...]) -> None:
    """Print the uncoupled table, each size in a process of its own, whose peak memory is its own too."""
    print(f"{'nodes x SKUs':>14} {'kernel s':>9} {'peak MiB':>9}  {'scipy linprog, one block':36} {'ratio':>6}  {'OR-Tools, one graph':36} {'ratio':>6}  {'networkx':36} {'ratio':>6}", flush=True)  # fmt: skip
    for nodes, skus in sizes:
        subprocess.run([sys.executable, "-m", "benchmarks.transfers", "--one", str(nodes), str(skus)], check=True)


def coupled(nodes: int, skus: int) -> None:
    """Print gap and seconds with lane and node capacities, and with departures that cost."""
    p = instance(nodes, skus)
    free, _ = solve_apart(p, np.arange(skus), np.zeros(len(p.arcs.origin)), p.limits())
    load = free.load(len(p.arcs.origin))
    sent, taken = p.at_nodes(load)
    for name, shared in (
        ("lanes carry 70 % of what they would", {"capacity_units": np.maximum(np.round(0.7 * load), 1)}),
        ("lanes 40 %", {"capacity_units": np.maximum(np.round(0.4 * load), 1)}),
        ("lanes 70 %, nodes 80 %", {"capacity_units": np.maximum(np.round(0.7 * load), 1), "out_units": np.round(0.8 * sent), "into_units": np.round(0.8 * taken)}),
        ("departures cost 50", {"fixed_cost": np.full(len(load), 50.0)}),
        ("departures cost 500", {"fixed_cost": np.full(len(load), 500.0)}),
    ):  # fmt: skip
        shared_day = replace(p, **shared)
        start = time.perf_counter()
        flows, certificate = coordinate(shared_day, EFFORT)
        seconds, value, bound = time.perf_counter() - start, worth(shared_day, flows).total, certificate.bound(shared_day)
        print(f"{nodes:>4} x {skus:>7,} {name:38} {seconds:7.1f} s, by {certificate.method:6} worth {value:14,.0f}, bound {bound:14,.0f}, gap {(bound - value) / bound:.3%}")  # fmt: skip


def whole_step(nodes: int, skus: int) -> None:
    """Print what planning takes with everything around the kernel: checking frames, values, lines, steps, sentences, certificate."""
    p = instance(nodes, skus)
    rows = skus * nodes
    names = np.array([f"n{n:02d}" for n in range(nodes)])
    nothing = dict.fromkeys(
        ("replenished_from_node_id", "abc_class", "node_type", "min_units", "max_units", "min_days", "max_days", "fill_rate_target", "reason",
         "volume_m3", "capacity_m3", "is_pilot", "most_service_days", "inbound_units_per_day", "outbound_units_per_day", "transferred_in_days",
         "transferred_out_days", "remaining_season_days"))  # fmt: skip
    positions = pd.DataFrame(
        {
            "sku_id": np.repeat([f"s{k:06d}" for k in range(skus)], nodes), "node_id": np.tile(names, skus), "on_hand_units": p.rows.available_cases,
            "reserved_units": 0, "inbound_units": 0, "unit_cost": 4.0, "unit_price": 10.0, "weight_kg": 0.0, "case_pack_units": 1,
            "holding_cost_rate_per_year": 0.25, "handling_cost_per_unit": 0.0, "presentation_units": 0, "penalty_cost_per_unit": 0.0,
            "cycle_service_level": 0.95, "review_period_days": 7, "lead_time_days": 1.0, "lead_time_std_days": 0.0, "is_bulky": False,
            "target_method": "cycle service level", **nothing,
        }
    )  # fmt: skip
    day = pd.Timestamp("2026-01-31")
    lanes = pd.DataFrame(
        {
            "origin_node_id": names[p.arcs.origin], "destination_node_id": names[p.arcs.destination], "mode": "van", "lead_time_days": 1.0,
            "cost_per_unit": p.arcs.cost_per_unit, "cost_per_kg": 0.0, "fixed_cost_per_shipment": 0.0, "min_units": 0,
            "ship_date": day + pd.Timedelta(days=1), "capacity_units_per_day": None, "next_ship_date": day + pd.Timedelta(days=2),
        }
    )  # fmt: skip
    c = p.curves
    values = MarginalValues(c.sellable, c.urgent, c.surplus, c.shortage, c.later, c.holding, c.urgent_value)
    horizon = np.zeros((rows, PATHS), np.int32)
    drawn = LeadTimeDemand(horizon, c.sellable, c.urgent, horizon, np.zeros_like(horizon), np.full(rows, -1), np.full(rows, 7.0))
    rules = TransferRules(1.0, 0.0, 0, False, EFFORT)
    for least in (1.0, 10.0):
        start = time.perf_counter()
        plan = plan_transfers(
            positions=positions, demand=drawn, values=values, units_per_day=np.ones(rows), lanes=lanes, as_of_date=day,
            open_transfers=pd.DataFrame(columns=list(OPEN_TRANSFERS.fields)),
            blocked_lines=pd.DataFrame(columns=["sku_id", "origin_node_id", "destination_node_id"]),
            rules=replace(rules, min_net_gain_per_line=least),
        )  # fmt: skip
        print(f"{nodes:>4} x {skus:>7,} whole step {time.perf_counter() - start:.1f} s for {len(plan.lines):,} lines that net {least:g} and more, {len(plan.steps):,} steps")  # fmt: skip


def highs_coupled(nodes: int, skus: int) -> None:
    """Print what HiGHS' interior point takes for the same day with lanes at 70 %."""
    p = instance(nodes, skus)
    free, _ = solve_apart(p, np.arange(skus), np.zeros(len(p.arcs.origin)), p.limits())
    capacity = np.maximum(np.round(0.7 * free.load(len(p.arcs.origin))), 1)
    start = time.perf_counter()
    flows, _ = coordinate(replace(p, capacity_units=capacity), EFFORT)
    ours, value = time.perf_counter() - start, worth(p, flows).total
    cost, upper, entries, rows = [], [], [], len(capacity)
    for k in range(skus):  # not counted
        give, gain = _pieces(p, k)
        n = len(give)
        for e in _paying(p, give, gain):
            entries += [(rows + p.arcs.origin[e], len(cost), 1.0), (rows + n + p.arcs.destination[e], len(cost), 1.0), (e, len(cost), 1.0)]
            cost.append(p.arcs.cost_per_unit[e])
            upper.append(np.inf)
        for side, sign, base in ((give, 1.0, rows), (gain, -1.0, rows + n)):
            for node, values in enumerate(side):
                for v in values:
                    entries.append((base + node, len(cost), -1.0))
                    cost.append(sign * v)
                    upper.append(1.0)
        rows += 2 * n
    at, variable, v = zip(*entries, strict=True)
    matrix = coo_array((v, (at, variable)), shape=(rows, len(cost))).tocsr()
    n_lanes = len(capacity)
    start = time.perf_counter()
    found = linprog(
        cost, A_ub=matrix[:n_lanes], b_ub=capacity, A_eq=matrix[n_lanes:], b_eq=np.zeros(rows - n_lanes),
        bounds=np.column_stack([np.zeros(len(cost)), upper]), method="highs-ipm",
    )  # fmt: skip
    theirs = time.perf_counter() - start
    print(f"{nodes:>4} x {skus:>7,} lanes 70 %: HiGHS interior point {theirs:.1f} s, ours {ours:.1f} s, ratio {theirs / ours:.0f}; plan {value / -found.fun - 1:+.3%} of the LP's value")  # fmt: skip


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--small", action="store_true", help="only 20 nodes, 1,000 and 10,000 SKUs")
    parser.add_argument("--one", nargs=2, type=int, help="one size of the first table")
    chosen = parser.parse_args()
    if chosen.one:
        table_line(*chosen.one)
        return
    small = chosen.small
    table(((20, 1_000), (20, 10_000)) if small else SIZES)
    whole_step(20, 10_000)
    print(f"  20 x 10,000 with curves of few steps (4 paths): kernel {kernel(instance(20, 10_000, paths=4), 10_000)[0]:.3f} s\n")
    for nodes, skus in ((20, 1_000), (20, 10_000)) if small else ((5, 10_000), (20, 1_000), (20, 10_000), (20, 50_000), (100, 1_000)):
        coupled(nodes, skus)
    if not small:
        highs_coupled(20, 10_000)


if __name__ == "__main__":
    main()
