"""The global model of mean demand: one gradient-boosted Tweedie regression for all series and horizons.

Belongs here: choosing training rows, training, predicting, the model as text. Does not: features (`features.py`), spread
(`dispersion.py`), where model files live (the edge).
"""

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from ml.aggregates import predict_aggregates, train_aggregates
from ml.boosting import TrainingError, boost, threads_for
from ml.features import all_pairs, feature_names, features
from ml.panel import HORIZON_DAYS, Panel

_ORIGIN_STEP = 5  # days between training origins: prime to the week, so that every weekday meets every horizon
_CHUNK = 400_000


@dataclass(frozen=True)
class TrainingChoices:
    """What a deployment may choose about training."""

    trees: int
    leaves: int
    training_rows: int
    threads: int
    seed: int


@dataclass(frozen=True)
class Model:
    """A trained model.

    Parameters
    ----------
    text : str
        LightGBM's own text form, of the model of the series.
    feature_names : tuple of str
    aggregates_text : str or None
        The same of the model of the totals (`aggregates.py`), None where history is too short for one.
    """

    text: str
    feature_names: tuple[str, ...]
    aggregates_text: str | None = None


def training_rows(panel: Panel, *, last_origin: int, rows: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Draw features and targets from all origins whose 28 days end by ``last_origin``.

    Returns
    -------
    ndarray of shape (n, n_features), ndarray of shape (n,)
        Days that are unknown, and days before a series starts, are no targets.
    """
    first = max(28, int(np.median(panel.first_day)) + 28)
    origins = range(last_origin - HORIZON_DAYS, first - 1, -_ORIGIN_STEP)
    if not len(origins):
        raise TrainingError(f"{last_origin + 1} days of history leave no origin to learn from; 84 days are the least")
    rng = np.random.default_rng(seed)
    share = min(1.0, rows / (len(origins) * len(panel.series) * HORIZON_DAYS))
    all_series, all_horizon = all_pairs(panel)
    blocks, targets = [], []
    for origin in origins:
        chosen = np.flatnonzero(rng.random(len(all_series)) < share) if share < 1 else np.arange(len(all_series))
        y = panel.demand[all_series[chosen], origin + all_horizon[chosen]]
        chosen = chosen[~np.isnan(y) & (panel.first_day[all_series[chosen]] <= origin)]
        blocks.append(features(panel, origin, all_series[chosen], all_horizon[chosen]))
        targets.append(panel.demand[all_series[chosen], origin + all_horizon[chosen]])
    return np.concatenate(blocks), np.concatenate(targets)


def train(panel: Panel, *, last_origin: int, choices: TrainingChoices) -> Model:
    """Train on everything known by the evening of day index ``last_origin``.

    Raises
    ------
    TrainingError
        Too little history, or nothing was ever sold.
    """
    x, y = training_rows(panel, last_origin=last_origin, rows=choices.training_rows, seed=choices.seed)
    if len(y) < 100 or not np.any(y > 0):
        raise TrainingError(f"{len(y)} training rows with {float(y.sum()):g} units; deliver more history or rely on the baseline")
    names = feature_names(panel)
    parameters = {
        "objective": "tweedie",
        "tweedie_variance_power": 1.1,
        "learning_rate": 0.08,
        "num_leaves": choices.leaves,
        "min_data_in_leaf": 100 if len(y) > 100_000 else 30,
        "feature_fraction": 0.6,
        "bagging_fraction": 0.6,
    }
    text = boost(x, y, parameters, names=names, trees=choices.trees, threads=choices.threads, seed=choices.seed)
    return Model(text, tuple(names), _train_totals(panel, last_origin=last_origin, choices=choices))


def _train_totals(panel: Panel, *, last_origin: int, choices: TrainingChoices) -> str | None:
    if panel.aggregates is None:
        return None
    earlier = len(panel.aggregates.days) - len(panel.days)
    return train_aggregates(panel.aggregates, last_origin=last_origin + earlier, threads=choices.threads, seed=choices.seed)


def predict_totals(model: Model, panel: Panel, *, origin: int, threads: int) -> NDArray[np.float64] | None:
    """Demand of every category-region on the 28 days after ``origin``, None when the model knows no totals."""
    if model.aggregates_text is None or panel.aggregates is None:
        return None
    earlier = len(panel.aggregates.days) - len(panel.days)
    return predict_aggregates(model.aggregates_text, panel.aggregates, origin=origin + earlier, threads=threads)


def predict(model: Model, panel: Panel, *, origin: int, threads: int) -> NDArray[np.float64]:
    """Mean demand of every series on the 28 days after ``origin``, shape (n_series, 28)."""
    if tuple(feature_names(panel)) != model.feature_names:
        raise TrainingError("the model was trained on other features; retrain it")
    booster = lgb.Booster(model_str=model.text)
    series, horizon = all_pairs(panel)
    out = np.empty(len(series))
    for low in range(0, len(series), _CHUNK):
        part = slice(low, low + _CHUNK)
        out[part] = booster.predict(features(panel, origin, series[part], horizon[part]), num_threads=threads_for(len(series), threads))
    return np.maximum(out, 0).reshape(len(panel.series), HORIZON_DAYS)
