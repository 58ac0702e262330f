"""Which node ships which order line: one order at a time for who waits on the telephone, and all open orders together each morning.

Belongs here: the choice, and for every node that lost, what it would have cost and why it lost. Does not: what is available
(`orchestration/availability.py`), holding it (`orchestration/reservations.py`), what a unit is worth where it stands (`marginal_value.py`).

Notes
-----
min sum over units of final mile + handling + what the unit is worth where it stands + lateness, + a cost for each shipment of an order beyond its
first, subject to what is available, what nodes can ship in a day, and nodes that must not (they do not serve the region, or would break a promise
that is hard). Whatever can be filled is filled. Orders of which every line has its cheapest node, one node, with room for everybody who wants it,
need no programme; the others are one integer programme for HiGHS.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import coo_array

from planning.frames import ORDER_ROUTES

_MOST_SHIPMENTS = 3  # of one order, in the choice for who waits


@dataclass(frozen=True)
class RoutingRules:
    """What a deployment wants of its order routing.

    Parameters
    ----------
    split_cost : float
        Of each shipment of an order beyond the first.
    late_cost_per_unit_day : float
        Of a unit that arrives a day after its promise.
    is_promise_hard : bool
        Nodes that would be late are not asked.
    node_limit : int
        Branches that HiGHS looks at, at most.
    """

    split_cost: float
    late_cost_per_unit_day: float
    is_promise_hard: bool
    node_limit: int


@dataclass(frozen=True)
class Option:
    """A node that could ship a line: what a unit from it costs, how many there are, when they arrive, and why it must not, empty if it may."""

    node_id: str
    unit_cost: float
    available_units: int
    delivery_days: int
    refused: str = ""


@dataclass(frozen=True)
class Asked:
    """A line of an order with its options."""

    line_number: int
    units: int
    options: tuple[Option, ...]


def route_one(lines: Sequence[Asked], rules: RoutingRules) -> tuple[list[tuple[int, str, int]], list[tuple[int, int]]]:
    """Best nodes of one order on its own.

    Parameters
    ----------
    lines : sequence of Asked
    rules : RoutingRules

    Returns
    -------
    routes : list of (line_number, node_id, units)
    short : list of (line_number, units)
        What nobody can ship. Up to three shipments are looked at, all of their combinations.

    Examples
    --------
    >>> near, far = Option("near", 2.0, 1, 1), Option("far", 3.0, 9, 2)
    >>> route_one([Asked(1, 2, (near, far))], RoutingRules(5.0, 0.0, False, 1))
    ([(1, 'far', 2)], [])
    """
    nodes = sorted({o.node_id for line in lines for o in line.options if not o.refused and o.available_units > 0})
    best: tuple[float, float, tuple[str, ...]] | None = None
    for size in range(1, min(_MOST_SHIPMENTS, len(nodes)) + 1):
        for chosen in combinations(nodes, size):
            routes, short = _fill(lines, chosen)
            used = {node for _, node, _ in routes}
            cost = sum(units * _cost(lines, number, node) for number, node, units in routes) + rules.split_cost * max(len(used) - 1, 0)
            key = (sum(units for _, units in short), cost, chosen)
            if best is None or key < best:
                best = key
    if best is None:
        return [], [(line.line_number, line.units) for line in lines]
    return _fill(lines, best[2])


def _cost(lines: Sequence[Asked], number: int, node: str) -> float:
    return next(o.unit_cost for line in lines if line.line_number == number for o in line.options if o.node_id == node)


def _fill(lines: Sequence[Asked], chosen: tuple[str, ...]) -> tuple[list[tuple[int, str, int]], list[tuple[int, int]]]:
    """Each line from the cheapest of some nodes that have it; lines of one order are of different SKUs."""
    routes, short = [], []
    for line in lines:
        left = line.units
        for option in sorted((o for o in line.options if o.node_id in chosen and not o.refused), key=lambda o: (o.unit_cost, o.node_id)):
            units = min(left, max(option.available_units, 0))
            if units > 0:
                routes.append((line.line_number, option.node_id, units))
                left -= units
        if left:
            short.append((line.line_number, left))
    return routes, short


def route_orders(
    *,
    orders: pd.DataFrame,
    zones: pd.DataFrame,
    stock: pd.DataFrame,
    capacity_units: dict[str, float],
    as_of_date: pd.Timestamp,
    rules: RoutingRules,
) -> pd.DataFrame:
    """Route all open orders together.

    Parameters
    ----------
    orders : DataFrame
        order_id, line_number, sku_id, region_id, open_units > 0, promised_date (may be null).
    zones : DataFrame
        node_id, region_id, final_mile_cost_per_unit, delivery_days (null is 1).
    stock : DataFrame
        sku_id, node_id, available_units, unit_value, handling_cost_per_unit: where the SKU stands and what a unit is worth there.
    capacity_units : dict
        Units that a node can ship on the day; nodes it lacks have no limit.
    as_of_date : Timestamp
        Orders leave on the day after it.
    rules : RoutingRules

    Returns
    -------
    DataFrame
        Frame `plan.order_routes`: one row per line and node that serves its region, with 0 units and a reason where the node lost.
    """
    options = _options(orders, zones, stock, as_of_date, rules)
    if options.empty:
        return ORDER_ROUTES.check(pd.DataFrame(columns=list(ORDER_ROUTES.fields)))
    units = _routed(options, capacity_units, rules)
    return ORDER_ROUTES.check(_told(options.assign(routed_units=units), capacity_units, as_of_date))


def _options(orders: pd.DataFrame, zones: pd.DataFrame, stock: pd.DataFrame, as_of_date: pd.Timestamp, rules: RoutingRules) -> pd.DataFrame:
    """One row per line and node that serves its region, with the cost of a unit and whether the node may."""
    rows = orders.merge(zones, on="region_id").merge(stock, on=["sku_id", "node_id"], how="left")
    days = rows["delivery_days"].fillna(1).astype(int)
    delivery = as_of_date + pd.to_timedelta(1 + days, unit="D")
    late = (delivery - pd.to_datetime(rows["promised_date"])).dt.days.clip(lower=0).fillna(0).to_numpy(dtype=float)
    available = rows["available_units"].fillna(0).clip(lower=0).astype(int)
    price = {name: rows[name].astype(float).fillna(0.0) for name in ("final_mile_cost_per_unit", "handling_cost_per_unit", "unit_value")}
    cost = price["final_mile_cost_per_unit"] + price["handling_cost_per_unit"] + price["unit_value"] + rules.late_cost_per_unit_day * late
    return rows.assign(
        delivery_date=delivery,
        available_units=available,
        unit_value=price["unit_value"],
        final_mile_cost_per_unit=price["final_mile_cost_per_unit"],
        cost_per_unit=cost,
        is_late=late > 0,
        may=(available > 0) & ~((late > 0) & rules.is_promise_hard),
    ).sort_values(["order_id", "line_number", "node_id"], ignore_index=True)


def _routed(options: pd.DataFrame, capacity_units: dict[str, float], rules: RoutingRules) -> NDArray[np.int64]:
    """Units of every option."""
    line = options.groupby(["order_id", "line_number"], sort=False).ngroup().to_numpy()
    order, place = pd.factorize(options["order_id"])[0], pd.factorize(pd.MultiIndex.from_frame(options[["sku_id", "node_id"]]))[0]
    node = pd.factorize(options["node_id"])[0]
    asked, have = options["open_units"].to_numpy(dtype=np.int64), options["available_units"].to_numpy(dtype=np.int64)
    room = options["node_id"].map(capacity_units).fillna(np.inf).to_numpy(dtype=float)
    cost, may = options["cost_per_unit"].to_numpy(), options["may"].to_numpy(dtype=bool)
    rank = np.lexsort((options["node_id"].to_numpy(), np.where(may, cost, np.inf), line))
    first = rank[np.r_[True, line[rank][1:] != line[rank][:-1]]]  # cheapest option of each line
    fits = may[first] & (have[first] >= asked[first])
    alone = np.zeros(order.max() + 1, bool)
    chosen_node = pd.Series(node[first]).groupby(order[first])
    alone[chosen_node.nunique().index] = (chosen_node.nunique() == 1) & pd.Series(fits).groupby(order[first]).all()
    units = np.zeros(len(options), np.int64)
    while True:  # who is alone joins the others wherever all together might want more than there is
        simple = alone[order[first]]
        units[:] = 0
        units[first[simple]] = asked[first[simple]]
        joint = ~alone[order]
        wanted = np.where(joint & may, np.minimum(asked, have), 0)
        taken, hoped = (np.bincount(place, weights=w, minlength=place.max() + 1)[place] for w in (units, wanted))
        sent, crowd = (np.bincount(node, weights=w, minlength=node.max() + 1)[node] for w in (units, wanted))
        short = ((taken + hoped > have) | (sent + crowd > room)) & (units > 0)
        if not short.any():
            break
        alone[np.unique(order[short])] = False
    if joint.any():
        units[joint] = _programme(
            options[joint], line[joint], order[joint], place[joint], node[joint], (have - taken)[joint], (room - sent)[joint], rules
        )
    return units


def _programme(
    options: pd.DataFrame, line: NDArray, order: NDArray, place: NDArray, node: NDArray, have: NDArray, room: NDArray, rules: RoutingRules
) -> NDArray[np.int64]:  # fmt: skip
    """Best units of some options together; what cannot be filled costs more than any way to fill it."""
    line, order, place, node = (np.unique(codes, return_inverse=True)[1] for codes in (line, order, place, node))
    asked, may, cost = options["open_units"].to_numpy(dtype=float), options["may"].to_numpy(), options["cost_per_unit"].to_numpy()
    n, n_lines = len(options), int(line.max()) + 1
    ship, shipment = np.unique(order.astype(np.int64) * (int(node.max()) + 1) + node, return_inverse=True)
    never = 1.0 + 2.0 * float(np.abs(cost).max()) + rules.split_cost
    of_order = np.unique(ship // (int(node.max()) + 1), return_inverse=True)[1]
    n_orders = int(of_order.max()) + 1
    objective = np.r_[
        cost, np.full(len(ship), rules.split_cost), np.full(n_lines, never), np.full(n_orders, -rules.split_cost)
    ]  # the first is free
    lines_asked = np.zeros(n_lines)
    lines_asked[line] = asked
    upper = np.r_[np.where(may, asked, 0.0), np.ones(len(ship)), lines_asked, np.ones(n_orders)]
    at = np.arange(n)
    blocks, low, high, base = [], [], [], 0

    def add(rows: NDArray, columns: NDArray, values: NDArray, count: int, least: NDArray, most: NDArray) -> None:
        nonlocal base
        blocks.append((rows + base, columns, values))
        low.append(least)
        high.append(most)
        base += count

    add(
        np.r_[line, np.arange(n_lines)],
        np.r_[at, n + len(ship) + np.arange(n_lines)],
        np.ones(n + n_lines),
        n_lines,
        lines_asked,
        lines_asked,
    )
    add(np.r_[at, at], np.r_[at, n + shipment], np.r_[np.ones(n), -asked], n, np.full(n, -np.inf), np.zeros(n))
    rebate = n + len(ship) + n_lines
    add(
        np.r_[np.arange(n_orders), of_order], np.r_[rebate + np.arange(n_orders), n + np.arange(len(ship))],
        np.r_[np.ones(n_orders), -np.ones(len(ship))], n_orders, np.full(n_orders, -np.inf), np.zeros(n_orders),
    )  # fmt: skip
    for codes, limit in ((place, have), (node, room)):
        count = int(codes.max()) + 1
        most = np.full(count, np.inf)
        most[codes] = np.maximum(limit, 0)
        add(codes, at, np.ones(n), count, np.full(count, -np.inf), most)
    rows, columns, values = (np.concatenate([block[i] for block in blocks]) for i in range(3))
    matrix = coo_array((values, (rows, columns)), shape=(base, len(objective))).tocsr()
    found = milp(
        objective, integrality=np.r_[np.ones(n + len(ship)), np.zeros(n_lines + n_orders)], bounds=Bounds(0, upper),
        constraints=LinearConstraint(matrix, np.concatenate(low), np.concatenate(high)), options={"node_limit": rules.node_limit, "mip_rel_gap": 1e-9},
    )  # fmt: skip
    return np.rint(found.x[:n]).astype(np.int64) if found.x is not None else np.zeros(n, np.int64)


def _told(rows: pd.DataFrame, capacity_units: dict[str, float], as_of_date: pd.Timestamp) -> pd.DataFrame:
    """Chosen nodes, and for every other one why it lost."""
    line = [rows["order_id"], rows["line_number"]]
    routed = rows["routed_units"]
    chosen_cost = (rows["cost_per_unit"] * routed).groupby(line).transform("sum") / routed.groupby(line).transform("sum").clip(lower=1)
    filled = routed.groupby(line).transform("sum")
    taken = routed.groupby([rows["sku_id"], rows["node_id"]]).transform("sum")
    sent = routed.groupby(rows["node_id"]).transform("sum")
    full = sent >= rows["node_id"].map(capacity_units).fillna(np.inf)
    reason = np.select(
        [routed > 0, rows["available_units"] <= 0, ~rows["may"], (filled >= rows["open_units"]) & (rows["cost_per_unit"] > chosen_cost),
         taken >= rows["available_units"], full, filled == 0],
        ["", "no_stock", "too_late", "dearer", "promised_to_others", "full", "promised_to_others"],
        "would_split",
    )  # fmt: skip
    return rows.assign(
        as_of_date=as_of_date,
        lost_reason=np.where(reason == "", None, reason),
        unfilled_units=(rows["open_units"] - filled).astype(int),
        route_cost_per_unit=rows["cost_per_unit"].round(6),
    )
