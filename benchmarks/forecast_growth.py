"""How the forecast's cost grows with series and with days: M5's last origin, its series cut and its days cut.

    DATA=FOLDER python -m benchmarks.forecast_growth

Seconds of a morning without training (features, both models, pull to the totals, nine quantiles), CPU of all threads, and the exponent of
growth, the slope of log seconds. Belongs here: the cuts. Does not: what the forecast is worth (`forecast.py`).
"""

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.real.m5_panel import competition_date, read_m5_panel
from ml.backtest import variants
from ml.panel import Panel
from ml.train import TrainingChoices, train
from planning.frames import M5_QUANTILES
from planning.negative_binomial import quantiles

_ORIGIN = 1913
_NAME = "model to totals fully"


def cut_series(panel: Panel, share: float) -> Panel:
    """The panel with the first ``share`` of its SKUs; totals stay."""
    chosen = np.flatnonzero(np.arange(len(panel.series)) < share * len(panel.series))
    return replace(
        panel,
        series=panel.series.iloc[chosen].reset_index(drop=True),
        **{name: getattr(panel, name)[chosen] for name in ("demand", "is_censored", "price", "discount")},
    )


def cut_days(panel: Panel, days: int) -> Panel:
    """The panel with its last ``days`` days."""
    first = len(panel.days) - days
    return replace(
        panel,
        days=panel.days[first:],
        demand=panel.demand[:, first:],
        is_censored=panel.is_censored[:, first:],
        price=panel.price[:, first:],
        discount=panel.discount[:, first:],
        calendar=panel.calendar[:, :, first:],
    )


def morning(model, panel: Panel) -> tuple[float, float]:
    """Wall and CPU seconds of a morning's forecast."""
    panel = replace(panel)  # nothing computed before
    start, cpu = time.perf_counter(), time.process_time()
    mean = variants(model, panel, origin=len(panel.days) - 1, threads=2, only=_NAME)[_NAME]
    quantiles(demand_mean_units=mean.ravel(), dispersion=np.full(mean.size, 0.3), levels=M5_QUANTILES)
    return time.perf_counter() - start, time.process_time() - cpu


def main(data: Path) -> None:
    """Print seconds and exponents."""
    if not (data / "m5").exists():
        print(f"forecast growth: {data / 'm5'} is absent; name the folder with DATA=")
        return
    panel, _ = read_m5_panel(data, competition_date(_ORIGIN))
    model = train(panel, last_origin=len(panel.days) - 1, choices=TrainingChoices(150, 63, 300_000, 2, 7))
    morning(model, panel)  # compiled code and warm pages
    cuts = {
        "series": [(len(p.series), p) for p in (cut_series(panel, share) for share in (0.125, 0.25, 0.5, 1.0))],
        "days": [(days, cut_days(panel, days)) for days in (85, 105, 125, len(panel.days))],
    }
    for name, cut in cuts.items():
        found = [(size, *np.median([morning(model, part) for _ in range(3)], axis=0)) for size, part in cut]
        sizes, wall, cpu = (np.array(column) for column in zip(*found, strict=True))
        exponent = np.polyfit(np.log(sizes), np.log(cpu), 1)[0]
        print(f"\n{name:>10}{'wall s':>10}{'CPU s':>10}")
        for size, w, c in zip(sizes, wall, cpu, strict=True):
            print(f"{size:>10,.0f}{w:>10.2f}{c:>10.2f}")
        print(f"growth exponent with {name}: {exponent:.2f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DATA", "../shared/data")))
    main(parser.parse_args().data)
