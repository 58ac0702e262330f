"""Gradient boosting as nodewise uses it: deterministic, as text, and harmless beside other work on the same cores.

Belongs here: every call into LightGBM. Does not: features and targets.

Notes
-----
LightGBM's OpenMP threads wait for each other by spinning. Two trainings on the same cores wait for threads that are not running, and what takes
a tenth of a second alone then takes minutes. So few rows are trained by one thread, and
`orchestration/__init__.py` asks libgomp to spin shortly.
"""

from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

_ROWS_FOR_THREADS = 100_000
_ALWAYS: dict[str, Any] = {
    "bagging_freq": 1,
    "lambda_l2": 1.0,
    "max_bin": 127,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class TrainingError(RuntimeError):
    """There is too little history to learn from, or the trainer failed."""


def boost(
    x: NDArray[np.float32],
    y: NDArray[np.floating[Any]],
    parameters: dict[str, Any],
    *,
    names: list[str],
    trees: int,
    threads: int,
    seed: int,
    weight: NDArray[np.float64] | None = None,
) -> str:
    """Train a model and return LightGBM's text of it.

    Raises
    ------
    TrainingError
        LightGBM stopped; its message is in the error.
    """
    chosen = {**_ALWAYS, **parameters, "seed": seed, "num_threads": threads_for(len(y), threads)}
    try:
        booster = lgb.train(chosen, lgb.Dataset(x, y, weight=weight, feature_name=names), num_boost_round=trees)
    except lgb.basic.LightGBMError as error:
        raise TrainingError(f"LightGBM stopped: {error}") from error
    return booster.model_to_string()


def threads_for(rows: int, threads: int) -> int:
    """Threads worth starting for so many rows: one for few, else ``threads``."""
    return threads if rows >= _ROWS_FOR_THREADS else 1
