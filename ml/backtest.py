"""Rolling-origin backtest: what the forecast would have said, against what then happened and against the baselines.

Belongs here: origins, segments, the score table. Does not: the scores (`metrics.py`) or the decision to publish a model
(the edge, `forecast.py`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml import metrics
from ml.baselines import aligned, level_times_weekday, seasonal_naive
from ml.dispersion import Spread, spread
from ml.panel import HORIZON_DAYS, Panel
from ml.train import Model, TrainingChoices, TrainingError, predict, train
from planning.frames import M5_QUANTILES
from planning.negative_binomial import quantiles

ALIGNMENTS = {"model": 0.0, "model aligned half": 0.5, "model aligned": 1.0}  # strength of the pull to the baseline's level
_ORIGIN_GAPS = (56, 42, 28)  # days between each origin and the day of the plan; the model is trained at the first


@dataclass(frozen=True)
class Backtest:
    """Result of a backtest.

    Parameters
    ----------
    scores : DataFrame
        Columns origin_date, forecaster, segment, measure, score.
    spreads : dict of str to Spread
        Spread of the errors of each forecaster.
    """

    scores: pd.DataFrame
    spreads: dict[str, Spread]

    def mean_score(self, forecaster: str, measure: str, segment: str = "all") -> float:
        """Mean of a score over the origins, NaN when it was not computed."""
        s = self.scores
        rows = s[(s["forecaster"] == forecaster) & (s["measure"] == measure) & (s["segment"] == segment)]
        return float(rows["score"].mean()) if len(rows) else float("nan")


def run_backtest(panel: Panel, *, choices: TrainingChoices) -> tuple[Backtest, str]:
    """Train at the first origin, forecast from every origin, score against the baselines.

    Returns
    -------
    Backtest, str
        And the reason why no model took part, empty when one did.
    """
    last = len(panel.days) - 1
    origins = [last - gap for gap in _ORIGIN_GAPS if last - gap >= 27]
    model: Model | None = None
    reason = ""
    try:
        model = train(panel, last_origin=origins[0] if origins else -1, choices=choices)
    except (TrainingError, MemoryError, ValueError) as error:  # the baseline stands in; the reason is published
        reason = f"{type(error).__name__}: {error}"
    means: dict[str, list[NDArray[np.float64]]] = {"seasonal naive": [], "level x weekday": []}
    for origin in origins:
        means["seasonal naive"].append(seasonal_naive(panel, origin))
        means["level x weekday"].append(level_times_weekday(panel, origin))
        if model is not None:
            shape = predict(model, panel, origin=origin, threads=choices.threads)
            for name, strength in ALIGNMENTS.items():
                means.setdefault(name, []).append(aligned(panel, shape, means["level x weekday"][-1], strength))
    actual = [panel.demand[:, o + 1 : o + 1 + HORIZON_DAYS].astype(np.float64) for o in origins]
    sku = np.unique(panel.series["sku_id"].to_numpy(dtype=str), return_inverse=True)[1]
    spreads = {name: _spread(actual, mean, sku, len(panel.series)) for name, mean in means.items()}
    scores = [
        _score(panel, origin, name, actual[i], mean[i], spreads[name]) for i, origin in enumerate(origins) for name, mean in means.items()
    ]
    columns = ["origin_date", "forecaster", "segment", "measure", "score"]
    table = pd.concat(scores, ignore_index=True) if scores else pd.DataFrame(columns=columns)
    return Backtest(table, spreads), reason


def _spread(actual: list[NDArray[np.float64]], mean: list[NDArray[np.float64]], sku: NDArray[np.int64], n_series: int) -> Spread:
    if not actual:
        return Spread(np.full(n_series, 0.5), 0.1, 0.05)
    return spread(np.stack(actual), np.stack(mean), sku)


def _score(panel: Panel, origin: int, name: str, actual: NDArray[np.float64], mean: NDArray[np.float64], errors: Spread) -> pd.DataFrame:
    """Scores of one forecaster at one origin, overall, by ABC class, and WRMSSE by level."""
    rows: list[tuple[str, str, float]] = []
    known = ~np.isnan(actual)
    level = np.repeat(errors.dispersion[:, None], HORIZON_DAYS, axis=1)
    abc = panel.series["abc_class"].to_numpy(dtype=str)
    for segment, member in [("all", np.ones(len(abc), bool)), *((f"abc {c}", abc == c) for c in sorted(set(abc)))]:
        chosen = known & member[:, None]
        if not chosen.any():
            continue
        y, m = actual[chosen], mean[chosen]
        q = quantiles(demand_mean_units=np.maximum(m, 0), dispersion=level[chosen], levels=M5_QUANTILES).astype(float)
        rows += [
            (segment, "pinball", metrics.pinball(y, q, M5_QUANTILES)),
            (segment, "bias", metrics.bias(y, m)),
            (segment, "coverage 67", metrics.coverage(y, q[:, 2], q[:, 6])),
            (segment, "coverage 95", metrics.coverage(y, q[:, 1], q[:, 7])),
        ]
    rows += _wrmsse_by_level(panel, origin, actual, mean)
    out = pd.DataFrame(rows, columns=["segment", "measure", "score"]).dropna()
    return out.assign(origin_date=panel.days[origin], forecaster=name)


def _wrmsse_by_level(panel: Panel, origin: int, actual: NDArray[np.float64], mean: NDArray[np.float64]) -> list[tuple[str, str, float]]:
    """WRMSSE of SKU-region, category-region, region and total, and their mean under segment "all"."""
    low = max(0, origin - 27)
    history = np.nan_to_num(panel.demand[:, : origin + 1]).astype(np.float64)
    value = history[:, low:].sum(axis=1) * panel.series["unit_price"].to_numpy(dtype=float)
    pair = panel.category_code * (panel.region_code.max() + 1) + panel.region_code
    levels = {
        "level sku-region": np.arange(len(value)),
        "level category-region": np.unique(pair, return_inverse=True)[1],
        "level region": panel.region_code,
        "level total": np.zeros(len(value), dtype=np.int64),
    }
    rows = []
    for name, code in levels.items():
        total = int(code.max()) + 1
        parts = (_sum_by(code, total, np.nan_to_num(a)) for a in (actual, mean, history))
        y, m, h = parts
        weight = np.bincount(code, weights=value, minlength=total)
        rows.append((name, "wrmsse", metrics.wrmsse(y, m, metrics.naive_scale(h), weight)))
    return [*rows, ("all", "wrmsse", float(np.mean([score for *_, score in rows])))]


def _sum_by(code: NDArray[np.int64], total: int, values: NDArray[np.float64]) -> NDArray[np.float64]:
    out = np.zeros((total, values.shape[1]))
    np.add.at(out, code, values)
    return out
