"""Guaranteed service and the twin: seconds, and ratios to stockpyl in the same run.

    python -m benchmarks.service_times

stockpyl is put into an environment of its own (numpy below 2). Belongs here: speed. Does not: optima (tests hold those).
"""

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from planning.echelons import Network, optimize_service_times
from planning.twin import Scenario, TwinNetwork, simulate
from planning.twin_policies import order_up_to

PEER = Path(".nodewise/peers/stockpyl")
_PEER_CODE = """
import json, sys, time
from stockpyl.gsm_tree import optimize_committed_service_times, preprocess_tree
from stockpyl.supply_chain_network import SupplyChainNetwork
from stockpyl.supply_chain_node import SupplyChainNode
case = json.load(open(sys.argv[1]))
net = SupplyChainNetwork()
nodes = []
for i, (lead, cost, most) in enumerate(zip(case["lead"], case["cost"], case["most"])):
    node = SupplyChainNode(i, processing_time=lead, local_holding_cost=cost, echelon_holding_cost=cost, demand_bound_constant=1,
                           external_outbound_cst=most if most >= 0 else None, external_inbound_cst=None)
    nodes.append(node)
    net.add_node(node)
suppliers = {b for _, b in case["links"]}
customers = {a for a, _ in case["links"]}
for i, node in enumerate(nodes):
    if i not in customers:
        node.demand_source.type = "N"; node.demand_source.mean = 0; node.demand_source.standard_deviation = 1
    if i not in suppliers:
        node.supply_type = "U"
for a, b in case["links"]:
    net.add_edge(a, b)
tree = preprocess_tree(net)
start = time.perf_counter()
_, cost = optimize_committed_service_times(tree)
print(json.dumps({"seconds": time.perf_counter() - start, "cost": cost}))
"""


def distribution_tree(n: int, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, int]], np.ndarray]:
    """Supplier, hub, six DCs, urban nodes below them."""
    dcs = range(2, 8)
    links = [(0, 1), *((1, d) for d in dcs), *((2 + u % 6, u) for u in range(8, n))]
    lead = np.r_[14, 3, np.full(6, 3), rng.integers(1, 3, n - 8)]
    return lead, links, np.r_[np.full(8, -1), np.zeros(n - 8, int)]


def general_tree(n: int, rng: np.random.Generator) -> tuple[np.ndarray, list[tuple[int, int]], np.ndarray]:
    """Suppliers and customers anywhere."""
    links = []
    for stage in range(1, n):
        other = int(rng.integers(max(0, stage - 6), stage))
        links.append((other, stage) if rng.random() < 0.5 else (stage, other))
    ends = set(range(n)) - {a for a, _ in links}
    return rng.integers(1, 5, n), links, np.array([int(rng.integers(0, 3)) if i in ends else -1 for i in range(n)])


def pooled(n: int, links: list[tuple[int, int]]) -> np.ndarray:
    """Deviation of every stage when each last one has a deviation of 1: demand pools upstream, as stockpyl has it."""
    below = {i: [b for a, b in links if a == i] for i in range(n)}

    def variance(i: int) -> float:
        return sum(variance(b) for b in below[i]) if below[i] else 1.0

    return np.sqrt([variance(i) for i in range(n)])


def _seconds(lead: np.ndarray, cost: np.ndarray, links: list[tuple[int, int]], most: np.ndarray) -> tuple[float, float]:
    network = Network(lead, cost, links, most)
    optimize_service_times(Network(lead, cost[:1], links, most))
    start = time.perf_counter()
    found = optimize_service_times(network)
    return time.perf_counter() - start, float(found.cost[0])


def _peer(case: dict[str, list], limit: float) -> tuple[float, float]:
    if not (PEER / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", str(PEER)], check=True)
        subprocess.run([str(PEER / "bin" / "pip"), "install", "--quiet", "stockpyl==1.0.2", "numpy<2"], check=True)
    path = PEER / "case.json"
    path.write_text(json.dumps(case))
    try:
        done = subprocess.run(
            [str(PEER / "bin" / "python"), "-W", "ignore", "-c", _PEER_CODE, str(path)], capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        return np.inf, np.nan
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1])
        return np.nan, np.nan
    said = json.loads(done.stdout)
    return said["seconds"], said["cost"]


def guaranteed_service() -> None:
    """Print both tables."""
    rng = np.random.default_rng(0)
    print(f"{'network':22} {'SKUs':>8} {'seconds':>9} {'us per SKU-stage':>17}")
    for name, make in (("distribution tree", distribution_tree), ("general tree", general_tree)):
        for n in (30, 50):
            for skus in (1_000, 10_000):
                lead, links, most = make(n, rng)
                seconds, _ = _seconds(lead, rng.gamma(1, 5, (skus, n)), links, most)
                print(f"{name + f', {n} stages':22} {skus:>8,} {seconds:>9.3f} {seconds / skus / n * 1e6:>17.3f}")
    print(f"\n{'one general tree':22} {'seconds':>9} {'stockpyl s':>11} {'ratio':>9} {'cost / stockpyl':>16}")
    for n in (10, 50, 100, 200, 500):
        lead, links, most = general_tree(n, rng)
        cost = rng.gamma(2, 5, (1, n))
        seconds, ours = _seconds(lead, cost * pooled(n, links), links, most)
        peer, theirs = _peer({"lead": lead.tolist(), "cost": cost[0].tolist(), "most": most.tolist(), "links": links}, 120.0)
        print(f"{f'{n} stages':22} {seconds:>9.4f} {peer:>11.2f} {peer / seconds:>9,.0f} {ours / theirs:>16.6f}")


def twin_speed() -> None:
    """Print SKU-node-days a second of the twin under a simple policy."""
    skus, shops, days = 5_000, 19, 56
    rng = np.random.default_rng(1)
    n = shops + 1
    network = TwinNetwork(
        node_ids=tuple(f"n{i}" for i in range(n)), sku_ids=tuple(f"s{i}" for i in range(skus)), is_carried=np.ones((n, skus), bool),
        parent_lane=np.r_[np.arange(shops), -1], lane_origin=np.full(shops, shops), lane_destination=np.arange(shops),
        lane_cost_per_unit=np.full((shops, skus), 0.5), lane_fixed_cost=np.full(shops, 10.0), lane_capacity_units=np.full(shops, np.inf),
        outbound_capacity_units=np.full(n, np.inf), holding_cost_per_unit_day=np.full((n, skus), 0.01),
        shortage_cost_per_unit=np.full((n, skus), 5.0), final_mile_cost_per_unit=np.zeros(n), order_cost=0.5, case_pack_units=np.ones(skus, np.int64),
    )  # fmt: skip
    demand = np.zeros((days, n, skus), np.int64)
    demand[:, :shops] = rng.poisson(0.8, (days, shops, skus))
    supply = np.zeros_like(demand)
    supply[::7, shops] = rng.poisson(0.8 * shops * 7, (len(supply[::7]), skus))
    nothing = np.zeros_like(demand)
    top = np.r_[np.full((shops, skus), 6), np.zeros((1, skus), int)]
    story = Scenario(demand, supply, nothing, np.full((n, skus), 6), np.full((days, shops), 2))
    start = time.perf_counter()
    simulate(network, story, order_up_to(top - 2, top))
    seconds = time.perf_counter() - start
    print(
        f"\ntwin: {n} nodes x {skus:,} SKUs x {days} days in {seconds:.1f} s, {n * skus * days / seconds / 1e6:.1f} million SKU-node-days a second"
    )


def main() -> None:
    """Print all tables."""
    guaranteed_service()
    twin_speed()


if __name__ == "__main__":
    main()
