"""How long a replenishment takes: shares of whole days, declared and observed.

Belongs here: turning what a lane or supplier declares, and what its shipments took, into a distribution that any number of SKU-nodes share. Does
not: demand over those days (`interval_demand.py`, `lead_time_demand.py`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc

from planning.errors import PlanningError

PRIOR_SHIPMENTS = 10.0  # what is declared counts as much as so many shipments that were seen
_LEAST_SHARE = 1e-4


@dataclass(frozen=True)
class LeadTimes:
    """Distributions of lead times, and which SKU-node has which.

    Parameters
    ----------
    days : ndarray of int, shape (n_kinds, n_values)
        Whole days.
    shares : ndarray of shape (n_kinds, n_values)
        Their probabilities; each row sums to 1, unused values are 0.
    kind : ndarray of int, shape (n_rows,)
        The distribution of each SKU-node.
    """

    days: NDArray[np.int64]
    shares: NDArray[np.float64]
    kind: NDArray[np.int64]

    @property
    def mean_days(self) -> NDArray[np.float64]:
        """Expected days of each row, shape (n_rows,)."""
        return np.sum(self.days * self.shares, axis=1)[self.kind]

    @property
    def std_days(self) -> NDArray[np.float64]:
        """Standard deviation of each row's days, shape (n_rows,)."""
        mean = np.sum(self.days * self.shares, axis=1)
        return np.sqrt(np.maximum(np.sum(self.days**2 * self.shares, axis=1) - mean**2, 0.0))[self.kind]

    @property
    def longest_days(self) -> int:
        """Longest lead time that any row may have."""
        return int(self.days[self.shares > 0].max(initial=0))


def lead_times(
    *,
    mean_days: NDArray[np.float64],
    std_days: NDArray[np.float64],
    observed: dict[int, dict[int, int]],
    kind: NDArray[np.int64],
) -> LeadTimes:
    """Lead times of kinds: a gamma in whole days as declared, drawn towards what shipments took.

    Parameters
    ----------
    mean_days, std_days : ndarray of shape (n_kinds,)
        As declared, >= 0.
    observed : dict
        Kind -> days -> number of shipments that took them. Any shape, two peaks among them.
    kind : ndarray of int, shape (n_rows,)

    Raises
    ------
    PlanningError
        A negative or missing lead time.

    Notes
    -----
    share(d) = (prior * declared(d) + seen(d)) / (prior + seen), prior = `PRIOR_SHIPMENTS`.

    Examples
    --------
    >>> fast = lead_times(mean_days=np.array([2.0]), std_days=np.array([0.0]), observed={0: {2: 30, 9: 10}}, kind=np.zeros(1, int))
    >>> fast.days.tolist(), fast.shares.round(2).tolist()
    ([[2, 9]], [[0.8, 0.2]])
    """
    if not (np.all(mean_days >= 0) and np.all(std_days >= 0)):  # also refuses what is missing
        bad = np.flatnonzero(~((mean_days >= 0) & (std_days >= 0)))
        raise PlanningError(f"lead times must be >= 0; {len(bad)} of {len(mean_days)} are not; correct the lanes or skus feed")
    found = []
    for number, (mean, std) in enumerate(zip(mean_days, std_days, strict=True)):
        share = _declared(float(mean), float(std))
        seen = observed.get(number, {})
        for days, count in seen.items():
            share[days] = share.get(days, 0.0) + count / PRIOR_SHIPMENTS
        kept = {days: s for days, s in sorted(share.items()) if s >= _LEAST_SHARE}
        total = sum(kept.values())
        found.append({days: s / total for days, s in kept.items()})
    width = max(map(len, found), default=1)
    days, shares = np.zeros((len(found), width), np.int64), np.zeros((len(found), width))
    for number, share in enumerate(found):
        days[number, : len(share)], shares[number, : len(share)] = list(share), list(share.values())
    return LeadTimes(days, shares, np.asarray(kind, dtype=np.int64))


def horizon_days(lead_times: LeadTimes, review_period_days: NDArray[np.int64], *, most: int) -> int:
    """Days ahead that decisions look: the longest interval of all, and eight weeks for nodes whose parent is short; at most ``most``."""
    longest = lead_times.longest_days + int(np.max(review_period_days, initial=1))
    return min(max(longest, min(2 * longest, 56)), most)


def _declared(mean: float, std: float) -> dict[int, float]:
    """Shares of whole days of a gamma, rounded to the nearest day."""
    if std < 1e-6 or mean < 1e-6:
        return {int(np.floor(mean + 0.5)): 1.0}
    edges = np.arange(int(mean + 8 * std) + 2) + 0.5
    below = gammainc((mean / std) ** 2, edges * mean / std**2)
    return {day: float(share) for day, share in enumerate(np.diff(below, prepend=0.0)) if share >= _LEAST_SHARE}
