"""What becomes of returned units: back on the shelf here, at a node where they are worth more, through the workshop, or out.

Belongs here: the choice for each SKU, node and condition. Does not: the value of a unit (`marginal_value.py`), other moves of the day (`transfers.py`).

Notes
-----
Saleable units already stand in the stock of the node that took them: keeping them is worth what giving them away would cost, sending them what
receiving them is worth elsewhere less the lane. A unit that does not sell within the horizon saves a purchase later: it keeps its unit cost, less
what holding it costs until the stock before it is sold. Units to refurbish are worth the best of all nodes less the work. Against all stands what
a liquidator pays.
"""

import numba
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planning.flow_arrays import give_cost, receive_value
from planning.frames import RETURN_DISPOSITIONS
from planning.marginal_value import DAYS_PER_YEAR, MarginalValues
from planning.transfer_lanes import cheapest_modes

SALEABLE, REFURBISH, SCRAP = "saleable", "refurbish", "scrap"


@numba.njit(cache=True)
def _worth(
    sellable: NDArray[np.int32], urgent: NDArray[np.int32], units: int, urgent_value: float, later: float, holding: float, kept: float
) -> float:
    """Value of one of so many units received."""
    sold = receive_value(sellable, urgent, 0, units, 1.0, 1.0, 0.0) / units
    return receive_value(sellable, urgent, 0, units, urgent_value, later, holding) / units + (1.0 - sold) * kept


@numba.njit(cache=True)
def _best_elsewhere(
    row: NDArray[np.int64], units: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64], lane_cost: NDArray[np.float64],
    sellable: NDArray[np.int32], urgent: NDArray[np.int32], surplus: NDArray[np.int32], shortage: NDArray[np.float64],
    urgent_value: NDArray[np.float64], later: NDArray[np.float64], holding: NDArray[np.float64], kept: NDArray[np.float64], here: NDArray[np.float64], received: NDArray[np.float64],
    best: NDArray[np.float64], at: NDArray[np.int64],
) -> None:  # fmt: skip
    """Value of a unit where it is (kept, and received anew), and at the best other row of its SKU; -1 where no lane leads on."""
    for i in range(row.size):
        r, u = row[i], units[i]
        sold = give_cost(surplus[r], 0, u, 1.0, 0.0) / u
        here[i] = give_cost(surplus[r], 0, u, shortage[r], holding[r]) / u + (1.0 - sold) * kept[r]
        received[i] = _worth(sellable[r], urgent[r], u, urgent_value[r], later[r], holding[r], kept[r])
        best[i], at[i] = -np.inf, -1
        for other in range(first[i], last[i]):
            cost = lane_cost[i, other - first[i]]
            if other == r or not np.isfinite(cost):
                continue
            value = _worth(sellable[other], urgent[other], u, urgent_value[other], later[other], holding[other], kept[other]) - cost
            if value > best[i]:
                best[i], at[i] = value, other


def return_dispositions(
    *,
    returned: pd.DataFrame,
    positions: pd.DataFrame,
    values: MarginalValues,
    units_per_day: NDArray[np.float64],
    lanes: pd.DataFrame,
    as_of_date: pd.Timestamp,
    refurbish_cost_share: float,
    liquidation_share: float,
) -> pd.DataFrame:
    """Disposition of the day's returns.

    Parameters
    ----------
    returned : DataFrame
        sku_id, node_id, condition, returned_units > 0; SKU-nodes that the positions lack get no line: nobody knows what is there.
    positions : DataFrame
        Frame `stock_positions`, rows of a SKU together.
    values : MarginalValues
        Aligned with ``positions``.
    units_per_day : ndarray of shape (n_rows,)
        Expected demand of each row and those it replenishes.
    lanes : DataFrame
        Frame `open_lanes`.
    as_of_date : Timestamp
    refurbish_cost_share, liquidation_share : float
        Cost of the work, and what a liquidator pays, as shares of the unit cost.

    Returns
    -------
    DataFrame
        Frame `plan.return_dispositions`.
    """
    keyed = positions.reset_index(drop=True).reset_index(names="row")
    rows = returned.merge(keyed[["sku_id", "node_id", "row", "unit_cost"]], on=["sku_id", "node_id"], how="inner")
    if rows.empty:
        return RETURN_DISPOSITIONS.check(pd.DataFrame(columns=list(RETURN_DISPOSITIONS.fields)))
    row = rows["row"].to_numpy(dtype=np.int64)
    units = rows["returned_units"].to_numpy(dtype=np.int64)
    bounds = keyed.groupby("sku_id", sort=False)["row"].agg(["min", "max"]).loc[rows["sku_id"]]
    first, last = bounds["min"].to_numpy(dtype=np.int64), bounds["max"].to_numpy(dtype=np.int64) + 1
    here, received, best = (np.zeros(len(rows)) for _ in range(3))
    at = np.zeros(len(rows), np.int64)
    v = values
    _best_elsewhere(
        row, units, first, last, _lane_costs(positions, lanes, row, first, last), np.ascontiguousarray(v.sellable_units[:, 0]),
        np.ascontiguousarray(v.urgent_units[:, 0]), v.surplus_units, v.shortage_cost_per_unit, np.ascontiguousarray(v.urgent_value_per_unit[:, 0]), v.later_value_per_unit, v.holding_cost_per_unit,
        _kept_value(positions, units_per_day), here, received, best, at,
    )  # fmt: skip
    cost = rows["unit_cost"].to_numpy(dtype=float)
    sold_off, worked = liquidation_share * cost, np.maximum(received, best) - refurbish_cost_share * cost
    condition = rows["condition"].to_numpy(dtype=object)
    saleable, broken = condition == SALEABLE, condition == REFURBISH
    disposition = np.select(
        [
            saleable & (here >= np.maximum(best, sold_off)),
            saleable & (best >= sold_off),
            broken & (worked >= sold_off) & (worked > 0),
            (saleable | broken) & (sold_off > 0),
        ],
        ["restock", "move", "refurbish", "liquidate"],
        "scrap",
    )
    value = np.select(
        [disposition == "restock", disposition == "move", disposition == "refurbish", disposition == "liquidate"],
        [here, best, worked, sold_off],
        0.0,
    )
    node = positions["node_id"].to_numpy(dtype=object)
    elsewhere = (disposition == "move") | ((disposition == "refurbish") & (best > received))
    goes_on = np.isin(disposition, ["restock", "refurbish"])
    destination = np.where(elsewhere, node[at], np.where(goes_on, node[row], None))
    return RETURN_DISPOSITIONS.check(
        pd.DataFrame(
            {
                "as_of_date": as_of_date,
                "sku_id": rows["sku_id"].to_numpy(),
                "node_id": rows["node_id"].to_numpy(),
                "condition": condition,
                "returned_units": units,
                "disposition": disposition,
                "destination_node_id": destination,
                "unit_value": np.round(value, 6),
                "here_value": np.round(np.where(saleable, here, np.where(broken, received - refurbish_cost_share * cost, 0.0)), 6),
            }
        ).sort_values(["sku_id", "node_id", "condition"], ignore_index=True)
    )


def _kept_value(positions: pd.DataFrame, units_per_day: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit cost less holding until what stands and comes is sold; nothing where nobody asks."""
    stock = (positions["on_hand_units"] + positions["inbound_units"]).to_numpy(dtype=float)
    days = np.divide(stock, units_per_day, out=np.full(len(stock), np.inf), where=units_per_day > 0)
    held = positions["holding_cost_rate_per_year"].to_numpy(dtype=float) * np.minimum(days, 1e6) / DAYS_PER_YEAR
    return np.where(units_per_day > 0, positions["unit_cost"].to_numpy(dtype=float) * np.clip(1.0 - held, 0.0, 1.0), 0.0)


def _lane_costs(
    positions: pd.DataFrame, lanes: pd.DataFrame, row: NDArray[np.int64], first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Freight and handling of a unit from each row to every row of its SKU, shape (n, widest SKU); infinity for no lane."""
    nodes = pd.Index(sorted(set(positions["node_id"])))
    per_unit, per_kg = np.full((len(nodes), len(nodes)), np.inf), np.zeros((len(nodes), len(nodes)))
    lanes = cheapest_modes(lanes)
    here = lanes[lanes["origin_node_id"].isin(nodes) & lanes["destination_node_id"].isin(nodes)]
    handling = positions.drop_duplicates("node_id").set_index("node_id")["handling_cost_per_unit"]
    touched = here["origin_node_id"].map(handling).to_numpy(dtype=float) + here["destination_node_id"].map(handling).to_numpy(dtype=float)
    o, d = nodes.get_indexer(here["origin_node_id"]), nodes.get_indexer(here["destination_node_id"])
    per_unit[o, d], per_kg[o, d] = here["cost_per_unit"].to_numpy(dtype=float) + touched, here["cost_per_kg"].to_numpy(dtype=float)
    node = nodes.get_indexer(positions["node_id"])
    widest = int((last - first).max())
    other = np.minimum(first[:, None] + np.arange(widest), len(node) - 1)
    weight = positions["weight_kg"].to_numpy(dtype=float)[row][:, None]
    cost = per_unit[node[row][:, None], node[other]] + per_kg[node[row][:, None], node[other]] * weight
    return np.where(first[:, None] + np.arange(widest) < last[:, None], cost, np.inf)
