"""FreshRetailNet, nine cities: demand behind hours out of stock, recovered and forecast.

    DATA=FOLDER python -m benchmarks.real.fresh

A quarter of the days that were in stock throughout lose hours at random: of each unit sold the hour is drawn, and it is lost with it. For
days that were short already, the share of demand that their hours cost is read off all sales. What is
recovered on them is held against what was sold. Then a model is trained on sales as they are, on days in stock only, and on recovered
demand, and scored on later days that were in stock, where sales are demand. Belongs here: reading, masking, scoring. Does not: the estimate.
"""

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
from scipy.optimize import isotonic_regression

from ml.censoring import unconstrained_demand
from ml.dispersion import spread
from ml.metrics import pinball
from ml.panel import HORIZON_DAYS, Panel
from ml.train import TrainingChoices, predict, train
from planning.frames import M5_QUANTILES
from planning.negative_binomial import quantiles

_UNITS = 10  # sales come in tenths
_HOURS = 17  # 6 to 22, both counted
_MASKED = 0.25
_CHOICES = TrainingChoices(trees=150, leaves=63, training_rows=1_000_000, threads=2, seed=7)


def read(data: Path) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray, pd.DatetimeIndex]:
    """Series; sold units, hours out of stock and discount by day; days."""
    source = f"'{data}/freshretailnet/daily_even_cities.parquet'"
    series = duckdb.sql(
        f"""select product_id::varchar as sku_id, store_id::varchar as region_id, any_value(second_category_id)::varchar as category
            from {source} group by product_id, store_id order by 1, 2"""
    ).df()
    found = duckdb.sql(
        f"""with numbered as (
                select distinct product_id, store_id from {source}
            ), placed as (
                select *, row_number() over (order by product_id::varchar, store_id::varchar) - 1 as i from numbered
            )
            select i, dt - min(dt) over () as t, sale_amount, stockout_hours_6_22 as hours, discount
            from {source} join placed using (product_id, store_id)"""
    ).fetchnumpy()
    days = pd.date_range(duckdb.sql(f"select min(dt) from {source}").fetchone()[0], periods=int(found["t"].max()) + 1)
    blocks = []
    for column, fill in (("sale_amount", np.nan), ("hours", 0.0), ("discount", 1.0)):
        block = np.full((len(series), len(days)), fill, np.float32)
        block[found["i"], found["t"]] = found[column]
        blocks.append(block)
    sold, hours, price_share = blocks
    return series, np.round(sold * _UNITS), hours, np.clip(1 - price_share, 0, 1), days


def open_shares(sold: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """Share of a day's demand that comes while the shelf is not empty, by hours out of stock: hours late in the day cost little.

    Read off the sales of all series against their own days in stock, and made to fall with the hours.
    """
    level = _nanmean(np.where(hours == 0, sold, np.nan))[:, None]
    found, days = np.ones(_HOURS + 1), np.ones(_HOURS + 1)
    for out in range(1, _HOURS + 1):
        at = (hours == out) & ~np.isnan(sold) & ~np.isnan(level)
        days[out] = at.sum()
        found[out] = np.where(at, sold, 0).sum() / np.where(at, level, 0).sum()
    return np.clip(isotonic_regression(found, weights=days, increasing=False).x, 0, 1)


def recover(sold: np.ndarray, hours: np.ndarray, seed: int) -> None:
    """Mask, recover, and print the bias of each way of dealing with it."""
    rng = np.random.default_rng(seed)
    masked = (hours == 0) & ~np.isnan(sold) & (rng.random(sold.shape) < _MASKED) & (np.arange(sold.shape[1]) >= HORIZON_DAYS)
    lost = rng.integers(1, _HOURS, sold.shape)
    share = np.where(masked, 1 - lost / _HOURS, open_shares(sold, hours)[hours.astype(int)]).astype(np.float32)
    seen = sold.copy()
    seen[masked] = rng.binomial(sold[masked].astype(int), share[masked])
    censored = masked | (hours > 0)
    start = time.perf_counter()
    found = unconstrained_demand(seen, censored, share)
    seconds = time.perf_counter() - start
    free = np.where(censored, np.nan, seen)
    dropped = np.empty_like(seen)
    for day in range(HORIZON_DAYS, seen.shape[1]):  # what a model that leaves such days out takes for them: the level of the others
        dropped[:, day] = _nanmean(free[:, max(0, day - 56) : day])
    truth = sold[masked].sum()
    print(f"{masked.sum():,} days masked, {100 * (hours > 0).mean():.0f} % of all days were short of hours already; {seconds:.1f} s")
    print(f"{'recovered as':<30}{'bias of the mean':>18}{'mean error, units':>20}")
    for name, values in (("sold (raw)", seen), ("level of days in stock", dropped), ("nodewise", found)):
        use = masked & ~np.isnan(values)
        bias = values[use].sum() / sold[use].sum() - 1 if name.startswith("level") else values[masked].sum() / truth - 1
        print(f"{name:<30}{100 * bias:>16.2f} %{np.abs(values[use] - sold[use]).mean():>20.3f}")


def _nanmean(values: np.ndarray) -> np.ndarray:
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.where(known, values, 0).sum(axis=1) / known.sum(axis=1)


def forecast(series: pd.DataFrame, sold: np.ndarray, hours: np.ndarray, discount: np.ndarray, days: pd.DatetimeIndex) -> None:
    """Train on each reading of history, score on later days in stock."""
    last = len(days) - 1 - HORIZON_DAYS
    censored = hours > 0
    share = np.where(censored, open_shares(sold[:, : last + 1], hours[:, : last + 1])[hours.astype(int)], np.nan).astype(np.float32)
    panel = Panel(
        series=series.assign(abc_class="A", unit_price=1.0, launched_date=pd.NaT, retired_date=pd.NaT),
        days=days[: last + 1],
        demand=sold[:, : last + 1],
        is_censored=censored[:, : last + 1],
        price=np.ones(sold.shape, np.float32),
        discount=discount,
        calendar=np.zeros((0, series["region_id"].nunique(), len(days)), np.float32),
        calendar_names=(),
        open_share=share[:, : last + 1],
    )
    dropped = np.where(panel.is_censored, np.nan, panel.demand).astype(np.float32)
    readings = {
        "sold (raw)": panel,
        "days in stock only": replace(panel, demand=dropped, is_censored=np.zeros_like(panel.is_censored)),
        "nodewise": panel.with_demand(unconstrained_demand(panel.demand, panel.is_censored, panel.open_share)),
    }
    ahead = slice(last + 1, last + 1 + HORIZON_DAYS)
    free = (hours[:, ahead] == 0) & ~np.isnan(sold[:, ahead])
    actual = sold[:, ahead][free]
    print(f"\nforecast of the last 28 days, scored on the {free.sum():,} that were in stock throughout")
    print(f"{'trained on':<30}{'bias':>10}{'mean error':>12}{'WAPE':>8}{'pinball':>10}")
    for name, reading in readings.items():
        model = train(reading, last_origin=last, choices=_CHOICES)
        mean = predict(model, reading, origin=last, threads=2)
        earlier = predict(train(reading, last_origin=last, choices=_CHOICES), reading, origin=last - HORIZON_DAYS, threads=2)
        errors = spread(reading.demand[None, :, last - HORIZON_DAYS + 1 : last + 1].astype(float), earlier[None], np.arange(len(series)))
        m = mean[free]
        q = quantiles(
            demand_mean_units=m, dispersion=np.repeat(errors.dispersion[:, None], HORIZON_DAYS, axis=1)[free], levels=M5_QUANTILES
        ).astype(float)
        error = np.abs(m - actual)
        print(
            f"{name:<30}{100 * (m.sum() / actual.sum() - 1):>8.1f} %{error.mean():>12.3f}{error.sum() / actual.sum():>8.3f}"
            f"{pinball(actual, q, M5_QUANTILES):>10.4f}"
        )


def main(data: Path) -> None:
    """Print both tables."""
    if not (data / "freshretailnet").exists():
        print(f"fresh: {data / 'freshretailnet'} is absent; name the folder with DATA=")
        return
    series, sold, hours, discount, days = read(data)
    recover(sold, hours, seed=1)
    forecast(series, sold, hours, discount, days)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("DATA", "../shared/data")))
    main(parser.parse_args().data)
