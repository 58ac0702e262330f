"""Policies in the twin, with the same supply: what each costs and serves, and how much of what can be gained nodewise gains.

    DATA=../shared/data python -m benchmarks.twin            # the demo company, then M5 when its data is there

Demo: the product plans the last day but 28; the days after it are drawn five times from the company's true means (which no policy sees). M5: the
28 validation days as they were sold; five draws of the stock that the stores, DCs and the hub start with, of supply and of lead times. Supply goes to
the node that the supplier delivers to, weekly, whatever the policy. A sample of M5's items pays its share of a departure's fixed cost. Belongs here: worlds and the table. Does not: a policy.
"""

import argparse
import datetime as dt
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestration.decisions import DayInputs, read_inputs
from orchestration.deployment import Deployment
from orchestration.landing import land_inbox
from orchestration.rules import morning_rules
from orchestration.run_day import read_day
from orchestration.running import run_day
from orchestration.service_trial import knowledge
from orchestration.settings import Settings, load_settings
from orchestration.warehouse import open_warehouse
from planning.clairvoyant import clairvoyant_bound
from planning.lead_times import LeadTimes
from planning.twin import Scenario, TwinNetwork, simulate
from planning.twin_frames import dense_units, twin_network
from planning.twin_policies import Knowledge, shipped_policies

DAYS, SEEDS = 28, 5
_T_95 = 2.776  # Student's t with 4 degrees of freedom
_DEMO_LAST_DAY = "2026-11-01"  # 28 days before it is a Sunday, on which everything is counted
_PUBLISHED_LAST_DAY = dt.date(2016, 4, 24)


def _read(settings: Settings) -> tuple[DayInputs, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Inputs of the planned day, its lanes with weekdays and spread, shares of regions, and what the final mile costs."""
    with open_warehouse(settings.warehouse) as warehouse:
        inputs = read_inputs(warehouse, settings, read_day(warehouse))
        lanes = warehouse.execute(
            """select o.origin_node_id, o.destination_node_id, l.lead_time_days, l.lead_time_std_days, l.departs_on
               from intermediate.int_open_lanes o join staging.stg_master__lanes l using (origin_node_id, destination_node_id, mode)"""
        ).df()
        shares = warehouse.execute("select * from intermediate.int_service_shares order by all").df()
        miles = warehouse.execute(
            """select node_id, avg(final_mile_cost_per_unit)::double as cost from staging.stg_master__service_zones group by all"""
        ).df()
    return inputs, lanes, shares, miles


def _plan(settings: Settings, day: dt.date) -> None:
    land_inbox(settings, settle_seconds=0)  # written by this process, so nobody is still at it
    outcome = run_day(Deployment(settings), day, ephemeral=True)
    if outcome.exit_code:
        raise SystemExit(f"{day}: {'; '.join(outcome.problems)}")


def _lane_days(network: TwinNetwork, lanes: pd.DataFrame, know: Knowledge, rng: np.random.Generator) -> NDArray[np.int64]:
    """Wait for the next departure plus a drawn lead time, by evening and lane: as declared, on lanes that replenish as observed too."""
    at = lanes.set_index(["origin_node_id", "destination_node_id"]).loc[
        [(network.node_ids[o], network.node_ids[d]) for o, d in zip(network.lane_origin, network.lane_destination, strict=True)]
    ]
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    leaves = np.array([[words == "daily" or name in words for name in names] for words in at["departs_on"].fillna("daily")])
    out = np.zeros((DAYS, len(at)), np.int64)
    mean, std = at["lead_time_days"].to_numpy(dtype=float), at["lead_time_std_days"].fillna(0).to_numpy(dtype=float)
    below = know.positions["replenished_from_node_id"].notna().to_numpy()
    kind = dict(zip(know.positions["node_id"][below], know.lead_times.kind[below], strict=True))
    seen = {int(lane): kind[node] for node, lane in zip(network.node_ids, network.parent_lane, strict=True) if lane >= 0 and node in kind}
    for day in range(DAYS):
        weekday = (know.as_of_date.day_of_week + day + 1 + np.arange(7)) % 7
        wait = 1 + np.argmax(leaves[:, weekday], axis=1)
        days = np.maximum(np.rint(rng.normal(mean, std)), 0)
        for lane, number in seen.items():
            days[lane] = rng.choice(know.lead_times.days[number], p=know.lead_times.shares[number])
        out[day] = wait + days
    return np.maximum(out, 1)


def _roots(network: TwinNetwork, positions: pd.DataFrame) -> NDArray[np.int64]:
    """Row of the hub in the network: the node that most nodes hang on."""
    counts = positions["replenished_from_node_id"].value_counts()
    tops = [n for n in counts.index if positions.loc[positions["node_id"] == n, "replenished_from_node_id"].isna().all()]
    return np.array([network.node_ids.index(tops[0])])


def _supply(network: TwinNetwork, hub: int, weekly: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    supply = np.zeros((DAYS, len(network.node_ids), len(network.sku_ids)), np.int64)
    for week in range(DAYS // 7):
        cases = rng.poisson(0.95 * weekly[week]) / network.case_pack_units
        supply[3 + 7 * week, hub] = np.rint(cases).astype(np.int64) * network.case_pack_units
    return supply


def _under_way(network: TwinNetwork, positions: pd.DataFrame, leads: LeadTimes) -> NDArray[np.int64]:
    """Committed units arrive half a lead time after the first morning."""
    out = np.zeros((DAYS, len(positions)), np.int64)
    due = np.clip(np.rint(leads.mean_days / 2).astype(int), 0, DAYS - 1)
    out[due, np.arange(len(positions))] = positions["inbound_units"].to_numpy(dtype=np.int64)
    return dense_units(network, positions, out)


def _cover(know: Knowledge, network: TwinNetwork) -> NDArray[np.float64]:
    """As much as a node and those it replenishes are expected to ask for in the next four weeks carries its freight."""
    demand = know.interval(0)
    return dense_units(network, know.positions, np.ceil(DAYS * demand.expected_units / demand.protection_days).astype(np.int64)).astype(
        float
    )


def _draw(mean: NDArray[np.float64], dispersion: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.poisson(mean * rng.gamma(1 / dispersion, dispersion, mean.shape))


def demo_worlds(folder: Path, sku_count: int) -> tuple[Knowledge, TwinNetwork, list[Scenario], Settings]:
    """The demo company, planned 28 days before its last day, and five ways its next 28 days may go."""
    from demo.company import write_company
    from demo.network import NODES, REGIONS
    from demo.simulator import company

    last = pd.Timestamp(_DEMO_LAST_DAY)
    path = write_company(folder, sku_count=sku_count, day_count=220, last_day=_DEMO_LAST_DAY, seed=7)
    settings = load_settings(path)
    _plan(settings, (last - pd.Timedelta(days=DAYS)).date())
    inputs, lanes, shares, miles = _read(settings)
    every = np.ones(len(inputs.flows.row_start) - 1, bool)
    know, network = _prepare(inputs, settings, miles, last - pd.Timedelta(days=DAYS), every)
    truth = company(sku_count=sku_count, day_count=220, last_day=last, seed=7)
    column = pd.Index(truth.catalogue.skus["sku_id"]).get_indexer(list(network.sku_ids))
    dispersion = truth.catalogue.dispersion[column]
    ecom, store = truth.ecom_mean[-DAYS:][:, :, column], truth.store_mean[-DAYS:][:, column]
    kind = dict(zip(NODES["node_id"], NODES["node_type"], strict=True))
    online = shares[shares["node_id"].map(kind) != "store"]
    part = np.zeros((len(REGIONS), len(network.node_ids), len(network.sku_ids)))
    kept = online[online["sku_id"].isin(network.sku_ids) & online["node_id"].isin(network.node_ids)]
    part[
        pd.Index(REGIONS["region_id"]).get_indexer(kept["region_id"]),
        pd.Index(network.node_ids).get_indexer(kept["node_id"]),
        pd.Index(network.sku_ids).get_indexer(kept["sku_id"]),
    ] = kept["demand_share"]
    part /= np.where(part.sum(axis=1, keepdims=True) > 0, part.sum(axis=1, keepdims=True), 1.0)
    hub = int(_roots(network, know.positions)[0])
    stores = [n for n, node in enumerate(network.node_ids) if kind[node] == "store"]
    weekly = (ecom.sum(axis=1) + store * len(stores)).reshape(DAYS // 7, 7, -1).sum(axis=1)
    cover = _cover(know, network)
    worlds = []
    for seed in range(SEEDS):
        rng = np.random.default_rng([7, seed])
        demand = np.zeros((DAYS, len(network.node_ids), len(network.sku_ids)), np.int64)
        for region in range(len(REGIONS)):
            left = _draw(ecom[:, region], dispersion, rng)
            remaining = np.ones(part.shape[2])
            for node in range(part.shape[1]):
                share = np.divide(part[region, node], remaining, out=np.zeros_like(remaining), where=remaining > 1e-12)
                taken = rng.binomial(left, np.clip(share, 0, 1))
                demand[:, node] += taken
                left = left - taken
                remaining = remaining - part[region, node]
        for node in stores:
            demand[:, node] += _draw(store, dispersion, rng)
        demand = demand * network.is_carried
        worlds.append(
            Scenario(
                demand,
                _supply(network, hub, weekly, rng),
                _under_way(network, know.positions, know.lead_times),
                dense_units(network, know.positions, know.positions["on_hand_units"].to_numpy(dtype=np.int64)),
                _lane_days(network, lanes, know, rng),
                cover_units=cover,
            )
        )
    return know, network, worlds, settings


def m5_deployment(data: Path, folder: Path) -> Settings:
    """M5 planned on the evening of 2016-04-24 by the code as it is."""
    from benchmarks.real.m5 import write_deployment

    path = folder / "settings.yaml"
    if not path.exists():
        path = write_deployment(data, folder, _PUBLISHED_LAST_DAY)
    settings = load_settings(path)
    _plan(settings, _PUBLISHED_LAST_DAY)
    return settings


def m5_inputs(data: Path, folder: Path) -> tuple[DayInputs, Settings]:
    """What the morning of 2016-04-25 decides from, with flows that reach four weeks ahead."""
    settings = m5_deployment(data, folder)
    settings = settings.model_copy(update={"planning": settings.planning.model_copy(update={"review_period_days": DAYS})})
    with open_warehouse(settings.warehouse) as warehouse:
        return read_inputs(warehouse, settings, read_day(warehouse)), settings


def m5_worlds(data: Path, folder: Path, sku_count: int) -> tuple[Knowledge, TwinNetwork, list[Scenario], Settings]:
    """M5 on the evening of 2016-04-24 and its 28 validation days, for a sample of items."""
    import duckdb

    settings = m5_deployment(data, folder)
    inputs, lanes, _, miles = _read(settings)
    skus = pd.Series(inputs.positions["sku_id"].unique())
    share = min(1.0, sku_count / len(skus))
    sampled = skus.isin(skus.sample(min(sku_count, len(skus)), random_state=1)).to_numpy()
    inputs = replace(
        inputs, lanes=inputs.lanes.assign(fixed_cost_per_shipment=inputs.lanes["fixed_cost_per_shipment"].astype(float) * share)
    )
    know, network = _prepare(inputs, settings, miles, pd.Timestamp(_PUBLISHED_LAST_DAY), sampled)
    rows = duckdb.sql(
        f"""select item_id, store_id, date - date '{_PUBLISHED_LAST_DAY}' - 1 as day, units
            from '{data}/m5/sales_long_d1762_d1941.parquet' where date > date '{_PUBLISHED_LAST_DAY}' - 28"""
    ).df()
    sku, node = pd.Index(network.sku_ids).get_indexer(rows["item_id"]), pd.Index(network.node_ids).get_indexer(rows["store_id"])
    known = (sku >= 0) & (node >= 0)
    both = np.zeros((2 * DAYS, len(network.node_ids), len(network.sku_ids)), np.int64)
    both[rows["day"].to_numpy()[known] + DAYS, node[known], sku[known]] = rows["units"].to_numpy()[known]
    demand = both[DAYS:] * network.is_carried
    past = both[:DAYS].sum(axis=0)
    hub = int(_roots(network, know.positions)[0])
    weekly = demand.reshape(DAYS // 7, 7, *demand.shape[1:]).sum(axis=(1, 2)).astype(float)
    cover = _cover(know, network)
    worlds = []
    for seed in range(SEEDS):
        rng = np.random.default_rng([11, seed])
        dcs = np.zeros(past.shape)
        for lane in network.parent_lane[network.parent_lane >= 0]:
            if network.parent_lane[network.lane_origin[lane]] >= 0:
                dcs[network.lane_origin[lane]] += past[network.lane_destination[lane]]
        level = past / 4 * rng.uniform(0.35, 1.6, past.shape) + dcs / 4 * rng.uniform(0.05, 1.1, past.shape)
        level[hub] = past.sum(axis=0) / 4 * rng.uniform(0.2, 2.2, past.shape[1])
        worlds.append(
            Scenario(
                demand,
                _supply(network, hub, weekly, rng),
                np.zeros_like(demand),
                np.rint(level).astype(np.int64) * network.is_carried,
                _lane_days(network, lanes, know, rng),
                cover_units=cover,
            )
        )
    return know, network, worlds, settings


def _prepare(
    inputs: DayInputs, settings: Settings, miles: pd.DataFrame, day: pd.Timestamp, sku_kept: NDArray[np.bool_]
) -> tuple[Knowledge, TwinNetwork]:
    know, _ = knowledge(inputs, day, sku_kept=sku_kept)
    network = twin_network(
        positions=know.positions,
        lanes=inputs.lanes,
        final_mile_cost_per_unit=dict(zip(miles["node_id"], miles["cost"], strict=True)),
        outbound_units_per_day={},
        order_cost=settings.planning.fixed_cost_per_order,
    )
    return know, network


def compare(name: str, know: Knowledge, network: TwinNetwork, worlds: list[Scenario], settings: Settings) -> None:
    """Print the table of a company."""
    policies = shipped_policies(morning_rules(settings.planning))
    start = time.perf_counter()
    bounds = [clairvoyant_bound(network, world) for world in worlds]
    print(f"\n{name}: {len(network.sku_ids)} SKUs, {len(network.node_ids)} nodes, {DAYS} days, {len(worlds)} draws")
    print(
        f"{'policy':24} {'total cost':>18} {'fill rate':>16} {'moved':>8} {'carry':>8} {'freight':>8} {'of it kept':>10} {'lines':>8} {'mile':>8} {'lost':>9} {'share of gap':>20} {'least saved in a draw':>22}"
    )
    nothing = np.zeros(0)
    best = np.array([b.cost.sum() for b in bounds])
    for policy, maker in policies.items():
        lived = [simulate(network, world, maker(know, network)) for world in worlds]
        cost = np.array([one.total_cost for one in lived])
        nothing = cost if policy == "do nothing" else nothing
        parts = np.mean(
            [
                (o.moved_units.sum(), o.holding_cost, o.lane_cost, o.carried_freight, o.order_cost, o.final_mile_cost, o.shortage_cost)
                for o in lived
            ],
            axis=0,
        )
        share = (nothing - cost) / (nothing - best)
        print(f"{policy:24} {_interval(cost, 0):>18} {_interval(100 * np.array([o.fill_rate for o in lived]), 2):>16} "
              + " ".join(f"{value:>8,.0f}" for value in parts[:6]) + f" {parts[6]:>9,.0f} {_interval(100 * share, 1):>20} {(nothing - cost).min():>22,.0f}")  # fmt: skip
    asked = [world.demand.sum() for world in worlds]
    filled = 100 * np.array([b.filled_units.sum() / a for b, a in zip(bounds, asked, strict=True)])
    print(f"{'clairvoyant bound':24} {_interval(best, 0):>18} {_interval(filled, 2):>16}")
    print(f"({time.perf_counter() - start:.0f} s)")


def _interval(values: NDArray[np.float64], digits: int) -> str:
    """Mean and half of its 95 % interval."""
    return f"{values.mean():,.{digits}f} ±{_T_95 * values.std(ddof=1) / np.sqrt(len(values)):,.{digits}f}"


def main(data: Path, *, demo_skus: int = 200, m5_skus: int = 400) -> None:
    """Print both tables."""
    folder = Path(".nodewise/twin")
    compare("demo company", *demo_worlds(folder / "demo", demo_skus))
    if (data / "m5").is_dir():
        compare("M5, validation days", *m5_worlds(data, folder / "m5", m5_skus))
    else:
        print(f"M5: {data}/m5 is not there; set DATA to the folder that holds it")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--demo-skus", type=int, default=200)
    parser.add_argument("--m5-skus", type=int, default=400)
    chosen = parser.parse_args()
    main(Path(os.environ.get("DATA", "../shared/data")), demo_skus=chosen.demo_skus, m5_skus=chosen.m5_skus)
