"""M5 at three origins: ours beside mlforecast with LightGBM and statsforecast on the same history: WRMSSE by level, seconds and memory.

    DATA=FOLDER python -m benchmarks.forecast

The peers cap pandas below 3, so each gets an environment of its own below `.nodewise/peers`. Our variant is the one that the backtest
before each origin chooses. Belongs here: the comparison. Does not: the peers' programs (`peers`), nor
quantiles (`quantiles.py`).
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

ORIGINS = (1857, 1885, 1913)
_PEERS = {
    "mlforecast": ["mlforecast==1.1.0", "lightgbm==4.7.0", "pandas==2.3.3", "pyarrow"],
    "statsforecast": ["statsforecast==2.1.1", "pandas==2.3.3", "pyarrow"],
}
_CHOICES = (150, 63, 1_000_000, 2, 7)


def ours(data: Path, origin: int, out: Path) -> dict:
    """Backtest before the origin chooses the variant; then train and predict, timed apart from the backtest."""
    from benchmarks.real.m5_panel import competition_date, read_m5_panel
    from benchmarks.real.m5_score import sales_matrix, score
    from ml.backtest import run_backtest, variants
    from ml.baselines import level_times_weekday, seasonal_naive
    from ml.forecast import choose
    from ml.train import TrainingChoices, train

    choices = TrainingChoices(*_CHOICES)
    panel, kept = read_m5_panel(data, competition_date(origin))
    backtest, reason = run_backtest(panel, choices=choices)
    last = len(panel.days) - 1
    start, cpu = time.perf_counter(), time.process_time()
    model = train(panel, last_origin=last, choices=choices)
    trained = time.perf_counter()
    champion = choose(backtest, model, reason)
    name = champion.forecaster
    mean = variants(model, panel, origin=last, threads=2, only=name)[name]
    predicted, cpu_used = time.perf_counter(), time.process_time() - cpu
    actual = sales_matrix(data, competition_date(origin + 1), 28)
    scores = {}
    for label, values in {
        name: mean,
        "level x weekday": level_times_weekday(panel, last),
        "seasonal naive": seasonal_naive(panel, last),
    }.items():
        forecast = np.zeros((len(kept), 28))
        forecast[kept] = values
        scores[label] = score(data, actual, forecast)
    for label, values in variants(model, panel, origin=last, threads=2).items():
        forecast = np.zeros((len(kept), 28))
        forecast[kept] = values
        scores.setdefault(f"({label})", {"total": score(data, actual, forecast)["total"]})
    _write_history(panel, out)
    return {
        "chosen": name,
        "scores": scores,
        "train_seconds": trained - start,
        "predict_seconds": predicted - trained,
        "cpu_seconds": cpu_used,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def _write_history(panel, out: Path) -> None:
    """The panel as the peer wants it: long, with what is known ahead."""
    series, width = panel.series, panel.price.shape[1]
    region, n_days = panel.region_code, len(panel.days)
    row, day = np.nonzero(~np.isnan(panel.demand))
    ahead_row, ahead = np.repeat(np.arange(len(series)), width - n_days), np.tile(np.arange(n_days, width), len(series))
    dates = pd.date_range(panel.days[0], periods=width)
    for name, rows, days in (("history", row, day), ("future", ahead_row, ahead)):
        table = pd.DataFrame({"unique_id": rows, "ds": dates[days], "price": panel.price[rows, days]})
        for signal, values in zip(panel.calendar_names, panel.calendar, strict=True):
            table[signal] = values[region[rows], days]
        if name == "history":
            table["y"] = panel.demand[rows, days]
            table["item"] = pd.factorize(series["sku_id"])[0][rows]
            table["store"], table["department"] = region[rows], panel.category_code[rows]
        table.to_parquet(out / f"{name}.parquet", index=False)


def _peer_python(name: str) -> Path:
    folder = Path(".nodewise/peers") / name
    if not (folder / "installed").exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run(
            [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *_PEERS[name]], check=True
        )
        (folder / "installed").touch()
    return folder / "bin" / "python"


def _statistical(data: Path, origin: int, kept: np.ndarray, found: pd.DataFrame) -> dict[str, float]:
    """WRMSSE of each of statsforecast's models, bottom-up."""
    from benchmarks.real.m5_panel import competition_date
    from benchmarks.real.m5_score import sales_matrix, score

    actual = sales_matrix(data, competition_date(origin + 1), 28)
    scores = {}
    for name in found.columns:
        forecast = np.zeros((len(kept), 28))
        forecast[kept] = np.nan_to_num(found[name].to_numpy()).reshape(-1, 28)  # a series of less than a week has no season
        scores[name] = score(data, actual, forecast)["total"]
    return scores


def _published(data: Path) -> None:
    """The competition's own scores, on days that are not here."""
    folder = data / "m5" / "published_scores"
    rows = pd.concat([pd.read_csv(folder / f"Accuracy-{name}_AL.csv", header=1) for name in ("Benchmarks", "Top50")])
    scores = rows.set_index(rows.columns[0])["Avg"].astype(float)
    picked = scores[scores.index.isin(["Naive", "sNaive", "ES_bu", "ESX", "SES", "CRO", "TSB"])]
    print("\npublished, days 1942 to 1969: " + ", ".join(f"{name} {value:.3f}" for name, value in picked.items()), end="")
    print(f", best of the top 50 {scores.min():.3f}")


def _run(command: list[str]) -> dict:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


def main(data: Path) -> None:
    """Print the table."""
    if not (data / "m5").exists():
        print(f"forecast: {data / 'm5'} is absent; name the folder with DATA=")
        return
    from benchmarks.real.m5_panel import competition_date, read_m5_panel
    from benchmarks.real.m5_score import sales_matrix, score

    _published(data)
    for origin in ORIGINS:
        with tempfile.TemporaryDirectory() as name:
            mine = _run([sys.executable, "-m", "benchmarks.forecast", "--ours", str(origin), "--out", name, "--data", str(data)])
            peer = _run([str(_peer_python("mlforecast")), "benchmarks/peers/mlforecast_m5.py", name])
            found = pd.read_parquet(Path(name) / "forecast.parquet").sort_values(["unique_id", "ds"])["mean"].to_numpy().reshape(-1, 28)
            simple = _run([str(_peer_python("statsforecast")), "benchmarks/peers/statsforecast_m5.py", name])
            statistical = (
                pd.read_parquet(Path(name) / "statistical.parquet").sort_values(["unique_id", "ds"]).drop(columns=["unique_id", "ds"])
            )
        _, kept = read_m5_panel(data, competition_date(origin))
        forecast = np.zeros((len(kept), 28))
        forecast[kept] = found
        theirs = score(data, sales_matrix(data, competition_date(origin + 1), 28), forecast)
        print(f"\nM5, trained on days up to {origin}, scored on the 28 after; ours is {mine['chosen']!r}, chosen by the backtest before")
        columns = {
            "ours": mine["scores"][mine["chosen"]],
            "mlforecast": theirs,
            **{k: mine["scores"][k] for k in ("level x weekday", "seasonal naive")},
        }
        print(f"{'WRMSSE':<10}" + "".join(f"{c:>17}" for c in columns) + f"{'ours / peer':>13}")
        for level in theirs:
            print(
                f"{level:<10}"
                + "".join(f"{v[level]:>17.4f}" for v in columns.values())
                + f"{columns['ours'][level] / theirs[level]:>13.3f}"
            )
        print("statsforecast: " + ", ".join(f"{name} {value:.4f}" for name, value in _statistical(data, origin, kept, statistical).items()))
        print("  CPU s: " + ", ".join(f"{name} {value:.0f}" for name, value in simple["cpu_seconds"].items()))
        print("all variants: " + ", ".join(f"{k[1:-1]} {v['total']:.4f}" for k, v in mine["scores"].items() if k.startswith("(")))
        for label, used in (("ours", mine), ("mlforecast", peer)):
            print(
                f"{label:<12} train {used['train_seconds']:.1f} s, predict {used['predict_seconds']:.1f} s, CPU {used['cpu_seconds']:.0f} s,"
                f" peak {used['gigabytes']:.1f} GB" + (" (with the backtest)" if label == "ours" else "")
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DATA", "../shared/data")))
    parser.add_argument("--ours", type=int)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args()
    if chosen.ours is None:
        main(chosen.data)
    else:
        print(json.dumps(ours(chosen.data, chosen.ours, chosen.out)))
