"""Which sites to open and whom each serves, as a mixed-integer programme on HiGHS.

Belongs here: the model and its solution. Does not: where costs come from and what is compared (`network_design.py`).

Notes
-----
min sum_i f_i y_i + sum_ij c_ij x_ij + sum_i g_i(v_i), v_i = sum_j d_j x_ij, over sites i and customers j, with sum_i x_ij = 1, x_ij <= y_i (the strong
form, of which the rows that bind are found first), v_i <= u_i y_i. g_i(v) = a_i sqrt(v) is what pooling leaves of safety stock: concave, so each open site picks one of a few tangents, and the
least of them is never below the curve nor more than a percent or so above it.

References
----------
Snyder & Shen, *Fundamentals of Supply Chain Theory*, ch. 8.2-8.3. Daskin et al. (2002) on location with risk pooling.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from planning.errors import InfeasiblePlanError, PlanningError, SolverError

_MOST_ROUNDS = 40
_TANGENTS = (0.02, 0.06, 0.15, 0.35, 0.75)  # of the whole demand, where the square root is touched


@dataclass(frozen=True)
class Sites:
    """Sites, customers, and what serving costs.

    Parameters
    ----------
    fixed_cost : ndarray of shape (n_sites,)
    service_cost : ndarray of shape (n_sites, n_customers)
        Of serving a customer's whole demand; infinity where the site may not.
    demand : ndarray of shape (n_customers,)
    capacity : ndarray of shape (n_sites,)
        In units of demand; infinity for no limit.
    pooled_cost : ndarray of shape (n_sites,), or None
        a_i of a_i sqrt(v_i).
    needs : list of (int, int)
        Sites that can only be open when another is: (site, the other).
    customer_names : tuple of str
        For messages; numbers without.
    """

    fixed_cost: NDArray[np.float64]
    service_cost: NDArray[np.float64]
    demand: NDArray[np.float64]
    capacity: NDArray[np.float64]
    pooled_cost: NDArray[np.float64] | None = None
    needs: list[tuple[int, int]] = field(default_factory=list)
    customer_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Siting:
    """Open sites and who serves whom.

    Parameters
    ----------
    is_open : ndarray of bool, shape (n_sites,)
    share : ndarray of shape (n_sites, n_customers)
        Share of each customer's demand; columns sum to 1.
    cost, bound : float
        Cost of the plan (with the square root itself, not its tangents) and the least that any plan could cost.
    """

    is_open: NDArray[np.bool_]
    share: NDArray[np.float64]
    cost: float
    bound: float


def locate(
    sites: Sites,
    *,
    open_count: int | None = None,
    is_open: NDArray[np.float64] | None = None,
    is_single_source: bool = False,
    time_limit_seconds: float = 120.0,
) -> Siting:
    """Sites to open at least cost.

    Parameters
    ----------
    sites : Sites
    open_count : int or None
        How many to open; None leaves it to the costs.
    is_open : ndarray of shape (n_sites,) or None
        1 stays open, 0 stays closed, NaN is free.
    is_single_source : bool
        Each customer is served by one site.
    time_limit_seconds : float
        Of HiGHS; the best plan so far is returned with its bound.

    Raises
    ------
    PlanningError
        Missing or negative numbers, or shapes that do not fit.
    InfeasiblePlanError
        Nobody may serve a customer, or capacity is short; the message says whom and by how much.
    SolverError
        HiGHS found no plan in time.
    """
    _refuse(sites, open_count)
    n, m = sites.service_cost.shape
    model = _Model(sites, is_single_source)
    low, high = np.zeros(model.size), np.ones(model.size)
    high[model.flow] = np.inf
    high[model.serve] = np.where(np.isfinite(sites.service_cost), 1.0, 0.0).ravel()
    if is_open is not None:
        fixed = ~np.isnan(is_open)
        low[:n][fixed] = high[:n][fixed] = is_open[fixed]
    rows = model.constraints()
    if open_count is not None:
        rows.append(
            LinearConstraint(csr_array((np.ones(n), (np.zeros(n, int), np.arange(n))), shape=(1, model.size)), open_count, open_count)
        )
    strong = model.strong_cuts(rows, low, high)
    rows.append(LinearConstraint(model.strong_rows(strong), -np.inf, 0))
    found = milp(
        model.cost,
        constraints=rows,
        bounds=Bounds(low, high),
        integrality=model.integrality,
        options={"time_limit": time_limit_seconds, "mip_rel_gap": 1e-7},
    )
    if found.status == 2:
        raise InfeasiblePlanError(_why_infeasible(sites, open_count))
    if found.x is None:
        raise SolverError(f"network design: HiGHS found no plan in {time_limit_seconds:g} s ({found.message}); raise the time limit")
    share = found.x[model.serve].reshape(n, m)
    opened = found.x[:n] > 0.5
    service = np.where(np.isfinite(sites.service_cost), sites.service_cost, 0.0)
    pooled = 0.0 if sites.pooled_cost is None else float(sites.pooled_cost @ np.sqrt(np.maximum(share @ sites.demand, 0.0)))
    cost = float(sites.fixed_cost @ opened + np.sum(service * share)) + pooled
    return Siting(opened, share, cost, float(found.mip_dual_bound if found.mip_dual_bound is not None else found.fun))


def _refuse(sites: Sites, open_count: int | None) -> None:
    n, m = sites.service_cost.shape
    if sites.fixed_cost.shape != (n,) or sites.capacity.shape != (n,) or sites.demand.shape != (m,):
        raise PlanningError("network design: fixed_cost and capacity need one value a site, demand one a customer")
    for name, values in (
        ("fixed_cost", sites.fixed_cost),
        ("demand", sites.demand),
        ("capacity", sites.capacity),
        ("service_cost", sites.service_cost),
    ):
        if np.any(np.isnan(values)) or np.any(values < 0):
            raise PlanningError(
                f"network design: {name} is missing or negative at {int(np.sum(~(values >= 0)))} places; complete the nodes, lanes and zones"
            )
    alone = np.flatnonzero(~np.isfinite(sites.service_cost).any(axis=0) & (sites.demand > 0))
    if len(alone):
        named = ", ".join(sites.customer_names[i] if sites.customer_names else str(i) for i in alone[:5])
        raise InfeasiblePlanError(
            f"network design: no site may serve {len(alone)} customers ({named}); add a zone or lengthen the delivery promise"
        )
    if open_count is not None and not 1 <= open_count <= n:
        raise PlanningError(f"network design: {open_count} sites to open of {n}")


def _why_infeasible(sites: Sites, open_count: int | None) -> str:
    said = "network design: no set of sites serves everybody"
    if open_count is not None:
        said += f" with {open_count} of {len(sites.fixed_cost)} open"
    if sites.capacity.sum() < sites.demand.sum():
        return f"{said}: all together hold {sites.capacity.sum():g} for a demand of {sites.demand.sum():g}; raise outbound_units_per_day"
    return f"{said}: zones, lanes, capacity and the nodes that others hang on leave none; open more, or lengthen the delivery promise"


class _Model:
    """Columns: open (n), serve (n x m), and with pooling for every site and tangent: picked (n x k), units on it (n x k)."""

    def __init__(self, sites: Sites, is_single_source: bool) -> None:
        self.sites = sites
        n, m = sites.service_cost.shape
        self.n, self.m, self.k = n, m, 0 if sites.pooled_cost is None else len(_TANGENTS)
        self.serve = slice(n, n + n * m)
        self.picked = slice(n + n * m, n + n * m + n * self.k)
        self.flow = slice(self.picked.stop, self.picked.stop + n * self.k)
        self.size = self.flow.stop
        service = np.where(np.isfinite(sites.service_cost), sites.service_cost, 0.0).ravel()
        parts = [sites.fixed_cost, service]
        if self.k:
            touch = np.array(_TANGENTS) * sites.demand.sum()
            root = np.sqrt(touch)
            parts += [np.outer(sites.pooled_cost, root / 2).ravel(), np.outer(sites.pooled_cost, 0.5 / root).ravel()]
        self.cost = np.concatenate(parts)
        self.integrality = np.zeros(self.size)
        self.integrality[:n] = 1
        self.integrality[self.picked] = 1
        if is_single_source:
            self.integrality[self.serve] = 1

    def _rows(self, count: int, entries: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]]) -> csr_array:
        row, column, value = (np.concatenate([np.broadcast_to(e[i], e[0].shape) for e in entries]) for i in range(3))
        return csr_array((value, (row, column)), shape=(count, self.size))

    def strong_rows(self, cells: NDArray[np.int64]) -> csr_array:
        """x_ij <= y_i for some cells (site * m + customer)."""
        number, one = np.arange(len(cells)), np.ones(len(cells))
        return self._rows(len(cells), [(number, self.n + cells, one), (number, cells // self.m, -one)])

    def strong_cuts(self, rows: list[LinearConstraint], low: NDArray[np.float64], high: NDArray[np.float64]) -> NDArray[np.int64]:
        """Cells whose x_ij <= y_i the linear relaxation would break: with them it is as tight as with all, and a tenth of the size."""
        cells = np.zeros(0, np.int64)
        for _ in range(_MOST_ROUNDS):
            held = [*rows, LinearConstraint(self.strong_rows(cells), -np.inf, 0)] if len(cells) else rows
            relaxed = milp(self.cost, constraints=held, bounds=Bounds(low, high))
            if relaxed.x is None:
                break  # the programme itself says what is wrong
            share, opened = relaxed.x[self.serve].reshape(self.n, self.m), relaxed.x[: self.n]
            broken = np.flatnonzero((share > opened[:, None] + 1e-6).ravel())
            if not len(broken):
                break
            cells = np.union1d(cells, broken)
        return cells

    def constraints(self) -> list[LinearConstraint]:
        """Everybody is served, by open sites, within capacity; sites have what they need; each open site is on one tangent."""
        n, m, k, s = self.n, self.m, self.k, self.sites
        site, customer = (x.ravel() for x in np.meshgrid(np.arange(n), np.arange(m), indexing="ij"))
        serve = n + np.arange(n * m)
        one = np.ones(n * m)
        rows = [LinearConstraint(self._rows(m, [(customer, serve, one)]), 1, 1)]
        at_most = [self._rows(n, [(site, serve, one), (np.arange(n), np.arange(n), np.full(n, -float(m)))])]
        limited = np.flatnonzero(np.isfinite(s.capacity))
        if len(limited):
            number = np.full(n, -1)
            number[limited] = np.arange(len(limited))
            mine = number[site] >= 0
            at_most.append(
                self._rows(
                    len(limited),
                    [(number[site[mine]], serve[mine], s.demand[customer[mine]]), (np.arange(len(limited)), limited, -s.capacity[limited])],
                )
            )
        if s.needs:
            child, other = (np.array(x) for x in zip(*s.needs, strict=True))
            number = np.arange(len(child))
            at_most.append(self._rows(len(child), [(number, child, np.ones(len(child))), (number, other, -np.ones(len(child)))]))
        if k:
            of, cell = np.repeat(np.arange(n), k), np.arange(n * k)
            picked, flow, ones = self.picked.start + cell, self.flow.start + cell, np.ones(n * k)
            at_most.append(self._rows(n * k, [(cell, flow, ones), (cell, picked, -s.demand.sum() * ones)]))
            rows.append(LinearConstraint(self._rows(n, [(of, picked, ones), (np.arange(n), np.arange(n), -np.ones(n))]), 0, 0))
            rows.append(LinearConstraint(self._rows(n, [(of, flow, ones), (site, serve, -s.demand[customer])]), 0, 0))
        rows.append(LinearConstraint(vstack(at_most), -np.inf, 0))
        return rows
