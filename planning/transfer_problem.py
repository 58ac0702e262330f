"""One day's transfer problem as arrays, its flows, and what they are worth.

Belongs here: solving SKUs at given prices within given limits, and adding up. Does not: finding the prices (`shared_limits.py`).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planning import flow_arrays, min_cost_flow
from planning.flow_arrays import UNLIMITED, Arcs, Curves, Limits, Lines, Rows


@dataclass(frozen=True)
class TransferProblem:
    """What may move, what it is worth and what SKUs share.

    Parameters
    ----------
    rows : Rows
    curves : Curves
    arcs : Arcs
    capacity_units, fixed_cost, min_units : ndarray of shape (n_arcs,)
        Of a departure; infinity is no limit.
    out_units, into_units : ndarray of shape (n_nodes,)
        What a node can send and take in; infinity is no limit.
    blocked : ndarray of int, shape (n,)
        Pairs that may not be used, sorted: SKU number x number of arcs + arc.
    """

    rows: Rows
    curves: Curves
    arcs: Arcs
    capacity_units: NDArray[np.float64]
    fixed_cost: NDArray[np.float64]
    min_units: NDArray[np.float64]
    out_units: NDArray[np.float64]
    into_units: NDArray[np.float64]
    blocked: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))

    @property
    def n_skus(self) -> int:
        """Number of SKUs."""
        return len(self.rows.start) - 1

    def limits(self, closed: NDArray[np.bool_] | None = None) -> Limits:
        """Whole units that arcs and nodes can carry; nothing on closed arcs. Fresh arrays, which a solver may change."""
        arc = _whole(self.capacity_units)
        if closed is not None:
            arc[closed] = 0
        return Limits(arc, _whole(self.out_units), _whole(self.into_units), self.blocked)

    def at_nodes(self, load: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What nodes send and take in when arcs carry so much; shape (n_nodes,) each."""
        n_nodes = len(self.out_units)
        sent = np.bincount(self.arcs.origin, weights=load, minlength=n_nodes)
        return sent, np.bincount(self.arcs.destination, weights=load, minlength=n_nodes)

    def arc_price(self, arc: NDArray[np.float64], out: NDArray[np.float64], into: NDArray[np.float64]) -> NDArray[np.float64]:
        """Price of a unit on each arc: its own, and those of its two nodes."""
        return arc + out[self.arcs.origin] + into[self.arcs.destination]


@dataclass(frozen=True)
class Flows:
    """Lines in order of SKU.

    Parameters
    ----------
    sku, arc, row, destination, units : ndarray of int, shape (n_lines,)
        ``row`` and ``destination`` number the SKU-nodes at both ends.
    """

    sku: NDArray[np.int64]
    arc: NDArray[np.int64]
    row: NDArray[np.int64]
    destination: NDArray[np.int64]
    units: NDArray[np.int64]

    def __len__(self) -> int:
        """Number of lines."""
        return len(self.units)

    def of(self, kept: NDArray[np.bool_]) -> "Flows":
        """Some of the lines."""
        return Flows(self.sku[kept], self.arc[kept], self.row[kept], self.destination[kept], self.units[kept])

    def with_skus(self, other: "Flows", skus: NDArray[np.int64], n_skus: int) -> "Flows":
        """The lines of ``other`` for some SKUs, and these for the rest."""
        replaced = np.zeros(n_skus, bool)
        replaced[skus] = True
        mine = self.of(~replaced[self.sku])
        names = ("sku", "arc", "row", "destination", "units")
        both = [np.concatenate([getattr(mine, name), getattr(other, name)]) for name in names]
        order = np.lexsort((both[1], both[0]))
        return Flows(*(values[order] for values in both))

    def load(self, n_arcs: int) -> NDArray[np.float64]:
        """Units on each arc."""
        return np.bincount(self.arc, weights=self.units, minlength=n_arcs)


def _whole(units: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.where(np.isinf(units), UNLIMITED, np.floor(np.minimum(units, UNLIMITED))).astype(np.int64)


def no_lines(problem: TransferProblem) -> tuple[Lines, int]:
    """Empty places for every SKU, and how many each has."""
    places = 2 * int(np.diff(problem.rows.start).max(initial=1)) + 8
    return _places(problem.n_skus, problem.n_skus, places), places


def _places(n_skus: int, n_blocks: int, places: int) -> Lines:
    arrays = (np.zeros(n_blocks * places, np.int64) for _ in range(4))
    return Lines(np.zeros(n_skus, np.int64), *arrays, np.zeros(n_skus))


def solve_apart(
    problem: TransferProblem, skus: NDArray[np.int64], price: NDArray[np.float64], limits: Limits
) -> tuple[Flows, NDArray[np.float64]]:
    """Best lines of some SKUs, each as if the limits were its own, and the bound of each; shape (len(skus),)."""
    places = 2 * int(np.diff(problem.rows.start).max(initial=1)) + 8
    while True:
        lines = _places(problem.n_skus, len(skus), places)
        min_cost_flow.solve_apart(skus, problem.rows, problem.curves, problem.arcs, price, limits, places, lines)
        most = int(lines.count[skus].max(initial=0))
        if most <= places:
            return gather(problem, lines, skus, np.arange(len(skus)), places), lines.bound[skus]
        places = most


def gather(problem: TransferProblem, lines: Lines, skus: NDArray[np.int64], block: NDArray[np.int64], places: int) -> Flows:
    """Filled places of some SKUs as flows."""
    filled = np.arange(places)[None, :] < lines.count[skus][:, None]
    at = (block[:, None] * places + np.arange(places))[filled]
    sku = np.broadcast_to(skus[:, None], filled.shape)[filled]
    units = lines.cases[at] * problem.rows.pack[lines.row[at]]
    order = np.lexsort((lines.arc[at], sku))
    return Flows(*(values[order] for values in (sku, lines.arc[at], lines.row[at], lines.destination[at], units)))


@dataclass(frozen=True)
class Worth:
    """Money of a set of flows.

    Parameters
    ----------
    gain, cost : ndarray of shape (n_lines,)
        Value won at the destination less value lost at the origin, each shared by the lines of the row; freight, weight, handling and carrying.
    fixed : float
        Departures that carry anything.
    """

    gain: NDArray[np.float64]
    cost: NDArray[np.float64]
    fixed: float

    @property
    def total(self) -> float:
        """Gain less all costs."""
        return float(np.sum(self.gain) - np.sum(self.cost) - self.fixed)


def worth(problem: TransferProblem, flows: Flows) -> Worth:
    """What flows gain and cost."""
    n_rows = len(problem.rows.node)
    given = np.bincount(flows.row, weights=flows.units, minlength=n_rows).astype(np.int64)
    received = np.bincount(flows.destination, weights=flows.units, minlength=n_rows).astype(np.int64)
    arrival = np.zeros(n_rows, np.int64)
    np.maximum.at(arrival, flows.destination, problem.arcs.arrival_class[flows.arc])
    lost, won = flow_arrays.total_values(given, received, arrival, problem.curves)
    gain = won[flows.destination] * flows.units / np.maximum(received[flows.destination], 1) - lost[flows.row] * flows.units / np.maximum(
        given[flows.row], 1
    )
    a = problem.arcs
    per_unit = (
        a.cost_per_unit[flows.arc]
        + a.cost_per_kg[flows.arc] * problem.rows.weight_kg[flows.row]
        + a.carry_days[flows.arc] * problem.rows.carry_cost_per_unit_day[flows.row]
    )
    return Worth(gain, per_unit * flows.units, float(problem.fixed_cost[flows.load(len(a.origin)) > 0].sum()))
