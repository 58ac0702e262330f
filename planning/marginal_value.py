"""What one more or one less unit is worth at a node: the table that transfers, routing and replenishment share.

Belongs here: value per SKU-node from sampled demand. Does not: who gets the unit (`transfers.py`).

Notes
-----
With x units in position and demand D over the node's horizon, a unit is worth

    v(x) = (margin + penalty) * P(D > x) - holding * P(D <= x),

which falls in x. A unit for sale from the morning after day L on sells to demand after L, so the k-th received unit sells on a path
when E >= k, E = D(L, H] - max(0, x - D(0, L]), and the k-th unit given away was idle on a path when G >= k,
G = max(0, x - D(0, H]).

What is not sent today can be sent at the next opportunity, which arrives at day M, by one who has seen more of the demand. With U what would
sell by M (E with M in place of H), c what it costs to bring a unit then, with its share of a departure that has to be paid then as well, and b the
margin and penalty, or the cost of a faster way that would still be in time if that is less, sending the k-th unit today instead of deciding later is
worth

    b P(U >= k) + (c - holding) P(U < k <= E) - holding P(E < k):

the sale that waiting would lose, and the freight that it would not save; the holding that the origin saves on a unit idle there it would save by
waiting as well. It falls in k because c <= b + holding; without a next opportunity it is b P(E >= k) - holding P(E < k). L and M belong to the lane, so
there is a curve for each day on which something can arrive at the node.

A unit that is idle at the end of the horizon costs its holding, and its share of what the SKU loses until its season ends.

A parent that runs short before its own supply cannot replace what its children give away. So on the paths on which it does, D goes on to the end of
the parent's horizon: of the units idle at H, those that sell by then are missed when they are gone (as far as the parent has no stock to spare), and
one more unit sells, here or at a sibling for which the parent then has one (as far as the parent is short). A unit that moves between two children
of a short parent gains nothing: it sells either way.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.flow_arrays import Curves
from planning.frames import MARGINAL_VALUES
from planning.lead_time_demand import LeadTimeDemand
from planning.transfer_lanes import TransferLanes, ways_in

DAYS_PER_YEAR = 365.0
_PRICED = ("unit_price", "unit_cost", "penalty_cost_per_unit", "holding_cost_rate_per_year", "remaining_season_days")


@dataclass(frozen=True)
class MarginalValues:
    """Value of units at every SKU-node.

    Parameters
    ----------
    sellable_units : ndarray of int32, shape (n_rows, n_classes, n_paths)
        Ascending; extra units that would still sell if they arrived, by class of arrival.
    urgent_units : ndarray of int32, shape (n_rows, n_classes, n_paths)
        Ascending; those of them that would sell before what is sent at the next opportunity arrives.
    surplus_units : ndarray of int32, shape (n_rows, n_paths)
        Ascending; units that would stand idle, and that no parent who runs short would have to replace.
    shortage_cost_per_unit : ndarray of shape (n_rows,)
        Margin plus penalty of a unit asked for and not there.
    later_value_per_unit : ndarray of shape (n_rows,)
        Of a unit that would sell, but not before one sent later arrives: what it costs to send it then, at most the sale, less the holding that
        its origin saves either way.
    holding_cost_per_unit : ndarray of shape (n_rows,)
        Carrying a unit through the horizon, with its ageing.
    urgent_value_per_unit : ndarray of shape (n_rows, n_classes)
        Of a unit that would sell before one sent later arrives: the shortage cost, or what a faster way costs that would still be in time.
    """

    sellable_units: NDArray[np.int32]
    urgent_units: NDArray[np.int32]
    surplus_units: NDArray[np.int32]
    shortage_cost_per_unit: NDArray[np.float64]
    later_value_per_unit: NDArray[np.float64]
    holding_cost_per_unit: NDArray[np.float64]
    urgent_value_per_unit: NDArray[np.float64]

    @property
    def curves(self) -> Curves:
        """The same, as the solver takes it."""
        return Curves(
            self.surplus_units, self.sellable_units, self.urgent_units, self.shortage_cost_per_unit, self.later_value_per_unit,
            self.holding_cost_per_unit, self.urgent_value_per_unit,
        )  # fmt: skip


class PathUnits(NamedTuple):
    """What units more or less change on every path, ascending; see `MarginalValues`."""

    sellable: NDArray[np.int32]
    urgent: NDArray[np.int32]
    surplus: NDArray[np.int32]


def path_units(*, demand: LeadTimeDemand, position_units: NDArray[np.int64]) -> PathUnits:
    """Count them around the current position of every SKU-node.

    Parameters
    ----------
    demand : LeadTimeDemand
    position_units : ndarray of int, shape (n_rows,)
        On hand minus reserved plus committed inbound within the horizon.
    """
    position = np.maximum(position_units, 0).astype(np.int32)[:, None, None]
    after_arrival = demand.horizon_units[:, None, :] - demand.before_arrival_units
    left_at_arrival = np.maximum(position - demand.before_arrival_units, 0)
    surplus = np.maximum(position[:, 0] - demand.horizon_units, 0)
    used_later, missed_later = _until_the_parent_is_supplied(demand, position[:, 0], surplus)
    return PathUnits(
        sellable=np.sort(np.maximum(after_arrival - left_at_arrival, 0) + missed_later[:, None], axis=2),
        urgent=np.sort(np.maximum(demand.before_next_units - demand.before_arrival_units - left_at_arrival, 0), axis=2),
        surplus=np.sort(surplus - used_later, axis=1),
    )


def marginal_values(
    *,
    units: PathUnits,
    unit_price: NDArray[np.float64],
    unit_cost: NDArray[np.float64],
    penalty_cost_per_unit: NDArray[np.float64],
    holding_cost_rate_per_year: NDArray[np.float64],
    holding_days: NDArray[np.float64],
    ageing_cost_per_unit: NDArray[np.float64],
    later_cost_per_unit: NDArray[np.float64],
    rescue_cost_per_unit: NDArray[np.float64],
) -> MarginalValues:
    """Price what units more or less change.

    Parameters
    ----------
    units : PathUnits
    unit_price, unit_cost, penalty_cost_per_unit, holding_cost_rate_per_year : ndarray of shape (n_rows,)
    holding_days : ndarray of shape (n_rows,)
        Days for which an idle unit is charged: the same for all rows of a SKU, or moving what is idle to a node of a shorter horizon would seem to gain.
    ageing_cost_per_unit : ndarray of shape (n_rows,)
        What a unit loses by standing idle through the horizon (`ageing_cost`).
    later_cost_per_unit : ndarray of shape (n_rows,)
        Of bringing a unit at the next opportunity, by the cheapest way; infinity where there is none.
    rescue_cost_per_unit : ndarray of shape (n_rows, n_classes)
        Of bringing it then by a way that is as early as what leaves now (`transfer_lanes.ways_in`).

    Returns
    -------
    MarginalValues
    """
    holding = holding_cost_rate_per_year * unit_cost * holding_days / DAYS_PER_YEAR + ageing_cost_per_unit
    shortage = np.maximum(unit_price - unit_cost, 0.0) + penalty_cost_per_unit
    later = np.minimum(later_cost_per_unit, shortage + holding) - holding
    rescued = np.minimum(rescue_cost_per_unit - holding[:, None], shortage[:, None])
    return MarginalValues(units.sellable, units.urgent, units.surplus, shortage, later, holding, np.maximum(rescued, later[:, None]))


def _until_the_parent_is_supplied(
    demand: LeadTimeDemand, position: NDArray[np.int32], surplus: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Idle units that sell before a parent that runs short is supplied, and sales that it will miss for want of one more unit here; by row and path."""
    up = demand.parent_row
    balance = np.where((up >= 0)[:, None], (position - demand.horizon_units)[up], 0)
    used = np.minimum(surplus, demand.after_horizon_units)
    missed = np.minimum(demand.after_horizon_units - used, np.maximum(-balance, 0))
    return np.maximum(used - np.maximum(balance, 0), 0), missed


def values_of_positions(
    *, positions: pd.DataFrame, demand: LeadTimeDemand, lanes: TransferLanes, liquidation_share: float
) -> MarginalValues:
    """The table of a morning: values of every row of the positions.

    Parameters
    ----------
    positions : DataFrame
        Frame `stock_positions`.
    demand : LeadTimeDemand
        Drawn for the rows of the positions and the arrival classes of the lanes.
    lanes : TransferLanes
    liquidation_share : float
        Of the unit cost: what a liquidator pays for what is left when its season ends.
    """
    column = {name: positions[name].to_numpy(dtype=float, na_value=np.nan) for name in _PRICED}
    units = path_units(
        demand=demand,
        position_units=(positions["on_hand_units"] - positions["reserved_units"] + positions["inbound_units"]).to_numpy(dtype=np.int64),
    )
    later, rescue = ways_in(
        positions=positions,
        lanes=lanes,
        wanted_units=units.sellable.mean(axis=2),
        idle_units=units.surplus.mean(axis=1),
        most_cost_per_unit=np.maximum(column["unit_price"] - column["unit_cost"], 0.0) + column["penalty_cost_per_unit"],
    )
    days = pd.Series(demand.protection_days).groupby(positions["sku_id"].to_numpy()).transform("min").to_numpy(dtype=float)
    return marginal_values(
        units=units,
        unit_price=column["unit_price"],
        unit_cost=column["unit_cost"],
        penalty_cost_per_unit=column["penalty_cost_per_unit"],
        holding_cost_rate_per_year=column["holding_cost_rate_per_year"],
        holding_days=days,
        ageing_cost_per_unit=ageing_cost(
            unit_cost=column["unit_cost"], liquidation_share=liquidation_share, holding_days=days,
            remaining_season_days=column["remaining_season_days"],
        ),
        later_cost_per_unit=later,
        rescue_cost_per_unit=rescue,
    )  # fmt: skip


def ageing_cost(
    *,
    unit_cost: NDArray[np.float64],
    liquidation_share: float,
    holding_days: NDArray[np.float64],
    remaining_season_days: NDArray[np.float64],
) -> NDArray[np.float64]:
    """What an idle unit loses within the horizon: its way from cost to what a liquidator pays, evenly over the days until the season ends.

    Parameters
    ----------
    unit_cost, holding_days : ndarray of shape (n_rows,)
    liquidation_share : float
        Of the unit cost: what a liquidator pays.
    remaining_season_days : ndarray of shape (n_rows,)
        NaN where the SKU has no last day of sale.

    Examples
    --------
    >>> ageing_cost(unit_cost=np.array([10.0] * 3), liquidation_share=0.3, holding_days=np.full(3, 7.0), remaining_season_days=np.array([14, 5, np.nan]))
    array([3.5, 7. , 0. ])
    """
    with np.errstate(divide="ignore"):
        share = np.minimum(holding_days / np.maximum(remaining_season_days, 0.0), 1.0)
    return np.where(np.isnan(remaining_season_days), 0.0, unit_cost * (1.0 - liquidation_share) * np.nan_to_num(share, nan=0.0))


def next_unit_values(*, positions: pd.DataFrame, values: MarginalValues, as_of_date: pd.Timestamp) -> pd.DataFrame:
    """Frame `plan.marginal_values`: the table read at today's position, for routing and for whoever asks what a unit is worth.

    Parameters
    ----------
    positions : DataFrame
        Frame `stock_positions`.
    values : MarginalValues
        Aligned with it.
    as_of_date : Timestamp
    """
    idle_here = (values.surplus_units > 0).mean(axis=1)
    sells, urgent = ((curve[:, 0] > 0).mean(axis=1) for curve in (values.sellable_units, values.urgent_units))
    shortage, idle, later = values.shortage_cost_per_unit, values.holding_cost_per_unit, values.later_value_per_unit
    received = later * sells - idle * (1.0 - sells) + (values.urgent_value_per_unit[:, 0] - later) * urgent
    available = (positions["on_hand_units"] - positions["reserved_units"]).clip(lower=0).to_numpy(dtype=np.int64)
    return MARGINAL_VALUES.check(
        pd.DataFrame(
            {
                "as_of_date": as_of_date,
                "sku_id": positions["sku_id"].to_numpy(),
                "node_id": positions["node_id"].to_numpy(),
                "available_units": available,
                "give_cost_per_unit": np.round(shortage * (1.0 - idle_here) - idle * idle_here, 6),
                "receive_gain_per_unit": np.round(received, 6),
                "shortage_cost_per_unit": np.round(shortage, 6),
                "idle_cost_per_unit": np.round(idle, 6),
            }
        )
    )


def stockout_probability(*, demand: LeadTimeDemand, position_units: NDArray[np.int64]) -> NDArray[np.float64]:
    """Share of paths on which demand over the horizon exceeds the position, shape (n_rows,)."""
    return np.mean(demand.horizon_units > np.asarray(position_units)[:, None], axis=1)
