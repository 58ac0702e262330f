"""The morning's forecast: model or baseline, mean and dispersion of every series and day, flagged.

Belongs here: choosing between model and fallback, cold starts, retirements. Does not: training (`train.py`), reading and
writing tables (the edge).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml.backtest import BASELINES, CHAMPION, MODELS, Backtest, variants
from ml.baselines import level_times_weekday
from ml.dispersion import Spread
from ml.panel import HORIZON_DAYS, Panel
from ml.train import Model
from planning.frames import DEMAND_MEANS, DEMAND_QUANTILES, M5_QUANTILES
from planning.negative_binomial import quantiles

BASELINE = "level x weekday"  # stands in for a model
COLD_START_DAYS = 28  # a series younger than this leans on its kin
_NEW_SKU_SHARE = 0.5  # of its category's level, for a SKU that is known nowhere


@dataclass(frozen=True)
class Champion:
    """What makes today's forecast.

    Parameters
    ----------
    forecaster : str
        Its name in the backtest: one of the variants of the model, or "level x weekday".
    model : Model or None
        None is the baseline.
    errors : Spread
        Of whatever makes the forecast.
    reason : str
        Why a newly trained model was left aside, empty when it was not.
    """

    forecaster: str
    model: Model | None
    errors: Spread
    reason: str


def choose(backtest: Backtest, model: Model | None, reason: str, *, incumbent: Champion | None = None) -> Champion:
    """The challenger's best variant by WRMSSE over all origins if it beats the champion so far and the baselines.

    Else the champion so far (``incumbent``, whose errors are those of this backtest) if it beats the baselines, else the baseline.
    """
    means = {name: backtest.mean_score(name, "wrmsse") for name in backtest.spreads}
    score = {name: value if np.isfinite(value) else np.inf for name, value in means.items()}
    challenger = min((name for name in MODELS if name in score and model is not None), key=lambda name: score[name], default=None)
    rivals = [name for name in (CHAMPION, *BASELINES) if name in score and (name != CHAMPION or incumbent is not None)]
    best = min(rivals, key=lambda name: score[name])
    if challenger is not None and score[challenger] < score[best]:
        return Champion(challenger, model, backtest.spreads[challenger], "")
    if challenger is not None:
        reason = f"{challenger} loses to {best}: WRMSSE {score[challenger]:.4f} against {score[best]:.4f}"
    if best == CHAMPION and incumbent is not None:
        return Champion(incumbent.forecaster, incumbent.model, backtest.spreads[CHAMPION], reason or "no challenger")
    return Champion(BASELINE, None, backtest.spreads[BASELINE], reason or "no model")


def demand_means(
    panel: Panel, champion: Champion, *, as_of_date: pd.Timestamp, model_version: str | None, threads: int, is_fallback: bool = False
) -> pd.DataFrame:
    """Mean and dispersion of every series on each of the next 28 days.

    ``model_version`` names the champion in every row; it is left out where the baseline made the forecast. ``is_fallback`` says that an
    earlier model stands in: rows are flagged ``fallback`` and name it.

    Returns
    -------
    DataFrame
        Frame `forecast.demand_means`. Series younger than four weeks lean on their SKU elsewhere or their category, flagged
        ``cold start``; days before a SKU's launch and after its retirement have mean zero.
    """
    origin = len(panel.days) - 1
    if champion.model is None:
        mean = level_times_weekday(panel, origin)
    else:
        mean = variants(champion.model, panel, origin=origin, threads=threads, only=champion.forecaster)[champion.forecaster]
    age = origin - panel.first_day
    young = age < COLD_START_DAYS
    mean = np.where(young[:, None], _with_kin(panel, origin, mean, age), mean)
    days = pd.date_range(as_of_date + pd.Timedelta(days=1), periods=HORIZON_DAYS)
    retired = pd.to_datetime(panel.series["retired_date"]).to_numpy()[:, None] < days.to_numpy()[None, :]
    unborn = pd.to_datetime(panel.series["launched_date"]).to_numpy()[:, None] > days.to_numpy()[None, :]
    mean = np.round(np.where(retired | unborn, 0.0, mean), 6)
    n_series = len(panel.series)
    usual = "fallback" if champion.model is None or is_fallback else "model"
    table = pd.DataFrame(
        {
            "as_of_date": as_of_date,
            "sku_id": np.repeat(panel.series["sku_id"].to_numpy(), HORIZON_DAYS),
            "region_id": np.repeat(panel.series["region_id"].to_numpy(), HORIZON_DAYS),
            "demand_date": np.tile(days.to_numpy(), n_series),
            "demand_mean_units": mean.ravel(),
            "dispersion": np.repeat(np.round(champion.errors.dispersion, 6), HORIZON_DAYS),
            "method": np.repeat(np.where(young, "cold start", usual), HORIZON_DAYS),
            "model_version": None if champion.model is None else model_version,
        }
    )
    return DEMAND_MEANS.check(table)


def _with_kin(panel: Panel, origin: int, mean: NDArray[np.float64], age: NDArray[np.int64]) -> NDArray[np.float64]:
    """Blend a young series' forecast, by its age, with what its kin says: its SKU elsewhere, else half the level of its category.

    The level of a category in a region is the mean of its series of at least four weeks; of all its series where there are none (a new
    region); of the category elsewhere where nothing is known yet.
    """
    level = panel.window_mean(origin, COLD_START_DAYS)
    old = (age >= COLD_START_DAYS) & ~np.isnan(level)
    regions = panel.region_code.max() + 1
    pair = panel.category_code * regions + panel.region_code
    local = _mean_of(level, pair, old)
    local = np.where(np.isnan(local), _mean_of(level, pair, ~np.isnan(level)), local)
    local = np.where(np.isnan(local), _mean_of(local, panel.category_code, ~np.isnan(local)), local)
    local = np.nan_to_num(local)
    sku = np.unique(panel.series["sku_id"].to_numpy(dtype=str), return_inverse=True)[1]
    with np.errstate(invalid="ignore", divide="ignore"):
        liking = _mean_of(level / local, sku, old & (local > 0))  # of the SKU against its category, where it is known
    prior = (np.where(np.isnan(liking), _NEW_SKU_SHARE, liking) * local)[:, None]
    trust = np.clip(age / COLD_START_DAYS, 0, 1)[:, None]
    return trust * mean + (1 - trust) * prior


def _mean_of(values: NDArray[np.float64], code: NDArray[np.int64], chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """For every series the mean of the chosen ones with its code; NaN where there is none."""
    total = np.bincount(code, weights=np.where(chosen, values, 0.0))
    with np.errstate(invalid="ignore", divide="ignore"):
        return (total / np.bincount(code, weights=chosen))[code]


def demand_quantiles(means: pd.DataFrame) -> pd.DataFrame:
    """The nine M5 quantiles of every row of ``means``, long; frame `forecast.demand_quantiles`."""
    values = quantiles(
        demand_mean_units=means["demand_mean_units"].to_numpy(dtype=float),
        dispersion=means["dispersion"].to_numpy(dtype=float),
        levels=M5_QUANTILES,
    )
    n = len(M5_QUANTILES)
    key: dict[str, object] = {c: np.repeat(means[c].to_numpy(), n) for c in ("as_of_date", "demand_date")}
    for column in ("sku_id", "region_id"):  # codes are repeated, not millions of strings
        names = pd.Categorical(means[column])
        key[column] = pd.Categorical.from_codes(np.repeat(names.codes, n), dtype=names.dtype)
    table = pd.DataFrame({**key, "quantile": np.tile(M5_QUANTILES, len(means)), "demand_units": values.ravel()})
    return table[list(DEMAND_QUANTILES.fields)]
