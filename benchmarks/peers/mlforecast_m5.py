"""Nixtla mlforecast with LightGBM on the M5 history that a folder holds; writes its forecast of the next 28 days.

    python mlforecast_m5.py FOLDER

FOLDER holds history.parquet (unique_id, ds, y, item, store, department, and the columns known ahead) and future.parquet (the same without y).
Belongs here: the peer, used as its documentation shows. Does not: anything of nodewise (it runs without it).
"""

import json
import resource
import sys
import time
from pathlib import Path

import lightgbm as lgb
import pandas as pd
from mlforecast import MLForecast
from mlforecast.lag_transforms import RollingMean, RollingStd

STATIC = ["item", "store", "department"]


def main(folder: Path) -> None:
    """Fit, predict, write, and say what it took."""
    history, future = pd.read_parquet(folder / "history.parquet"), pd.read_parquet(folder / "future.parquet")
    model = lgb.LGBMRegressor(
        objective="tweedie", tweedie_variance_power=1.1, n_estimators=300, num_leaves=63, learning_rate=0.05, min_child_samples=100,
        subsample=0.7, subsample_freq=1, colsample_bytree=0.7, n_jobs=2, verbosity=-1, random_state=1,
    )  # fmt: skip
    forecast = MLForecast(
        models={"mean": model},
        freq="D",
        lags=[1, 7, 14, 21, 28],
        lag_transforms={
            1: [RollingMean(7), RollingMean(28), RollingStd(28)],
            7: [RollingMean(7), RollingMean(28)],
            28: [RollingMean(7), RollingMean(28)],
        },
        date_features=["dayofweek", "day", "month"],
        num_threads=2,
    )
    start = time.perf_counter()
    forecast.fit(history, static_features=STATIC)
    trained = time.perf_counter()
    found = forecast.predict(28, X_df=future)
    predicted = time.perf_counter()
    found.assign(mean=found["mean"].clip(lower=0)).to_parquet(folder / "forecast.parquet")
    used = resource.getrusage(resource.RUSAGE_SELF)
    said = {
        "train_seconds": trained - start,
        "predict_seconds": predicted - trained,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "gigabytes": used.ru_maxrss / 1e6,
    }
    print(json.dumps(said))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
