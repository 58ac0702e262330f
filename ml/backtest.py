"""Rolling-origin backtest: what the forecast would have said, against what then happened and against the baselines.

Belongs here: origins, segments, the score table. Does not: the scores (`metrics.py`) or the decision to publish a model
(the edge, `forecast.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ml import metrics
from ml.baselines import aligned, level_times_weekday, reconciled, seasonal_naive
from ml.dispersion import Sold, Spread, spread
from ml.features import feature_names
from ml.hierarchy import summed, total_codes
from ml.panel import HORIZON_DAYS, Panel
from ml.train import Model, TrainingChoices, TrainingError, predict, predict_totals, train
from planning.frames import M5_QUANTILES
from planning.negative_binomial import quantiles

ALIGNMENTS = {"model": 0.0, "model aligned half": 0.5, "model aligned": 1.0}  # strength of the pull to the baseline's level
RECONCILIATIONS = {
    "model to totals half": 0.5,
    "model to totals": 0.75,
    "model to totals fully": 1.0,
}  # of the pull to the model of the totals
_CALIBRATION_PAIRS = 200_000  # of series and day, drawn
_HORIZONS = ((1, 7), (8, 14), (15, 28))
YOUNG_DAYS = 56  # a series with less history is young
BASELINES = ("level x weekday", "seasonal naive")
CHAMPION = "champion"  # the champion so far, beside its challengers
MODELS = (*ALIGNMENTS, *RECONCILIATIONS)
_ORIGIN_GAPS = (
    (56, 42, 28),
    (28,),
)  # days between each origin and the day of the plan; the model is trained at the first; short histories have one


@dataclass(frozen=True)
class Backtest:
    """Result of a backtest.

    Parameters
    ----------
    scores : DataFrame
        Columns origin_date, forecaster, segment, measure, score.
    spreads : dict of str to Spread
        Spread of the errors of each forecaster.
    rehearsal : Model or None
        What was trained before the first origin; a later challenger is compared with it.
    actual : ndarray of shape (n_origins, n_series, 28), or None
    means : dict of str to ndarray of that shape
        What each forecaster said.
    """

    scores: pd.DataFrame
    spreads: dict[str, Spread]
    rehearsal: Model | None = None
    actual: NDArray[np.float64] | None = None
    means: dict[str, NDArray[np.float64]] = field(default_factory=dict)

    def mean_score(self, forecaster: str, measure: str, segment: str = "all") -> float:
        """Mean of a score over the origins, NaN when it was not computed."""
        s = self.scores
        rows = s[(s["forecaster"] == forecaster) & (s["measure"] == measure) & (s["segment"] == segment)]
        return float(rows["score"].mean()) if len(rows) else float("nan")


@dataclass(frozen=True)
class Incumbent:
    """The champion so far, as it was trained before its own backtest: days that it has not seen are days of every later backtest.

    Parameters
    ----------
    forecaster : str
        One of `MODELS`.
    rehearsal : Model
    """

    forecaster: str
    rehearsal: Model


def run_backtest(panel: Panel, *, choices: TrainingChoices, incumbent: Incumbent | None = None) -> tuple[Backtest, str]:
    """Train at the first origin, forecast from every origin, score against the baselines and the champion so far.

    Returns
    -------
    Backtest, str
        And the reason why no model took part, empty when one did.
    """
    last = len(panel.days) - 1
    model: Model | None = None
    origins: list[int] = []
    reason = ""
    for gaps in _ORIGIN_GAPS:
        origins, reason = [last - gap for gap in gaps if last - gap >= 27], ""
        try:
            model = train(panel, last_origin=origins[0] if origins else -1, choices=choices)
            break
        except TrainingError as error:  # a shorter look back may do; else the baseline stands in and the reason is published
            reason = f"{type(error).__name__}: {error}"
        except (MemoryError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}"
            break
    means: dict[str, list[NDArray[np.float64]]] = {"seasonal naive": [], "level x weekday": []}
    for origin in origins:
        means["seasonal naive"].append(seasonal_naive(panel, origin))
        means["level x weekday"].append(level_times_weekday(panel, origin))
        if model is not None:
            for name, mean in variants(model, panel, origin=origin, threads=choices.threads).items():
                means.setdefault(name, []).append(mean)
        if incumbent is not None and incumbent.rehearsal.feature_names == tuple(feature_names(panel)):
            name = incumbent.forecaster
            mean = variants(incumbent.rehearsal, panel, origin=origin, threads=choices.threads, only=name).get(name)
            if mean is not None:
                means.setdefault(CHAMPION, []).append(mean)
    actual = [panel.demand[:, o + 1 : o + 1 + HORIZON_DAYS].astype(np.float64) for o in origins]
    sku = np.unique(panel.series["sku_id"].to_numpy(dtype=str), return_inverse=True)[1]
    sold = _sold(panel, origins)
    spreads = {name: _spread(actual, mean, sku, len(panel.series), sold) for name, mean in means.items()}
    scores = [
        _score(panel, origin, name, actual[i], mean[i], spreads[name]) for i, origin in enumerate(origins) for name, mean in means.items()
    ]
    columns = ["origin_date", "forecaster", "segment", "measure", "score"]
    table = pd.concat(scores, ignore_index=True) if scores else pd.DataFrame(columns=columns)
    if not origins:
        return Backtest(table, spreads, model), reason
    return Backtest(table, spreads, model, np.stack(actual), {name: np.stack(mean) for name, mean in means.items()}), reason


def variants(model: Model, panel: Panel, *, origin: int, threads: int, only: str | None = None) -> dict[str, NDArray[np.float64]]:
    """Forecasts of the 28 days after ``origin`` by every way of pulling the model to a steadier level (or ``only`` one), by name."""
    shape = predict(model, panel, origin=origin, threads=threads)
    anchor = level_times_weekday(panel, origin)
    found = {name: aligned(panel, shape, anchor, strength) for name, strength in ALIGNMENTS.items() if only in (None, name)}
    totals = predict_totals(model, panel, origin=origin, threads=threads) if only is None or only in RECONCILIATIONS else None
    if totals is not None:
        found |= {name: reconciled(panel, shape, totals, strength) for name, strength in RECONCILIATIONS.items() if only in (None, name)}
    return found


def _sold(panel: Panel, origins: list[int]) -> Sold | None:
    """What was seen on the days after each origin; None where all of demand was."""
    if panel.sold is None or not origins or not panel.is_censored.any():
        return None

    def after(values: NDArray[np.float32] | NDArray[np.bool_]) -> NDArray[np.float64]:
        return np.stack([values[:, o + 1 : o + 1 + HORIZON_DAYS] for o in origins]).astype(np.float64)

    share = panel.open_share if panel.open_share is not None else np.full(panel.demand.shape, np.nan, np.float32)
    return Sold(after(panel.sold), after(panel.is_censored).astype(bool), after(share))


def _spread(
    actual: list[NDArray[np.float64]], mean: list[NDArray[np.float64]], sku: NDArray[np.int64], n_series: int, sold: Sold | None
) -> Spread:
    if not actual:
        return Spread(np.full(n_series, 0.5), 0.1, 0.05)
    return spread(np.stack(actual), np.stack(mean), sku, sold)


def _score(panel: Panel, origin: int, name: str, actual: NDArray[np.float64], mean: NDArray[np.float64], errors: Spread) -> pd.DataFrame:
    """Scores of one forecaster at one origin, overall and by segment, and WRMSSE by level."""
    series, day = np.nonzero(~np.isnan(actual))
    y, m = actual[series, day], np.maximum(mean[series, day], 0)
    q = quantiles(demand_mean_units=m, dispersion=errors.dispersion[series], levels=M5_QUANTILES).astype(float)
    rng = np.random.default_rng(origin)
    sampled = rng.random(len(y)) < _CALIBRATION_PAIRS / max(len(y), 1)
    position = np.full(len(y), np.nan)
    position[sampled] = metrics.randomised_pit(y[sampled], m[sampled], errors.dispersion[series[sampled]], rng)
    rows: list[tuple[str, str, float]] = []
    for segment, chosen in _segments(panel, origin, series, day):
        if not chosen.any():
            continue
        mine, spread_out = y[chosen], q[chosen]
        rows += [
            (segment, "pinball", metrics.pinball(mine, spread_out, M5_QUANTILES)),
            (segment, "bias", metrics.bias(mine, m[chosen])),
            (segment, "coverage 67", metrics.coverage(mine, spread_out[:, 2], spread_out[:, 6])),
            (segment, "coverage 95", metrics.coverage(mine, spread_out[:, 1], spread_out[:, 7])),
        ]
        drawn = position[chosen & sampled]
        if len(drawn):
            rows += [(segment, f"below {level:g}", float((drawn <= level).mean())) for level in M5_QUANTILES]
    rows += _wrmsse_by_level(panel, origin, actual, mean)
    out = pd.DataFrame(rows, columns=["segment", "measure", "score"]).dropna()
    return out.assign(origin_date=panel.days[origin], forecaster=name)


def _segments(panel: Panel, origin: int, series: NDArray[np.int64], day: NDArray[np.int64]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Slices of the scored (series, day) pairs: the whole, classes, regions, horizons, young and old."""
    yield "all", np.ones(len(series), bool)
    for column, label in (("abc_class", "abc"), ("xyz_class", "xyz"), ("demand_class", "demand"), ("region_id", "region")):
        if column in panel.series:
            words, code = np.unique(panel.series[column].to_numpy(dtype=str), return_inverse=True)
            for number, word in enumerate(words):
                yield f"{label} {word}", code[series] == number
    for first, last in _HORIZONS:
        yield f"horizon {first}-{last}", (day + 1 >= first) & (day + 1 <= last)
    young = origin - panel.first_day[series] < YOUNG_DAYS
    yield "young", young
    yield "old", ~young


def _wrmsse_by_level(panel: Panel, origin: int, actual: NDArray[np.float64], mean: NDArray[np.float64]) -> list[tuple[str, str, float]]:
    """WRMSSE of SKU-region, category-region, region and total, and their mean under segment "all"."""
    low = max(0, origin - 27)
    history = np.nan_to_num(panel.demand[:, : origin + 1]).astype(np.float64)
    value = history[:, low:].sum(axis=1) * panel.series["unit_price"].to_numpy(dtype=float)
    codes = total_codes(panel)
    levels = {"sku-region": np.arange(len(value)), **{level: codes[level] for level in ("category-region", "region", "total")}}
    rows = []
    for name, code in levels.items():
        y, m, h = (summed(np.nan_to_num(a), code) for a in (actual, mean, history))
        weight = np.bincount(code, weights=value, minlength=len(y))
        rows.append((f"level {name}", "wrmsse", metrics.wrmsse(y, m, metrics.naive_scale(h), weight)))
    return [*rows, ("all", "wrmsse", float(np.mean([score for *_, score in rows])))]
