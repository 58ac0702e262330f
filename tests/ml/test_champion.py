"""Champion and challengers: who makes the forecast, and why."""

import numpy as np
import pandas as pd
import pytest

from ml.backtest import BASELINES, CHAMPION, MODELS, Backtest, Incumbent, run_backtest
from ml.dispersion import Spread
from ml.forecast import BASELINE, Champion, choose
from ml.train import Model, train
from tests.ml.test_forecast import CHOICES, panel

NEW, OLD = Model("new", ("x",)), Model("old", ("x",))


def _backtest(**score: float) -> Backtest:
    """A backtest with one WRMSSE for each named forecaster; the challenger is its variant "model"."""
    names = {"challenger": "model", "champion": CHAMPION, "level": BASELINE, "naive": "seasonal naive"}
    rows = [(pd.Timestamp("2026-01-01"), names[name], "all", "wrmsse", value) for name, value in score.items()]
    table = pd.DataFrame(rows, columns=["origin_date", "forecaster", "segment", "measure", "score"])
    spreads = {names[name]: Spread(np.full(1, float(i)), 0.1, 0.05) for i, name in enumerate(score)}
    return Backtest(table, spreads)


def _incumbent() -> Champion:
    return Champion("model to totals", OLD, Spread(np.zeros(1), 0.0, 0.0), "")


@pytest.mark.parametrize(
    ("score", "forecaster", "model", "said"),
    [
        ({"challenger": 0.5, "champion": 0.6, "level": 0.7, "naive": 0.9}, "model", NEW, ""),
        ({"challenger": 0.6, "champion": 0.5, "level": 0.7, "naive": 0.9}, "model to totals", OLD, "model loses to champion: WRMSSE 0.6000 against 0.5000"),
        ({"challenger": 0.5, "champion": 0.5, "level": 0.7, "naive": 0.9}, "model to totals", OLD, "model loses to champion"),
        ({"challenger": 0.8, "champion": 0.9, "level": 0.7, "naive": 0.9}, BASELINE, None, "model loses to level x weekday"),
        ({"challenger": 0.8, "champion": 0.9, "level": 0.9, "naive": 0.7}, BASELINE, None, "model loses to seasonal naive"),
        ({"challenger": np.nan, "champion": 0.6, "level": 0.7, "naive": 0.9}, "model to totals", OLD, "model loses to champion"),
        ({"challenger": 0.5, "champion": np.nan, "level": 0.7, "naive": 0.9}, "model", NEW, ""),
    ],
    ids=["better than all", "worse than the champion", "no better", "the level wins", "the naive wins", "no number", "the champion has no number"],
)  # fmt: skip
def test_a_challenger_is_promoted_only_when_it_beats_champion_and_baselines(
    score: dict[str, float], forecaster: str, model: Model | None, said: str
) -> None:
    found = choose(_backtest(**score), NEW, "", incumbent=_incumbent())
    assert (found.forecaster, found.model) == (forecaster, model)
    assert found.reason.startswith(said) and bool(found.reason) == bool(said)


def test_a_champion_that_stays_carries_the_errors_of_the_new_backtest() -> None:
    backtest = _backtest(challenger=0.6, champion=0.5, level=0.7, naive=0.9)
    assert choose(backtest, NEW, "", incumbent=_incumbent()).errors is backtest.spreads[CHAMPION]


def test_the_champion_stays_when_training_failed_and_the_reason_is_kept() -> None:
    found = choose(_backtest(champion=0.5, level=0.7, naive=0.9), None, "TrainingError: no rows", incumbent=_incumbent())
    assert (found.model, found.reason) == (OLD, "TrainingError: no rows")


def test_the_backtest_scores_the_champion_so_far_on_days_that_it_has_not_seen() -> None:
    p = panel()
    rehearsal = train(p, last_origin=80, choices=CHOICES)
    backtest, _ = run_backtest(p, choices=CHOICES, incumbent=Incumbent("model", rehearsal))
    assert np.isfinite(backtest.mean_score(CHAMPION, "wrmsse"))
    assert set(backtest.spreads) >= {CHAMPION, "model", *BASELINES}
    assert backtest.rehearsal is not None and backtest.rehearsal.text != rehearsal.text
    again, _ = run_backtest(p, choices=CHOICES, incumbent=Incumbent("model", backtest.rehearsal))
    assert again.mean_score(CHAMPION, "wrmsse") == again.mean_score("model", "wrmsse")  # the same recipe, the same days


def test_a_champion_of_other_features_takes_no_part() -> None:
    p = panel()
    backtest, _ = run_backtest(p, choices=CHOICES, incumbent=Incumbent("model", Model("tree", ("x",))))
    assert CHAMPION not in backtest.spreads


def test_the_backtest_says_what_share_of_demand_lies_below_each_quantile() -> None:
    backtest, _ = run_backtest(panel(n_skus=40), choices=CHOICES)
    best = min((name for name in MODELS if name in backtest.spreads), key=lambda name: backtest.mean_score(name, "wrmsse"))
    for level in (0.025, 0.25, 0.5, 0.75, 0.975):
        assert backtest.mean_score(best, f"below {level}") == pytest.approx(level, abs=0.06)
