"""A transfer line as a planner reads it: why, what it does to both ends, what else could have been done.

Belongs here: everything said about a line once its units are known. Does not: the choice of units (`transfers.py`).
"""

import hashlib
from dataclasses import dataclass

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.flow_arrays import Arcs, Curves, Rows, give_cost, receive_value
from planning.frames import TRANSFER_STEPS, TRANSFERS
from planning.lead_time_demand import LeadTimeDemand
from planning.marginal_value import MarginalValues, stockout_probability
from planning.min_cost_flow import FAR
from planning.shared_limits import Certificate
from planning.transfer_lanes import TransferLanes
from planning.transfer_problem import Flows, TransferProblem
from planning.vocabulary import RUNNER_UP_REASONS

_STEPS = 8  # numbers of cases that are tried for each line, besides the planned one


@dataclass(frozen=True)
class Told:
    """What is known of the day when lines are told.

    Parameters
    ----------
    positions : DataFrame
        Frame `stock_positions`.
    demand, values, units_per_day
        Aligned with the positions.
    lanes : TransferLanes
    problem : TransferProblem
    certificate : Certificate
    as_of_date : Timestamp
    """

    positions: pd.DataFrame
    demand: LeadTimeDemand
    values: MarginalValues
    units_per_day: NDArray[np.float64]
    lanes: TransferLanes
    problem: TransferProblem
    certificate: Certificate
    as_of_date: pd.Timestamp


def told_lines(told: Told, flows: Flows, cost: NDArray[np.float64], gain: NDArray[np.float64]) -> pd.DataFrame:
    """Frame `plan.transfers` but for the status, most valuable line first.

    Parameters
    ----------
    told : Told
    flows : Flows
    cost, gain : ndarray of shape (n_lines,)
        Of each line, the cost with its share of the departure.
    """
    if not len(flows):
        return pd.DataFrame(columns=list(TRANSFERS.fields))
    p, n_rows = told.positions, len(told.positions)
    on_hand = (p["on_hand_units"] - p["reserved_units"]).to_numpy(dtype=np.int64)
    position = on_hand + p["inbound_units"].to_numpy(dtype=np.int64)
    given = np.bincount(flows.row, weights=flows.units, minlength=n_rows).astype(np.int64)
    received = np.bincount(flows.destination, weights=flows.units, minlength=n_rows).astype(np.int64)
    before = stockout_probability(demand=told.demand, position_units=position)
    after = stockout_probability(demand=told.demand, position_units=position - given + received)
    lane = told.lanes.table.iloc[flows.arc].reset_index(drop=True)
    ship = pd.to_datetime(lane["ship_date"])
    arrival = ship + pd.to_timedelta(np.ceil(lane["lead_time_days"].to_numpy(dtype=float)), unit="D")
    level = p["cycle_service_level"].to_numpy(dtype=float)[flows.destination]
    rows = pd.DataFrame(
        {
            "as_of_date": told.as_of_date,
            "sku_id": p["sku_id"].to_numpy()[flows.row],
            "origin_node_id": lane["origin_node_id"],
            "destination_node_id": lane["destination_node_id"],
            "mode": lane["mode"],
            "transfer_units": flows.units,
            "ship_date": ship,
            "arrival_date": arrival,
            "transfer_cost": cost,
            "expected_gain": gain,
            "net_gain": gain - cost,
            "origin_stockout_probability_before": before[flows.row],
            "origin_stockout_probability_after": after[flows.row],
            "destination_stockout_probability_before": before[flows.destination],
            "destination_stockout_probability_after": after[flows.destination],
            "origin_days_of_supply_before": _days(position, told.units_per_day)[flows.row],
            "origin_days_of_supply_after": _days(position - given + received, told.units_per_day)[flows.row],
            "destination_days_of_supply_before": _days(position, told.units_per_day)[flows.destination],
            "destination_days_of_supply_after": _days(position - given + received, told.units_per_day)[flows.destination],
            "capacity_price_per_unit": _prices(told)[flows.arc],
            "reason_code": np.select([before[flows.destination] >= 0.5, before[flows.destination] > 1 - level], ["prevent_stockout", "raise_availability"], "rebalance_surplus"),
        }
    )  # fmt: skip
    rows = rows.assign(**_runner_up(told, flows, given, received))
    rows["transfer_id"] = _ids(rows)
    rows["explanation"] = _sentences(rows)
    return rows.sort_values(["net_gain", "transfer_id"], ascending=[False, True], ignore_index=True)


def _ids(rows: pd.DataFrame) -> list[str]:
    day = pd.Timestamp(rows["as_of_date"].iloc[0]).date().isoformat()
    units = rows["transfer_units"].astype(str)  # another quantity is another proposal
    names = zip(rows["sku_id"], rows["origin_node_id"], rows["destination_node_id"], rows["mode"], units, strict=True)
    return [hashlib.sha256("|".join((day, *name)).encode()).hexdigest()[:16] for name in names]


def _days(units: NDArray[np.int64], per_day: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(np.maximum(units, 0), per_day, out=np.full(len(per_day), np.nan), where=per_day > 1e-9)


def _prices(told: Told) -> NDArray[np.float64]:
    c = told.certificate
    return told.problem.arc_price(c.price_per_unit, c.out_price_per_unit, c.into_price_per_unit)


@numba.njit(cache=True)
def _next_best(
    line_row: NDArray[np.int64], line_destination: NDArray[np.int64], line_arc: NDArray[np.int64], line_units: NDArray[np.int64],
    row_sku: NDArray[np.int64], rows: Rows, curves: Curves, arcs: Arcs, price: NDArray[np.float64], departure: NDArray[np.float64],
    given: NDArray[np.int64], received: NDArray[np.int64], best_row: NDArray[np.int64], parts: NDArray[np.float64],
) -> None:  # fmt: skip
    """Row that could send the last case of each line instead at least cost, -1 for none.

    Parts of both, a unit: freight, own stock, price, departure that would have to be paid for the line, and less what the unit is worth when it arrives.
    """
    for at in range(line_row.size):
        k, destination, pack = row_sku[line_row[at]], line_destination[at], rows.pack[line_row[at]]
        j, sent, least = destination, max(received[destination] - pack, 0), FAR
        best_row[at] = -1
        for r in range(rows.start[k], rows.start[k + 1]):
            for arc in range(arcs.start[rows.node[r]], arcs.start[rows.node[r] + 1]):
                if arcs.destination[arc] != rows.node[destination]:
                    continue
                freight = (
                    arcs.cost_per_unit[arc]
                    + arcs.cost_per_kg[arc] * rows.weight_kg[r]
                    + arcs.carry_days[arc] * rows.carry_cost_per_unit_day[r]
                )
                c = arcs.arrival_class[arc]
                worth = (
                    receive_value(
                        curves.sellable[j, c],
                        curves.urgent[j, c],
                        sent,
                        pack,
                        curves.urgent_value[j, c],
                        curves.later[j],
                        curves.holding[j],
                    )
                    / pack
                )
                if arc == line_arc[at]:
                    own = give_cost(curves.surplus[r], max(given[r] - pack, 0), pack, curves.shortage[r], curves.holding[r]) / pack
                    parts[at, 0], parts[at, 1], parts[at, 2], parts[at, 4] = freight, own, price[arc], -worth
                    continue
                if r == line_row[at] or received[r] > 0 or rows.available_cases[r] * pack - given[r] < pack:
                    continue
                own = give_cost(curves.surplus[r], given[r], pack, curves.shortage[r], curves.holding[r]) / pack
                leaves = max(departure[arc] / line_units[at] - price[arc], 0.0)  # its price has a share of it
                if freight + own + price[arc] + leaves - worth < least:
                    least, best_row[at] = freight + own + price[arc] + leaves - worth, r
                    parts[at, 5], parts[at, 6], parts[at, 7], parts[at, 8], parts[at, 9] = freight, own, price[arc], leaves, -worth


def _runner_up(told: Told, flows: Flows, given: NDArray[np.int64], received: NDArray[np.int64]) -> dict[str, NDArray]:
    """The node that would have sent the last case, how much dearer a unit of it is, and what makes it so."""
    rows = told.problem.rows
    unpaid = np.where(flows.load(len(told.problem.fixed_cost)) > 0, 0.0, told.problem.fixed_cost)
    row_sku = np.repeat(np.arange(told.problem.n_skus), np.diff(rows.start))
    other, parts = np.full(len(flows), -1, np.int64), np.zeros((len(flows), 10))
    _next_best(
        flows.row, flows.destination, flows.arc, flows.units, row_sku, rows, told.problem.curves, told.problem.arcs, _prices(told), unpaid, given,
        received, other, parts,
    )  # fmt: skip
    more = parts[:, 5:] - parts[:, :5]
    why = np.array(["dearer_lane", "needs_its_stock", "full", "pays_a_departure", "arrives_late"])[np.argmax(more, axis=1)]
    return {
        "runner_up_origin_node_id": np.where(other >= 0, told.positions["node_id"].to_numpy(dtype=object)[other], None),
        "runner_up_extra_cost_per_unit": np.where(other >= 0, more.sum(axis=1), np.nan),
        "runner_up_reason": np.where(other >= 0, why, "no_other_origin"),
    }


@numba.njit(cache=True)
def _added(
    row: NDArray[np.int64], destination: NDArray[np.int64], arrival: NDArray[np.int64], units: NDArray[np.int64], others_given: NDArray[np.int64],
    others_received: NDArray[np.int64], curves: Curves, gain: NDArray[np.float64],
) -> None:  # fmt: skip
    """What so many units add to what the other lines of both rows bring."""
    for at in range(row.size):
        r, j, c = row[at], destination[at], arrival[at]
        gain[at] = receive_value(
            curves.sellable[j, c],
            curves.urgent[j, c],
            others_received[at],
            units[at],
            curves.urgent_value[j, c],
            curves.later[j],
            curves.holding[j],
        ) - give_cost(curves.surplus[r], others_given[at], units[at], curves.shortage[r], curves.holding[r])


def transfer_steps(told: Told, flows: Flows, lines: pd.DataFrame) -> pd.DataFrame:
    """Frame `plan.transfer_steps`: what each line would bring with fewer or more cases, as far as the origin has them.

    Parameters
    ----------
    told : Told
    flows : Flows
    lines : DataFrame
        Frame `plan.transfers` of the same flows, in any order.
    """
    rows, n_rows = told.problem.rows, len(told.positions)
    pack, planned = rows.pack[flows.row], flows.units // rows.pack[flows.row]
    given = np.bincount(flows.row, weights=flows.units, minlength=n_rows).astype(np.int64)
    received = np.bincount(flows.destination, weights=flows.units, minlength=n_rows).astype(np.int64)
    spare = rows.available_cases[flows.row] - given[flows.row] // pack
    most = planned + np.clip(np.minimum(spare, planned), 0, None)
    share = np.arange(1, _STEPS + 1) / _STEPS
    grid = np.maximum(np.ceil(most[:, None] * share).astype(np.int64), 1)
    grid = np.sort(np.concatenate([grid, planned[:, None]], axis=1), axis=1)
    fresh = (
        np.concatenate([np.ones((len(grid), 1), bool), grid[:, 1:] != grid[:, :-1]], axis=1) if len(grid) else np.zeros(grid.shape, bool)
    )
    line = np.broadcast_to(np.arange(len(flows))[:, None], grid.shape)[fresh]
    units = grid[fresh] * pack[line]
    row, destination, arc = flows.row[line], flows.destination[line], flows.arc[line]
    gain = np.zeros(len(line))
    _added(
        row, destination, told.problem.arcs.arrival_class[arc], units, given[row] - flows.units[line], received[destination] - flows.units[line],
        told.problem.curves, gain,
    )  # fmt: skip
    a = told.problem.arcs
    per_unit = a.cost_per_unit[arc] + a.cost_per_kg[arc] * rows.weight_kg[row] + a.carry_days[arc] * rows.carry_cost_per_unit_day[row]
    keys = ["sku_id", "origin_node_id", "destination_node_id", "mode"]
    lane = told.lanes.table.iloc[flows.arc].reset_index(drop=True)
    named = lane[keys[1:]].assign(sku_id=told.positions["sku_id"].to_numpy()[flows.row])
    mine = named.merge(lines[[*keys, "transfer_id", "transfer_cost", "transfer_units"]], on=keys, how="left")
    departure = mine["transfer_cost"].to_numpy(dtype=float) - (per_unit[grid[fresh] == planned[line]] * flows.units if len(line) else 0.0)
    cost = per_unit * units + departure[line]
    p = told.positions
    position = (p["on_hand_units"] - p["reserved_units"] + p["inbound_units"]).to_numpy(dtype=np.int64) - given + received
    moved = units - flows.units[line]
    horizon = told.demand.horizon_units
    return TRANSFER_STEPS.check(
        pd.DataFrame(
            {
                "as_of_date": told.as_of_date,
                "transfer_id": mine["transfer_id"].to_numpy()[line],
                "step_units": units,
                "expected_gain": gain,
                "transfer_cost": cost,
                "net_gain": gain - cost,
                "destination_stockout_probability_after": (horizon[destination] > (position[destination] + moved)[:, None]).mean(axis=1),
                "origin_stockout_probability_after": (horizon[row] > (position[row] - moved)[:, None]).mean(axis=1),
            }
        ).sort_values(["transfer_id", "step_units"], ignore_index=True)
    )


def _sentences(rows: pd.DataFrame) -> list[str]:
    return [
        f"{units:,} of {sku} from {origin} to {destination} by {mode}, leaving {ship:%-d %b}, for sale {arrival:%-d %b}: "
        f"without them {destination} runs out with {_percent(at0)} ({_cover(days0)}), with them with {_percent(at1)} ({_cover(days1)}); "
        f"{origin} goes from {_percent(from0)} to {_percent(from1)} ({_cover(left)}). Gains {gain:,.2f}, costs {cost:,.2f}, nets {net:,.2f}. "
        + ("No other node could send a case." if why == "no_other_origin" else f"Next best origin {other}, {extra:,.2f} a unit dearer: {RUNNER_UP_REASONS[why]}.")
        for units, sku, origin, destination, mode, ship, arrival, at0, at1, days0, days1, from0, from1, left, gain, cost, net, other, extra, why in zip(
            rows["transfer_units"], rows["sku_id"], rows["origin_node_id"], rows["destination_node_id"], rows["mode"], rows["ship_date"],
            rows["arrival_date"], rows["destination_stockout_probability_before"], rows["destination_stockout_probability_after"],
            rows["destination_days_of_supply_before"], rows["destination_days_of_supply_after"], rows["origin_stockout_probability_before"],
            rows["origin_stockout_probability_after"], rows["origin_days_of_supply_after"], rows["expected_gain"], rows["transfer_cost"],
            rows["net_gain"], rows["runner_up_origin_node_id"], rows["runner_up_extra_cost_per_unit"], rows["runner_up_reason"], strict=True,
        )
    ]  # fmt: skip


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _cover(days: float) -> str:
    return "no demand" if np.isnan(days) else f"{days:.1f} days of supply"
