"""Stock targets of a million SKU-nodes: the mixture over lead times beside the textbook formula and scipy's negative binomial.

    python -m benchmarks.targets

Belongs here: seconds and growth. Does not: whether the targets attain what they promise (`benchmarks/attained_service.py`).
"""

import time

import numpy as np
from scipy.stats import nbinom

from planning.interval_demand import interval_demand, smallest_units
from planning.lead_time_demand import DemandFlows
from planning.lead_times import lead_times
from planning.safety_stock import textbook_safety_stock

NODES, PEER_ROWS = 20, 50_000


def flows_of(skus: int, rng: np.random.Generator) -> DemandFlows:
    """SKUs at 16 urban nodes below 3 DCs below a hub, each urban node with a region of its own."""
    urban = 16
    parent = np.r_[16 + np.arange(urban) % 3, np.full(3, 19), -1]
    series = np.arange(skus * urban)
    mean = rng.gamma(0.6, 1.2, (len(series), 1)) * np.tile([0.7, 0.8, 0.9, 1.0, 1.2, 1.5, 0.9], 4)[None, :]
    base = np.repeat(np.arange(skus), urban)
    return DemandFlows(
        means=mean,
        dispersions=rng.uniform(0.1, 2.0, len(series)),
        flow_series=series,
        flow_row=base * NODES + np.tile(np.arange(urban), skus),
        flow_share=np.ones(len(series)),
        flow_start=np.arange(skus + 1) * urban,
        row_start=np.arange(skus + 1) * NODES,
        parent_row=(np.where(parent >= 0, parent, -(10**9))[None, :] + (np.arange(skus) * NODES)[:, None]).clip(-1).ravel(),
    )


def seconds(skus: int) -> tuple[float, float, np.ndarray]:
    """Seconds of the moments and of the targets, and the targets, for ``skus`` x 20 SKU-nodes."""
    rng = np.random.default_rng(1)
    flows = flows_of(skus, rng)
    rows = skus * NODES
    kind = np.tile(np.r_[np.zeros(16), np.ones(3), 2].astype(np.int64), skus)
    leads = lead_times(mean_days=np.array([1.5, 3.0, 12.0]), std_days=np.array([0.4, 0.8, 2.5]), observed={0: {1: 60, 4: 20}}, kind=kind)
    start = time.perf_counter()
    demand = interval_demand(
        flows=flows, lead_times=leads, review_period_days=np.full(rows, 7), level_correlation=0.2, region_correlation=0.1
    )
    middle = time.perf_counter()
    units = smallest_units(demand, cycle_service_level=np.full(rows, 0.97), most_shortage_units=np.full(rows, np.inf))
    return middle - start, time.perf_counter() - middle, units


def main() -> None:
    """Print the table."""
    seconds(10)  # compiled
    print(f"{'SKU-nodes':>12} {'moments s':>10} {'targets s':>10} {'us per SKU-node':>16}")
    for skus in (5_000, 50_000):
        moments, targets, _ = seconds(skus)
        print(f"{skus * NODES:>12,} {moments:>10.2f} {targets:>10.2f} {(moments + targets) / skus / NODES * 1e6:>16.2f}")
    mean, alpha = np.random.default_rng(2).gamma(0.6, 10.0, PEER_ROWS) + 0.05, 0.3
    start = time.perf_counter()
    nbinom.ppf(0.97, 1 / alpha, 1 / (1 + alpha * mean))
    peer = (time.perf_counter() - start) / PEER_ROWS
    start = time.perf_counter()
    textbook_safety_stock(
        cycle_service_level=np.full(PEER_ROWS, 0.97), demand_mean_units_per_day=mean, demand_std_units_per_day=np.sqrt(mean),
        lead_time_days=np.full(PEER_ROWS, 9.0), lead_time_std_days=np.full(PEER_ROWS, 1.0),
    )  # fmt: skip
    formula = (time.perf_counter() - start) / PEER_ROWS
    ours = targets / (50_000 * NODES)
    print(f"targets alone / scipy nbinom.ppf of one lead time: {ours / peer:.2f}; / textbook formula: {ours / formula:.0f}")


if __name__ == "__main__":
    main()
