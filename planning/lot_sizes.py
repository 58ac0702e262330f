"""How much to order at once.

Belongs here: economic order quantities and rounding to cases. Does not: when to order (`safety_stock.py`).
"""

import numpy as np
from numpy.typing import NDArray


def economic_order_units(
    *,
    demand_units_per_day: NDArray[np.float64],
    fixed_cost_per_order: NDArray[np.float64],
    holding_cost_per_unit_day: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Harris's square root, sqrt(2 K D / h); zero where there is no fixed cost.

    References
    ----------
    Snyder & Shen, *Fundamentals of Supply Chain Theory*, eq. 3.4.

    Examples
    --------
    >>> q = economic_order_units(demand_units_per_day=np.array([1300.0]), fixed_cost_per_order=np.array([8.0]),
    ...                          holding_cost_per_unit_day=np.array([0.225]))
    >>> round(q.item(), 4)
    304.0468
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        units = np.sqrt(2 * fixed_cost_per_order * demand_units_per_day / holding_cost_per_unit_day)
    return np.where(fixed_cost_per_order > 0, np.nan_to_num(units, posinf=0.0), 0.0)


def whole_cases_up(units: NDArray[np.float64], case_pack_units: NDArray[np.int64]) -> NDArray[np.int64]:
    """Round up to whole cases.

    Examples
    --------
    >>> whole_cases_up(np.array([0.0, 1.0, 13.0]), np.array([6, 6, 12]))
    array([ 0,  6, 24])
    """
    return (np.ceil(np.asarray(units) / case_pack_units - 1e-9) * case_pack_units).astype(np.int64)


def shared_cases(asked: NDArray[np.int64], stock: NDArray[np.float64], case_pack_units: NDArray[np.int64]) -> NDArray[np.int64]:
    """Split what there is in proportion to what is asked, in whole cases; what is left over goes to the largest remainders, first rows first.

    Parameters
    ----------
    asked : ndarray of int, shape (n_askers, n_skus)
        In whole cases.
    stock : ndarray of shape (n_skus,)
        Infinity for no limit.
    case_pack_units : ndarray of int, shape (n_skus,)

    Examples
    --------
    >>> shared_cases(np.array([[1], [1], [1]]), np.array([2.0]), np.array([1])).ravel().tolist()
    [1, 1, 0]
    >>> shared_cases(np.array([[24], [12]]), np.array([30.0]), np.array([12])).ravel().tolist()
    [12, 12]
    """
    whole = asked.sum(axis=0).astype(float)
    share = np.divide(np.maximum(stock, 0.0), whole, out=np.ones_like(whole), where=whole > stock)
    exact = asked * share / case_pack_units
    cases = np.floor(exact + 1e-9)
    left = np.where(whole > stock, np.floor((np.where(np.isinf(stock), 0.0, stock) + 1e-9) / case_pack_units) - cases.sum(axis=0), 0.0)
    wants = np.where(cases * case_pack_units < asked, exact - cases, -1.0)
    order = np.argsort(-wants, axis=0, kind="stable")
    rank = np.argsort(order, axis=0, kind="stable")
    return ((cases + ((rank < left) & (wants >= 0))) * case_pack_units).astype(np.int64)


def whole_cases_down(units: NDArray[np.int64], case_pack_units: NDArray[np.int64]) -> NDArray[np.int64]:
    """Round down to whole cases."""
    return (np.asarray(units) // case_pack_units * case_pack_units).astype(np.int64)
