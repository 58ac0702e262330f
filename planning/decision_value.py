"""Is the day's transfer plan worth doing? The twin lives weeks of drawn demand with it and without it, side by side.

Belongs here: the paired comparison. Does not: the twin (`twin.py`), what a bad answer stops (`orchestration/plan_gates.py`).

Notes
-----
Both worlds begin with today's stock and what is under way, meet the same demand, lead times and supply (common random numbers), and every evening
replenish as the morning does, by today's targets; in one of them today's transfers leave first. What remains at the end carries its freight, as far
as the targets would hold it. Only SKUs that the plan moves are lived through: what replenishes them travels with all the others, so its departures
cost nothing here, nor do transfers on the lanes that replenish; other departures of the plan are charged by the share of their units that is lived
through. The mean of the differences has the interval of Student's t over the draws.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.attained_service import trial
from planning.frames import DECISION_VALUES
from planning.twin import Scenario, TwinNetwork, simulate
from planning.twin_frames import dense_units
from planning.twin_policies import Knowledge, MorningRules, nodewise


def decision_values(
    *, know: Knowledge, transfers: pd.DataFrame, targets: pd.DataFrame, rules: MorningRules, draws: int, day_count: int
) -> pd.DataFrame:
    """Cost of the next days with the plan and without, draw by draw.

    Parameters
    ----------
    know : Knowledge
        Of the SKUs that the plan moves, or some of them.
    transfers : DataFrame
        Frame `plan.transfers`; lines of other SKUs are left out.
    targets : DataFrame
        Frame `plan.stock_targets`, aligned with the positions of ``know``.
    rules : MorningRules
    draws, day_count : int

    Returns
    -------
    DataFrame
        Frame `plan.decision_values`.
    """
    mine = transfers[transfers["sku_id"].isin(know.positions["sku_id"])]
    lanes = know.lanes.assign(fixed_cost_per_shipment=0.0)
    tonight = replace(know, lanes=lanes, as_of_date=know.as_of_date - pd.Timedelta(days=1))  # the twin's first evening is the plan's
    rows = []
    for draw in range(draws):
        stage = trial(know, seed=draw)
        whole = stage.network.lane_fixed_cost
        network = replace(stage.network, lane_capacity_units=np.full(len(whole), np.inf), lane_fixed_cost=np.zeros(len(whole)))
        top = dense_units(network, know.positions, targets["order_up_to_units"].to_numpy(dtype=np.int64))
        scenario = _from_today(stage.scenario, network, know, top, day_count)
        lateral = ~np.isin(np.arange(len(whole)), network.parent_lane)
        departures = float((whole * lateral) @ _lane_shares(network, mine, transfers))
        cost, fill = {}, {}
        for name, first in (("without", mine.iloc[:0]), ("with", mine)):
            policy = nodewise(tonight, network, rules=rules, from_supplier=True, fixed_targets=targets, fixed_transfers=first)
            lived = simulate(network, scenario, policy)
            cost[name], fill[name] = lived.total_cost, lived.fill_rate
        rows.append(
            {
                "as_of_date": know.as_of_date,
                "draw_number": draw,
                "without_cost": cost["without"],
                "with_cost": cost["with"] + departures,
                "difference_gain": cost["without"] - cost["with"] - departures,
                "without_fill_rate": fill["without"],
                "with_fill_rate": fill["with"],
                "moved_units": int(mine["transfer_units"].sum()),
            }
        )
    return DECISION_VALUES.check(pd.DataFrame(rows, columns=list(DECISION_VALUES.fields)))


def _lane_shares(network: TwinNetwork, mine: pd.DataFrame, transfers: pd.DataFrame) -> NDArray[np.float64]:
    """Share of each lane's departure that is on account of some of the lines: that of their units; shape (n_lanes,)."""
    ends = ["origin_node_id", "destination_node_id"]
    share = mine.groupby(ends)["transfer_units"].sum() / transfers.groupby(ends)["transfer_units"].sum()
    pairs = zip(network.lane_origin, network.lane_destination, strict=True)
    names = pd.MultiIndex.from_tuples([(network.node_ids[o], network.node_ids[d]) for o, d in pairs], names=ends)
    return share.reindex(names).fillna(0.0).to_numpy(dtype=float)


def _from_today(drawn: Scenario, network: TwinNetwork, know: Knowledge, top: NDArray[np.int64], day_count: int) -> Scenario:
    """Today's stock, what is under way half a lead time from its arrival, and demand from tomorrow on, lost where nothing stands."""
    p = know.positions
    free = (p["on_hand_units"] - p["reserved_units"]).clip(lower=0).to_numpy(dtype=np.int64)
    due = np.clip(np.rint(know.lead_times.mean_days / 2).astype(int), 1, day_count - 1)
    under_way = np.zeros((day_count, len(p)), np.int64)
    under_way[due, np.arange(len(p))] = p["inbound_units"].to_numpy(dtype=np.int64)
    demand = np.concatenate([np.zeros_like(drawn.demand[:1]), drawn.demand[: day_count - 1]])
    return Scenario(
        demand,
        np.zeros_like(demand),
        dense_units(network, p, under_way),
        dense_units(network, p, free),
        drawn.lane_days[:day_count],
        drawn.supplier_days[:day_count] if drawn.supplier_days is not None else None,
        cover_units=top.astype(float),
    )
