"""`make bench`: figures as ratios to a named peer measured in the same run.

Belongs here: the transfer kernel against scipy. Does not: anything a test asserts.
"""

import time

import numpy as np
from scipy.optimize import linprog

from planning.min_cost_flow import FAR, give_cost, receive_value, transport, transport_all

NODES, SKUS, PATHS, PEER_SKUS, MOST = 20, 10_000, 64, 20, 24


def _instance(skus: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    rows = skus * NODES
    demand = rng.poisson(rng.gamma(1.5, 2.0, (rows, 1)), (rows, PATHS))
    stock = rng.poisson(rng.gamma(1.2, 3.0, rows))
    return {
        "stock": stock.astype(np.int64),
        "surplus": np.sort(np.maximum(stock[:, None] - demand, 0), axis=1).astype(np.int32),
        "sellable": np.sort(np.maximum(demand - stock[:, None], 0), axis=1).astype(np.int32),
        "shortage": np.full(rows, 6.0),
        "holding": np.full(rows, 0.2),
        "cost": np.where(np.eye(NODES, dtype=bool), FAR, rng.uniform(0.4, 3.0, (NODES, NODES))),
    }


def _ours(x: dict[str, np.ndarray], skus: int) -> float:
    rows = skus * NODES
    zero = np.zeros((NODES, NODES))
    arguments = (
        np.arange(skus + 1) * NODES, np.tile(np.arange(NODES), skus), x["cost"], zero, zero, np.zeros(rows), np.zeros(rows), x["stock"],
        np.ones(rows, bool), x["surplus"], x["sellable"], x["sellable"], x["shortage"], x["shortage"], x["holding"],
        np.ones(rows, np.int64),
    )  # fmt: skip
    transport_all(*arguments, np.zeros((rows, NODES), np.int64))
    start = time.perf_counter()
    transport_all(*arguments, np.zeros((rows, NODES), np.int64))
    return time.perf_counter() - start


def _objective(x: dict[str, np.ndarray], k: int) -> float:
    part = slice(k * NODES, (k + 1) * NODES)
    flow = np.zeros((NODES, NODES), np.int64)
    args = [x[name][part] for name in ("surplus", "sellable", "sellable", "shortage", "shortage", "holding")]
    transport(x["cost"], x["stock"][part], np.ones(NODES, bool), *args, 1, flow)
    given, received = flow.sum(axis=1), flow.sum(axis=0)
    value = -float((flow * np.where(x["cost"] >= FAR, 0, x["cost"])).sum())
    value -= sum(give_cost(args[0][i], 0, int(given[i]), 6.0, 0.2) for i in range(NODES) if given[i])
    return value + sum(receive_value(args[1][j], args[1][j], 0, int(received[j]), 6.0, 6.0, 0.2) for j in range(NODES) if received[j])


def _peer(x: dict[str, np.ndarray], k: int) -> float:
    """The same SKU as a linear programme over unit pieces, solved by scipy's HiGHS; returns its objective."""
    part = slice(k * NODES, (k + 1) * NODES)
    stock, surplus, sellable = x["stock"][part], x["surplus"][part], x["sellable"][part]
    arcs = [(i, j) for i in range(NODES) for j in range(NODES) if i != j]
    give = [[give_cost(surplus[i], u, 1, 6.0, 0.2) for u in range(stock[i])] for i in range(NODES)]
    gain = [[receive_value(sellable[j], sellable[j], u, 1, 6.0, 6.0, 0.2) for u in range(MOST)] for j in range(NODES)]
    c = [x["cost"][a] for a in arcs] + [v for row in give for v in row] + [-v for row in gain for v in row]
    balance = np.zeros((2 * NODES, len(c)))
    for at, (i, j) in enumerate(arcs):
        balance[i, at], balance[NODES + j, at] = 1, 1
    at = len(arcs)
    for n, row in enumerate([*give, *gain]):
        balance[n, at : at + len(row)] = -1
        at += len(row)
    bounds = [(0, None)] * len(arcs) + [(0, 1)] * (len(c) - len(arcs))
    return -float(linprog(c, A_eq=balance, b_eq=np.zeros(2 * NODES), bounds=bounds, method="highs").fun)


def main() -> None:
    """Print the table."""
    x = _instance(SKUS)
    ours = _ours(x, SKUS)
    start = time.perf_counter()
    peer = [_peer(x, k) for k in range(PEER_SKUS)]
    peer_seconds = (time.perf_counter() - start) / PEER_SKUS * SKUS
    gap = max(abs(_objective(x, k) - peer[k]) / max(1.0, abs(peer[k])) for k in range(PEER_SKUS))
    print(f"transfers, {NODES} nodes x {SKUS:,} SKUs, {PATHS} paths: kernel {ours:.3f} s")
    print(
        f"  peer scipy linprog (HiGHS), one programme a SKU, {PEER_SKUS} SKUs scaled up: {peer_seconds:.1f} s, ratio {peer_seconds / ours:.0f}x"
    )
    print(f"  largest relative difference of the objective on those SKUs: {gap:.1e}")
    half = _ours(_instance(SKUS // 10), SKUS // 10)
    print(f"  growth exponent from {SKUS // 10:,} to {SKUS:,} SKUs: {np.log10(ours / half):.2f}")


if __name__ == "__main__":
    main()
