"""What one more or one less unit is worth at a node: the table that transfers, routing and replenishment share.

Belongs here: value per SKU-node from sampled demand. Does not: who gets the unit (`transfers.py`).

Notes
-----
With x units in position and demand D over the node's horizon, a unit is worth

    v(x) = (margin + penalty) * P(D > x) - holding * P(D <= x),

which falls in x. A unit that arrives at day L sells only to demand after L, so the k-th received unit sells on a path
when E >= k, E = D(L, H] - max(0, x - D(0, L]), and the k-th unit given away was idle on a path when G >= k,
G = max(0, x - D(0, H]).

What is not sent today can be sent at the next opportunity, which arrives at day M, by one who has seen more of the demand. With U what would
sell by M (E with M in place of H), c what it costs to bring a unit then and b = margin + penalty, sending the k-th unit today instead of
deciding later is worth

    b P(U >= k) + c P(U < k <= E) - holding P(E < k):

the sale that waiting would lose, and the freight that it would not save. It falls in k because c <= b; without a next opportunity it is
b P(E >= k) - holding P(E < k).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planning.lead_time_demand import LeadTimeDemand

DAYS_PER_YEAR = 365.0


@dataclass(frozen=True)
class MarginalValues:
    """Value of units at every SKU-node.

    Parameters
    ----------
    sellable_units : ndarray of int32, shape (n_rows, n_paths)
        Ascending; extra units that would still sell if they arrived.
    urgent_units : ndarray of int32, shape (n_rows, n_paths)
        Ascending; those of them that would sell before what is sent at the next opportunity arrives.
    surplus_units : ndarray of int32, shape (n_rows, n_paths)
        Ascending; units that would stand idle at the end of the horizon.
    shortage_cost_per_unit : ndarray of shape (n_rows,)
        Margin plus penalty of a unit asked for and not there.
    later_value_per_unit : ndarray of shape (n_rows,)
        Of a unit that would sell, but not before one sent later arrives: what it costs to send it then, at most the shortage cost.
    holding_cost_per_unit : ndarray of shape (n_rows,)
        Carrying a unit through the horizon.
    """

    sellable_units: NDArray[np.int32]
    urgent_units: NDArray[np.int32]
    surplus_units: NDArray[np.int32]
    shortage_cost_per_unit: NDArray[np.float64]
    later_value_per_unit: NDArray[np.float64]
    holding_cost_per_unit: NDArray[np.float64]


def marginal_values(
    *,
    demand: LeadTimeDemand,
    position_units: NDArray[np.int64],
    unit_price: NDArray[np.float64],
    unit_cost: NDArray[np.float64],
    penalty_cost_per_unit: NDArray[np.float64],
    holding_cost_rate_per_year: NDArray[np.float64],
    later_cost_per_unit: NDArray[np.float64],
) -> MarginalValues:
    """Tabulate v(x) around the current position of every SKU-node.

    Parameters
    ----------
    demand : LeadTimeDemand
    position_units : ndarray of int, shape (n_rows,)
        On hand minus reserved plus committed inbound within the horizon.
    unit_price, unit_cost, penalty_cost_per_unit, holding_cost_rate_per_year : ndarray of shape (n_rows,)
    later_cost_per_unit : ndarray of shape (n_rows,)
        Of bringing a unit at the next opportunity, by the cheapest way; infinity where there is none.

    Returns
    -------
    MarginalValues
    """
    position = np.maximum(position_units, 0).astype(np.int32)[:, None]
    after_arrival = demand.horizon_units - demand.before_arrival_units
    left_at_arrival = np.maximum(position - demand.before_arrival_units, 0)
    sellable = np.sort(np.maximum(after_arrival - left_at_arrival, 0), axis=1)
    urgent = np.sort(np.maximum(demand.before_next_units - demand.before_arrival_units - left_at_arrival, 0), axis=1)
    surplus = np.sort(np.maximum(position - demand.horizon_units, 0), axis=1)
    holding = holding_cost_rate_per_year * unit_cost * demand.protection_days / DAYS_PER_YEAR
    shortage = np.maximum(unit_price - unit_cost, 0.0) + penalty_cost_per_unit
    return MarginalValues(sellable, urgent, surplus, shortage, np.minimum(later_cost_per_unit, shortage), holding)


def stockout_probability(*, demand: LeadTimeDemand, position_units: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of paths on which demand over the horizon exceeds the position, shape (n_rows,)."""
    return np.mean(demand.horizon_units > np.asarray(position_units)[:, None], axis=1)
