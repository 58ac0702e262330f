"""Why a forecast says what it says, and what moved it since the last one.

Belongs here: the features a model leans on, and the split of a revision among what changed. Does not: scores (`metrics.py`).

Notes
-----
A revision of a day's mean from ``a`` to ``c`` is split by logarithmic means: ``c - a = L(a, c) * sum(log ratios)``, exact for any chain of
ratios whose product is ``c / a``. The chain replaces the price, then the promotions, then all other features of the model of the
series; what is left between its output and the published mean is the pull to the totals, or another model.

References
----------
Ang (2005), *The LMDI approach to decomposition analysis: a practical guide*.
"""

from dataclasses import replace

import lightgbm as lgb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.features import DISCOUNT_FEATURES, PRICE_FEATURES, feature_names, features
from ml.panel import HORIZON_DAYS, Panel
from ml.train import Model

_TINY = 1e-9
DRIVERS = ("price", "promotion", "level", "totals", "model", "other")


def feature_importance(model: Model) -> pd.DataFrame:
    """Share of the gain of each feature, by part of the model; columns model_part, feature_name, gain_share, largest first."""
    parts = []
    for part, text in (("series", model.text), ("totals", model.aggregates_text)):
        if text is None:
            continue
        booster = lgb.Booster(model_str=text)
        gain = booster.feature_importance("gain")
        share = gain / max(gain.sum(), _TINY)
        parts.append(pd.DataFrame({"model_part": part, "feature_name": booster.feature_name(), "gain_share": np.round(share, 6)}))
    table = pd.concat(parts, ignore_index=True)
    return table.sort_values(["model_part", "gain_share", "feature_name"], ascending=[True, False, True], ignore_index=True)


def known_then(panel: Panel, origin: int, price: NDArray[np.float32], discount: NDArray[np.float32]) -> Panel:
    """The panel with the prices and promotions of days after ``origin`` as they were known on that day.

    Parameters
    ----------
    price, discount : ndarray of shape (n_series, 28)
        For the 28 days after ``origin``.
    """
    until = min(origin + 1 + HORIZON_DAYS, panel.price.shape[1])
    then = replace(panel, price=panel.price.copy(), discount=panel.discount.copy())
    then.price[:, origin + 1 : until] = price[:, : until - origin - 1]
    then.discount[:, origin + 1 : until] = discount[:, : until - origin - 1]
    return then


def revisions(
    model: Model | None,
    now: Panel,
    then: Panel,
    *,
    gap: int,
    series: NDArray[np.int64],
    before: NDArray[np.float64],
    after: NDArray[np.float64],
    is_same_model: bool,
) -> dict[str, NDArray[np.float64]]:
    """Units by which the forecasts of chosen series were revised, by driver.

    Parameters
    ----------
    model : Model or None
        Of today; None where a baseline made the forecast, whose revisions are all of the level.
    now, then : Panel
        Today's panel, and the same with the prices and promotions known ``gap`` days ago (`known_then`).
    gap : int
        Days since the last forecast.
    series : ndarray of int, shape (n,)
        Rows of the panel.
    before, after : ndarray of float, shape (n, 28 - gap)
        Published means of the days both forecasts speak of.
    is_same_model : bool
        Whether the last forecast was made by ``model``.

    Returns
    -------
    dict of str to ndarray of shape (n,)
        Keys `DRIVERS`; they add up to the sum of ``after - before``.
    """
    n_days = HORIZON_DAYS - gap
    parts = dict.fromkeys(DRIVERS, np.zeros(len(series)))
    change = after - before
    if model is None:
        return parts | {"level": change.sum(axis=1)}
    chain = _chain(model, now, then, gap, np.repeat(series, n_days), np.tile(np.arange(1, n_days + 1), len(series)))
    steps = np.log(np.maximum(chain, _TINY)).reshape(4, len(series), n_days)
    usable = (before > _TINY) & (after > _TINY)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(usable, np.log(after / before), 0.0)
        mean = np.where(usable, np.where(np.abs(ratio) > _TINY, change / ratio, before), 0.0)
    moved = np.diff(steps, axis=0)
    rest = ratio - moved.sum(axis=0)
    for name, step in (("price", moved[0]), ("promotion", moved[1]), ("level", moved[2]), ("totals" if is_same_model else "model", rest)):
        parts[name] = (mean * step).sum(axis=1)
    return parts | {"other": np.where(usable, 0.0, change).sum(axis=1)}


def _chain(model: Model, now: Panel, then: Panel, gap: int, series: NDArray[np.int64], ahead: NDArray[np.int64]) -> NDArray[np.float64]:
    """Output of the model of the series with the last forecast's features, today's price, also its promotions, all of today's; (4, n)."""
    names = feature_names(now)
    last = len(now.days) - 1
    booster = lgb.Booster(model_str=model.text)
    old, new = features(then, last - gap, series, ahead + gap), features(now, last, series, ahead)
    known_now = features(now, last - gap, series, ahead + gap)
    outputs = [np.asarray(booster.predict(old))]
    mixed = old.copy()
    for group in (PRICE_FEATURES, DISCOUNT_FEATURES):
        at = [names.index(name) for name in group]
        mixed[:, at] = known_now[:, at]
        outputs.append(np.asarray(booster.predict(mixed)))
    return np.stack([*outputs, np.asarray(booster.predict(new))])
