"""Is the day's transfer plan worth doing? The twin lives weeks of drawn demand with it and without it, side by side.

Belongs here: the paired comparison. Does not: the twin (`twin.py`), what a bad answer stops (`orchestration/plan_gates.py`).

Notes
-----
Both worlds begin with today's stock and what is under way, meet the same demand, lead times and supply (common random numbers), and from the first
evening on order by the day's targets; in one of them today's transfers leave first. What remains at the end carries its freight, as far as the
targets would hold it. The mean of the differences has the interval of Student's t over the draws.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.attained_service import trial
from planning.frames import DECISION_VALUES
from planning.twin import Moves, Policy, Scenario, TwinNetwork, View, simulate, within_capacity
from planning.twin_frames import dense_units
from planning.twin_policies import Knowledge, order_up_to, reviews


def decision_values(*, know: Knowledge, transfers: pd.DataFrame, targets: pd.DataFrame, draws: int, day_count: int) -> pd.DataFrame:
    """Cost of the next days with the plan and without, draw by draw.

    Parameters
    ----------
    know : Knowledge
        Of the SKUs that the plan moves, or some of them.
    transfers : DataFrame
        Frame `plan.transfers`; lines of other SKUs are left out.
    targets : DataFrame
        Frame `plan.stock_targets`, aligned with the positions of ``know``.
    draws, day_count : int

    Returns
    -------
    DataFrame
        Frame `plan.decision_values`.
    """
    p = know.positions
    rows = []
    for draw in range(draws):
        stage = trial(know, seed=draw)
        network = replace(stage.network, lane_capacity_units=np.full(len(stage.network.lane_origin), np.inf))
        units = _lane_units(network, transfers)
        top = dense_units(network, p, targets["order_up_to_units"].to_numpy(dtype=np.int64))
        point = dense_units(network, p, targets["reorder_point_units"].to_numpy(dtype=np.int64))
        scenario = _from_today(stage.scenario, network, p, know, top, day_count)
        lived = {}
        for name, first in (("without", None), ("with", units)):
            base = order_up_to(point, np.maximum(top, point), is_due=reviews(know, network), from_supplier=True)
            lived[name] = simulate(network, scenario, base if first is None else _after(first, base))
        rows.append(
            {
                "as_of_date": know.as_of_date,
                "draw_number": draw,
                "without_cost": lived["without"].total_cost,
                "with_cost": lived["with"].total_cost,
                "difference_gain": lived["without"].total_cost - lived["with"].total_cost,
                "without_fill_rate": lived["without"].fill_rate,
                "with_fill_rate": lived["with"].fill_rate,
                "moved_units": int(units.sum()),
            }
        )
    return DECISION_VALUES.check(pd.DataFrame(rows, columns=list(DECISION_VALUES.fields)))


def _lane_units(network: TwinNetwork, transfers: pd.DataFrame) -> NDArray[np.int64]:
    """Units of the plan on the lanes of the network, shape (n_lanes, n_skus)."""
    lane_of = {
        (network.node_ids[o], network.node_ids[d]): i
        for i, (o, d) in enumerate(zip(network.lane_origin, network.lane_destination, strict=True))
    }
    mine = transfers[transfers["sku_id"].isin(network.sku_ids)]
    units = np.zeros((len(network.lane_origin), len(network.sku_ids)), np.int64)
    lanes = [lane_of[pair] for pair in zip(mine["origin_node_id"], mine["destination_node_id"], strict=True)]
    np.add.at(units, (lanes, pd.Index(network.sku_ids).get_indexer(mine["sku_id"])), mine["transfer_units"].to_numpy(dtype=np.int64))
    return units


def _after(first: NDArray[np.int64], base: Policy) -> Policy:
    """The plan leaves on the first evening, and what is ordered then is ordered from what it leaves."""

    def policy(view: View) -> Moves:
        if view.day > 0:
            return base(view)
        network = view.network
        leaving, coming = np.zeros_like(view.on_hand), np.zeros_like(view.on_hand)
        np.add.at(leaving, network.lane_origin, first)
        np.add.at(coming, network.lane_destination, first)
        then = base(replace(view, on_hand=view.on_hand - leaving, inbound=view.inbound + coming))
        return replace(then, lane_units=within_capacity(network, first if then.lane_units is None else then.lane_units + first))

    return policy


def _from_today(
    drawn: Scenario, network: TwinNetwork, p: pd.DataFrame, know: Knowledge, top: NDArray[np.int64], day_count: int
) -> Scenario:
    """Today's stock, what is under way half a lead time from its arrival, and demand that is lost where nothing stands."""
    free = (p["on_hand_units"] - p["reserved_units"]).clip(lower=0).to_numpy(dtype=np.int64)
    due = np.clip(np.rint(know.lead_times.mean_days / 2).astype(int), 0, day_count - 1)
    under_way = np.zeros((day_count, len(p)), np.int64)
    under_way[due, np.arange(len(p))] = p["inbound_units"].to_numpy(dtype=np.int64)
    demand = drawn.demand[:day_count].copy()
    demand[0] = 0  # the plan leaves tonight
    return Scenario(
        demand,
        np.zeros_like(demand),
        dense_units(network, p, under_way),
        dense_units(network, p, free),
        drawn.lane_days[:day_count],
        drawn.supplier_days[:day_count] if drawn.supplier_days is not None else None,
        cover_units=top.astype(float),
    )
