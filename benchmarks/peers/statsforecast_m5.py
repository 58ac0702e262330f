"""Nixtla statsforecast on the M5 history that a folder holds: seasonal naive, SES, Croston (SBA) and TSB for every series.

    python statsforecast_m5.py FOLDER

FOLDER holds history.parquet (unique_id, ds, y). Belongs here: the peer, used as its documentation shows. Does not: anything of nodewise.
"""

import json
import resource
import sys
import time
from pathlib import Path

import pandas as pd
from statsforecast import StatsForecast
from statsforecast.models import TSB, AutoETS, CrostonSBA, SeasonalNaive, SimpleExponentialSmoothingOptimized

_SAMPLE = 1_000  # series of AutoETS, whose time for all is told by that of these


def main(folder: Path) -> None:
    """Forecast 28 days with every model, write them, and say what each took."""
    history = pd.read_parquet(folder / "history.parquet", columns=["unique_id", "ds", "y"])
    models = {
        "seasonal naive": SeasonalNaive(season_length=7),
        "SES": SimpleExponentialSmoothingOptimized(),
        "Croston SBA": CrostonSBA(),
        "TSB": TSB(alpha_d=0.2, alpha_p=0.2),
    }
    seconds = {}
    found = None
    for name, model in models.items():
        start = time.process_time()
        table = StatsForecast(models=[model], freq="D", n_jobs=1).forecast(df=history, h=28)
        seconds[name] = time.process_time() - start
        values = table.set_index(["unique_id", "ds"]).iloc[:, 0].rename(name)
        found = values.to_frame() if found is None else found.join(values)
    found.reset_index().to_parquet(folder / "statistical.parquet")
    sample = history[history["unique_id"] % (history["unique_id"].max() // _SAMPLE + 1) == 0]
    start = time.process_time()
    StatsForecast(models=[AutoETS(season_length=7)], freq="D", n_jobs=1, fallback_model=SeasonalNaive(season_length=7)).forecast(
        df=sample, h=28
    )
    share = sample["unique_id"].nunique() / history["unique_id"].nunique()
    seconds["AutoETS, all, from a sample"] = (time.process_time() - start) / share
    print(json.dumps({"cpu_seconds": seconds, "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
