"""M5 at three origins: our quantiles beside nine LightGBM quantile models and each series' own last 56 days; WSPL of levels 1 to 9.

    DATA=FOLDER python -m benchmarks.quantiles

The quantile models get our features and our training rows, trees and leaves. WSPL is the competition's: pinball loss over the mean absolute
one-step difference since the first sale, weighted by the money of the last 28 days. Belongs here: the comparison. Does not: the measure of
the mean (`forecast.py`).
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

ORIGINS = (1857, 1885, 1913)
_CHOICES = (150, 63, 1_000_000, 2, 7)


def at_origin(data: Path, origin: int) -> dict:
    """Everything that is said of one origin."""
    from benchmarks.real.m5_panel import competition_date, read_m5_panel
    from benchmarks.real.m5_score import LEVELS, sales_matrix, series_frame
    from ml import metrics
    from ml.backtest import run_backtest, variants
    from ml.forecast import choose
    from ml.hierarchy import relative_errors, summed, total_quantiles
    from ml.train import TrainingChoices, train
    from planning.frames import M5_QUANTILES
    from planning.negative_binomial import quantiles

    choices = TrainingChoices(*_CHOICES)
    panel, kept = read_m5_panel(data, competition_date(origin))
    actual = sales_matrix(data, competition_date(origin + 1), 28)
    last = len(panel.days) - 1
    backtest, reason = run_backtest(panel, choices=choices)
    model = train(panel, last_origin=last, choices=choices)
    champion = choose(backtest, model, reason)
    name = champion.forecaster
    start = time.process_time()
    mean = variants(model, panel, origin=last, threads=2, only=name)[name]
    spread_out = np.repeat(champion.errors.dispersion[:, None], 28, axis=1)
    mine = quantiles(demand_mean_units=mean.ravel(), dispersion=spread_out.ravel(), levels=M5_QUANTILES).astype(float)
    seconds = time.process_time() - start
    y = actual[kept].ravel()
    recent = np.quantile(np.nan_to_num(panel.demand[:, -56:]), M5_QUANTILES, axis=1, method="inverted_cdf").T
    theirs, used = _quantile_models(panel, last, choices)
    table = {
        "nodewise": [metrics.pinball(y, mine, M5_QUANTILES), seconds],
        "nine LightGBM quantile models": [metrics.pinball(y, theirs, M5_QUANTILES), used["predict"]],
        "own last 56 days": [metrics.pinball(y, np.repeat(recent, 28, axis=0), M5_QUANTILES), 0.0],
    }
    wspl = {}
    series = series_frame(data)
    scales = _absolute_scales(data, origin)
    weights = pd.read_parquet(data / "m5" / "wrmsse_scale_weights.parquet")
    whole = np.zeros((len(kept), 28))
    whole[kept] = mean
    for level in range(1, 10):
        first, second = LEVELS[level]
        code, names = pd.factorize(pd.MultiIndex.from_frame(series[[first, second]]), sort=True)
        spread_of = relative_errors(backtest.actual, backtest.means[name], code[kept])
        out = total_quantiles(summed(whole, code), spread_of)
        y_total = summed(actual, code)
        loss = np.array([metrics.pinball(y_total[i], out[i], M5_QUANTILES) for i in range(len(names))])
        index = pd.MultiIndex.from_tuples(list(names))
        weight = weights[weights["level"] == level].set_index(["agg1", "agg2"]).reindex(index)["weight_validation"].to_numpy() * 12
        wspl[level] = float(np.sum(loss / scales[level].reindex(index).to_numpy() * weight))
    return {
        "table": table,
        "wspl": wspl,
        "calibration": _calibration(panel, mean, spread_out, actual[kept]),
        "train": used["train"],
        "chosen": name,
    }


def _quantile_models(panel, last: int, choices) -> tuple[np.ndarray, dict]:
    """Predictions of nine models, sorted where they cross, and CPU seconds."""
    import lightgbm as lgb

    from ml.features import all_pairs, feature_names, features
    from ml.train import training_rows
    from planning.frames import M5_QUANTILES

    start = time.process_time()
    x, y = training_rows(panel, last_origin=last, rows=choices.training_rows, seed=choices.seed)
    data = lgb.Dataset(x, y, feature_name=feature_names(panel), free_raw_data=False)
    shared = {"num_leaves": choices.leaves, "learning_rate": 0.08, "min_data_in_leaf": 100, "feature_fraction": 0.6, "bagging_fraction": 0.6,
              "bagging_freq": 1, "max_bin": 127, "num_threads": 2, "verbosity": -1, "seed": 7, "force_row_wise": True}  # fmt: skip
    boosters = [lgb.train({**shared, "objective": "quantile", "alpha": level}, data, choices.trees) for level in M5_QUANTILES]
    trained = time.process_time()
    series, horizon = all_pairs(panel)
    rows = features(panel, last, series, horizon)
    found = np.stack([booster.predict(rows, num_threads=2) for booster in boosters], axis=1)
    return np.sort(np.maximum(found, 0), axis=1), {"train": trained - start, "predict": time.process_time() - trained}


def _absolute_scales(data: Path, origin: int) -> dict[int, pd.Series]:
    """Mean absolute one-step difference of every total up to the origin, by level."""
    from benchmarks.real.m5_score import LEVELS

    column = {"state": "state_id", "store": "store_id", "category": "cat_id", "department": "dept_id", "total": "'Total'", "x": "'X'"}
    out = {}
    for level in range(1, 10):
        first, second = (column[part] for part in LEVELS[level])
        rows = duckdb.sql(
            f"""with stepped as (
                    select {first} as agg1, {second} as agg2, d, abs(units - lag(units) over (partition by {first}, {second} order by d)) as step
                    from '{data}/m5/aggregates_levels1_9_d1_d1941.parquet' where level = {level} and d <= {origin})
                select agg1, agg2, avg(step) as scale from stepped group by all"""
        ).df()
        out[level] = rows.set_index(["agg1", "agg2"])["scale"]
    return out


def _calibration(panel, mean: np.ndarray, dispersion: np.ndarray, actual: np.ndarray) -> dict[str, list[float]]:
    """Points by which each quantile holds too much or too little, overall and in every segment of more than 10,000 rows."""
    from ml import metrics
    from planning.frames import M5_QUANTILES

    position = metrics.randomised_pit(actual, mean, dispersion, np.random.default_rng(0))
    sold = np.ma.masked_equal(np.nan_to_num(panel.demand[:, -112:]), 0)
    gap = sold.shape[1] / np.maximum(sold.count(axis=1), 1)
    variation = np.ma.filled(sold.var(axis=1) / sold.mean(axis=1) ** 2, 0.0)
    shape = np.where(gap < 1.32, np.where(variation < 0.49, "smooth", "erratic"), np.where(variation < 0.49, "intermittent", "lumpy"))
    segments = {
        "all": np.zeros(len(mean)),
        "department": panel.series["category"],
        "store": panel.series["region_id"],
        "units a day": np.asarray(["< 0.2", "< 0.5", "< 1", "< 3", "3 and more"])[np.digitize(mean.mean(axis=1), [0.2, 0.5, 1, 3])],
        "demand": shape,
    }
    off = {}
    for kind, codes in segments.items():
        for word in np.unique(codes):
            drawn = position[np.asarray(codes == word)]
            if drawn.size > 10_000:
                off["all" if kind == "all" else f"{kind} {word}"] = [float((drawn <= q).mean() - q) for q in M5_QUANTILES]
    return off


def _published(data: Path) -> dict[str, list[float]]:
    """WSPL of levels 1 to 9 of benchmarks and winner on days 1942 to 1969, as published."""
    folder = data / "m5" / "published_scores"
    rows = pd.concat([pd.read_csv(folder / f"Uncertainty-{name}.csv", header=1) for name in ("Benchmarks", "Top50_AL")])
    names = rows.iloc[:, 0]
    return {
        name: rows[names == name].iloc[0, 1:10].astype(float).tolist()
        for name in ("Everyday Low SPLices", "sNaive", "SES")
        if (names == name).any()
    }


def main(data: Path) -> None:
    """Print the tables."""
    if not (data / "m5").exists():
        print(f"quantiles: {data / 'm5'} is absent; name the folder with DATA=")
        return
    wspl = {}
    for origin in ORIGINS:
        command = [sys.executable, "-m", "benchmarks.quantiles", "--origin", str(origin), "--data", str(data)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(done.stderr[-3000:])
        said = json.loads(done.stdout.splitlines()[-1])
        base = said["table"]["own last 56 days"][0]
        print(f"\nM5, days {origin + 1} to {origin + 28}; ours is {said['chosen']!r}")
        print(f"{'':<32}{'pinball':>9}{'to own 56 days':>16}{'CPU s, features + predict':>27}")
        for name, (loss, seconds) in said["table"].items():
            print(f"{name:<32}{loss:>9.4f}{loss / base:>16.3f}{seconds:>27.1f}")
        print(f"training of the nine took {said['train']:.0f} CPU s")
        off = said["calibration"]
        worst = sorted((name for name in off if name != "all"), key=lambda k: -max(map(abs, off[k])))[:3]
        print("calibration by randomised PIT, points off at each quantile")
        for name in ("all", *worst):
            print(f"  {name:<26}" + " ".join(f"{100 * v:+5.1f}" for v in off[name]))
        wspl[f"ours, {origin + 1} to {origin + 28}"] = list(said["wspl"].values())
    wspl |= {f"{name}, 1942 to 1969 (published)": values for name, values in _published(data).items()}
    print(f"\n{'WSPL':<46}" + "".join(f"{f'level {i}':>9}" for i in range(1, 10)) + f"{'mean':>9}")
    for name, values in wspl.items():
        print(f"{name:<46}" + "".join(f"{v:>9.4f}" for v in values) + f"{np.mean(values):>9.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DATA", "../shared/data")))
    parser.add_argument("--origin", type=int)
    chosen = parser.parse_args()
    if chosen.origin is None:
        main(chosen.data)
    else:
        print(json.dumps(at_origin(chosen.data, chosen.origin)))
