"""What targets really attain: the twin lives weeks of demand drawn from the forecast under them.

Belongs here: drawn days of demand, targets as a policy, and service by segment. Does not: the twin (`twin.py`), the targets.
"""

from dataclasses import dataclass
from math import sqrt

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.frames import SERVICE_ATTAINED
from planning.lead_time_demand import SCORES, DemandFlows, add_flow, extend_horizon, normal_at, path_seeds
from planning.twin import Lived, Policy, Scenario, TwinNetwork, simulate
from planning.twin_frames import dense_units, twin_network
from planning.twin_policies import Knowledge, echelon_units, order_up_to, reviews

WARM_UP_DAYS, LIVED_DAYS = 28, 84


@numba.njit(cache=True, parallel=True)
def _draw_days(
    seeds: NDArray[np.uint64], means: NDArray[np.float64], dispersions: NDArray[np.float64], flow_series: NDArray[np.int64],
    flow_row: NDArray[np.int64], flow_share: NDArray[np.float64], flow_start: NDArray[np.int64], level: float, region: float,
    scores: NDArray[np.float64], out: NDArray[np.int32],
) -> None:  # fmt: skip
    own, shared, series_weight = sqrt(max(0.0, 1.0 - level)), sqrt(min(level, region)), sqrt(max(0.0, level - region))
    for k in numba.prange(seeds.size):
        table, common = np.empty(2048), np.empty(1)
        for f in range(flow_start[k], flow_start[k + 1]):
            key = np.uint64(flow_series[f] - flow_series[flow_start[k]])
            common[0] = shared * normal_at(seeds[k] ^ np.uint64(0xA5A5A5A5), np.uint64(0), scores)
            common[0] += series_weight * normal_at(seeds[k] ^ np.uint64(0x5A5A5A5A), key, scores)
            add_flow(
                seeds[k], f - flow_start[k], means[flow_series[f]], flow_share[f], dispersions[flow_series[f]], common, own, scores, table,
                out[flow_row[f]].reshape(means.shape[1], 1),
            )  # fmt: skip


def drawn_days(
    flows: DemandFlows, *, seeds: NDArray[np.uint64], day_count: int, level_correlation: float, region_correlation: float
) -> NDArray[np.int32]:
    """One path of daily demand of every SKU-node from the forecast's own distribution, shape (n_rows, day_count).

    A series keeps its level over the whole path as it does over a sample path; after the forecast's last day its last week repeats.
    """
    means, _ = extend_horizon(flows.means, day_count)
    out = np.zeros((len(flows.parent_row), day_count), np.int32)
    _draw_days(
        seeds, means, flows.dispersions, flows.flow_series, flows.flow_row, flows.flow_share, flows.flow_start, level_correlation,
        min(region_correlation, level_correlation), SCORES, out,
    )  # fmt: skip
    return out


@dataclass(frozen=True)
class Trial:
    """A network, a story and what is known, for any number of target sets."""

    know: Knowledge
    network: TwinNetwork
    scenario: Scenario


def trial(know: Knowledge, *, seed: int) -> Trial:
    """Twelve weeks of drawn demand and lead times; the supplier delivers whatever is ordered, unserved demand waits."""
    p = know.positions
    network = twin_network(positions=p, lanes=know.lanes, final_mile_cost_per_unit={}, outbound_units_per_day={}, order_cost=0.0)
    seeds = path_seeds(as_of_date=f"{know.as_of_date.date()}|twin|{seed}", sku_ids=p["sku_id"].to_numpy()[know.flows.row_start[:-1]])
    demand = dense_units(
        network,
        p,
        drawn_days(
            know.flows,
            seeds=seeds,
            day_count=LIVED_DAYS,
            level_correlation=know.level_correlation,
            region_correlation=know.region_correlation,
        ).T,
    )
    rng = np.random.default_rng([seed, int(know.as_of_date.toordinal())])
    leads = know.lead_times
    by_kind = np.stack(
        [rng.choice(days, LIVED_DAYS, p=shares / shares.sum()) for days, shares in zip(leads.days, leads.shares, strict=True)], axis=1
    )  # one draw a day for all that share a lane
    below = p["replenished_from_node_id"].notna().to_numpy()
    kind_of_node = dict(zip(p["node_id"][below], leads.kind[below], strict=True))
    lane_days = np.ones((LIVED_DAYS, len(network.lane_origin)), np.int64)
    for node, lane in zip(network.node_ids, network.parent_lane, strict=True):
        if lane >= 0 and node in kind_of_node:
            lane_days[:, lane] = 1 + by_kind[:, kind_of_node[node]]
    supplier = 1 + np.maximum(dense_units(network, p, by_kind[:, leads.kind]), 0)
    nothing = np.zeros_like(demand)
    return Trial(know, network, Scenario(demand, nothing, nothing, nothing[0], lane_days, supplier, is_backordered=True))


def live(trial: Trial, *, reorder_point: NDArray[np.int64], order_up_to_units: NDArray[np.int64]) -> Lived:
    """Live the trial under targets of the rows of its positions, each node on its own, beginning with full shelves."""
    point, top = (dense_units(trial.network, trial.know.positions, units) for units in (reorder_point, order_up_to_units))
    return _lived(trial, top, order_up_to(point, top, is_due=reviews(trial.know, trial.network), from_supplier=True))


def live_base_stock(trial: Trial, *, base_stock: NDArray[np.int64]) -> Lived:
    """Live the trial under base stocks of which every order is passed on, as guaranteed service has it, beginning with full shelves."""
    top = dense_units(trial.network, trial.know.positions, base_stock)
    whole = echelon_units(trial.network, top)
    return _lived(
        trial, top, order_up_to(whole - 1, whole, is_due=reviews(trial.know, trial.network), from_supplier=True, is_echelon=True)
    )  # fmt: skip


def _lived(trial: Trial, top: NDArray[np.int64], policy: Policy) -> Lived:
    scenario = trial.scenario
    return simulate(
        trial.network,
        Scenario(
            scenario.demand, scenario.supply, scenario.under_way, top, scenario.lane_days, scenario.supplier_days, is_backordered=True
        ),
        policy,
    )


def service_attained(trial: Trial, lived: Lived, targets: pd.DataFrame, *, method: str) -> pd.DataFrame:
    """Promised and attained service of the SKU-nodes that serve customers, by type of node and ABC class.

    Parameters
    ----------
    trial : Trial
    lived : Lived
    targets : DataFrame
        Frame `plan.stock_targets`, aligned with the trial's positions.
    method : str
        Whose targets they are.

    Returns
    -------
    DataFrame
        Frame `plan.service_attained`.
    """
    p = trial.know.positions
    node = pd.Index(trial.network.node_ids).get_indexer(p["node_id"])
    sku = pd.Index(trial.network.sku_ids).get_indexer(p["sku_id"])
    after = slice(WARM_UP_DAYS, None)
    asked = lived.demand_units[after].sum(axis=0)[node, sku]
    filled = lived.filled_units[after].sum(axis=0)[node, sku]
    attained = np.zeros(len(p))
    periods = p["review_period_days"].to_numpy(dtype=np.int64)
    for period in np.unique(periods):
        mine = periods == period
        attained[mine] = lived.cycle_service(cycle_days=int(period), first_day=WARM_UP_DAYS)[node, sku][mine]
    fill = targets["fill_rate_target"].to_numpy(dtype=float, na_value=np.nan)
    level = targets["cycle_service_level"].to_numpy(dtype=float)
    rows = pd.DataFrame(
        {
            "node_type": p["node_type"].fillna("unknown").to_numpy(),
            "abc_class": p["abc_class"].fillna("C").to_numpy(),
            "level": np.where(level > 0, level, np.nan),
            "attained": np.where((level > 0) | (level.max(initial=0.0) <= 0), attained, np.nan),
            "fill": fill,
            "asked": asked,
            "filled": filled,
        }
    )
    of_fill = rows.groupby(["node_type", "abc_class"])["fill"].transform("count") > 0
    rows = rows.assign(  # where some promise a fill rate, theirs is what is attained
        asked=rows["asked"].where(~of_fill | rows["fill"].notna(), 0), filled=rows["filled"].where(~of_fill | rows["fill"].notna(), 0)
    )[trial.know.own_units_per_day() > 0]
    segments = rows.groupby(["node_type", "abc_class"], as_index=False).agg(
        sku_node_count=("asked", "size"), promised_level=("level", "mean"), attained_level=("attained", "mean"),
        promised_fill_rate=("fill", "mean"), asked=("asked", "sum"), filled=("filled", "sum"),
    )  # fmt: skip
    return SERVICE_ATTAINED.check(
        segments.assign(
            as_of_date=trial.know.as_of_date,
            method=method,
            promised_level=segments["promised_level"].fillna(0.0).round(6),
            attained_level=segments["attained_level"].fillna(1.0).round(6),
            attained_fill_rate=np.where(segments["asked"] > 0, segments["filled"] / segments["asked"].clip(lower=1), 1.0).round(6),
        )
    )
