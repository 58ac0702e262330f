"""Service promised and service attained: twelve cells of demand and lead time, and M5's validation days.

    DATA=../shared/data python -m benchmarks.attained_service

Cells: the target of each method, and what two million drawn intervals attain with it. M5: targets from the forecast of 2016-04-24 against the weeks
that followed. Peer in the same run: the textbook normal formula. Belongs here: the tables. Does not: any formula.
"""

import datetime as dt
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import nbinom, norm

from planning.histograms import interval_histogram, smallest_units_of
from planning.interval_demand import IntervalDemand, interval_demand, smallest_units
from planning.lead_times import LeadTimes, lead_times
from planning.safety_stock import safety_stock_for_fill_rate, textbook_safety_stock

DRAWS, LONGEST = 2_000_000, 40
LEVELS = (0.90, 0.95, 0.99)
FILL_RATES = (0.95, 0.99)


def _demands() -> dict[str, NDArray[np.float64]]:
    """P(a day's demand = k) of the four kinds."""
    k = np.arange(4_000)
    size = np.floor(np.exp(np.random.default_rng(0).normal(3.0, 0.8, 400_000)) + 0.5).astype(int)
    lumpy = 0.05 * np.bincount(np.minimum(size, len(k) - 1), minlength=len(k)) / len(size)
    lumpy[0] += 0.95
    return {
        "normal(50, 10)": norm.cdf(k + 0.5, 50, 10) - np.where(k > 0, norm.cdf(k - 0.5, 50, 10), 0.0),
        "NB mean 20, r 1": nbinom.pmf(k, 1, 1 / 21),
        "NB mean 0.2, r 0.2": nbinom.pmf(k, 0.2, 0.2 / 0.4),
        "lumpy, 5 % of days": lumpy,
    }


def _lead_times() -> dict[str, LeadTimes]:
    one = np.zeros(1, np.int64)
    return {
        "7 fixed": lead_times(mean_days=np.array([7.0]), std_days=np.zeros(1), observed={}, kind=one),
        "gamma(7, sd 2)": lead_times(mean_days=np.array([7.0]), std_days=np.array([2.0]), observed={}, kind=one),
        "80 % 5, 20 % 15": LeadTimes(np.array([[5, 15]]), np.array([[0.8, 0.2]]), one),
    }


def _negative_binomial(mean: float, variance: float, leads: LeadTimes) -> IntervalDemand:
    """What a forecast's mean and dispersion make of the cell."""
    days = leads.days.astype(float)
    return IntervalDemand(days * mean, days * variance, leads.shares, leads.mean_days, np.array([variance]))


def _draw(daily: NDArray[np.float64], leads: LeadTimes, rng: np.random.Generator) -> NDArray[np.int64]:
    """Drawn demands over the interval, by inverse transform of a day at a time."""
    below = np.cumsum(daily / daily.sum())
    length = rng.choice(leads.days[0], DRAWS, p=leads.shares[0])
    total = np.zeros(DRAWS, np.int64)
    for day in range(int(length.max())):
        on = length > day
        total[on] += np.minimum(np.searchsorted(below, rng.random(int(on.sum()))), len(daily) - 1)
    return total


def cells() -> None:
    """Print both tables of the twelve cells."""
    rng = np.random.default_rng(1)
    rows = []
    for demand_name, daily in _demands().items():
        k = np.arange(len(daily))
        mean = float(daily @ k)
        variance = float(daily @ k**2 - mean**2)
        for lead_name, leads in _lead_times().items():
            truth = interval_histogram(daily=daily, days=leads.days[0], shares=leads.shares[0], most_units=16_000)
            drawn = _draw(daily, leads, rng)
            fitted = _negative_binomial(mean, variance, leads)
            lead_mean, lead_std = float(leads.mean_days[0]), float(leads.std_days[0])
            sigma = float(np.sqrt(lead_mean * variance + mean**2 * lead_std**2))
            lot = 7 * mean
            asked = [("cycle service", p, p, np.inf) for p in LEVELS] + [("fill rate", f, 0.0, (1 - f) * lot) for f in FILL_RATES]
            for promise, value, level, short in asked:
                formula = (
                    textbook_safety_stock(
                        cycle_service_level=np.array([level]), demand_mean_units_per_day=np.array([mean]),
                        demand_std_units_per_day=np.array([np.sqrt(variance)]), lead_time_days=np.array([lead_mean]),
                        lead_time_std_days=np.array([lead_std]),
                    )[0]
                    if level
                    else safety_stock_for_fill_rate(fill_rate_target=value, demand_std_units=sigma, lot_units=lot)
                )  # fmt: skip
                targets = {
                    "exact": smallest_units_of(truth, cycle_service_level=level, most_shortage_units=short),
                    "forecast": int(
                        smallest_units(fitted, cycle_service_level=np.array([level]), most_shortage_units=np.array([short]))[0]
                    ),
                    "textbook": int(np.ceil(mean * lead_mean + formula)),
                }
                for method, units in targets.items():
                    got = np.mean(drawn <= units) if level else 1 - np.maximum(drawn - units, 0).mean() / lot
                    rows.append((promise, demand_name, lead_name, value, method, units, 100 * (got - value), units - targets["exact"]))
    table = pd.DataFrame(rows, columns=["promise", "demand", "lead time", "promised", "method", "units", "miss", "overshoot"])
    for promise, part in table.groupby("promise"):
        print(f"\n{promise}: points attained above (+) or below (-) the promise; units above the fewest that attain it")
        print(f"{'demand':20} {'lead time':16} {'promised':>8} {'histogram':>18} {'mean, dispersion':>18} {'textbook':>18}")
        wide = part.pivot_table(index=["demand", "lead time", "promised"], columns="method", values=["miss", "overshoot"], sort=False)
        for key, row in wide.iterrows():
            said = " ".join(f"{row['miss', m]:>+9.1f} {row['overshoot', m]:>+8.0f}" for m in ("exact", "forecast", "textbook"))
            print(f"{key[0]:20} {key[1]:16} {key[2]:>8.2f} {said}")
        for method in ("exact", "forecast", "textbook"):
            mine = part[part["method"] == method]
            print(f"  {method:10} worst {mine['miss'].min():+.2f} points, mean overshoot {mine['overshoot'].mean():+.1f} units")


def m5(data: Path) -> None:
    """Print promised and attained cycle service and fill rate of the stores' SKUs, week by week after the day of the forecast."""
    import duckdb

    from benchmarks.twin import m5_inputs

    inputs, _settings = m5_inputs(data, Path(".nodewise/twin/m5"))
    day = dt.date(2016, 4, 24)
    rows = duckdb.sql(
        f"""select item_id as sku_id, store_id as node_id, (date - date '{day}' - 1) // 7 as week, sum(units)::bigint as units
            from '{data}/m5/sales_long_d1762_d1941.parquet' where date > date '{day}' group by all"""
    ).df()
    p = inputs.positions
    store = ~p["node_id"].isin(["HUB", "DC_CA", "DC_TX", "DC_WI"]).to_numpy()
    truth = p[["sku_id", "node_id"]].merge(
        rows.pivot_table(index=["sku_id", "node_id"], columns="week", values="units").reset_index(), how="left"
    )
    fixed = lead_times(mean_days=np.zeros(1), std_days=np.zeros(1), observed={}, kind=np.zeros(len(p), np.int64))
    print(f"\nM5, {int(store.sum()):,} SKU-stores, weeks after {day}: attained, and units held above what was asked for")
    print(f"{'week':>4} {'promise':>15} {'value':>6} {'mixture':>18} {'textbook':>18}")
    for week in range(4):
        flows = replace(inputs.flows, means=np.ascontiguousarray(inputs.flows.means[:, 7 * week : 7 * week + 7]))
        demand = interval_demand(
            flows=flows, lead_times=fixed, review_period_days=np.full(len(p), 7), level_correlation=inputs.level_correlation,
            region_correlation=inputs.region_correlation,
        )  # fmt: skip
        asked = truth[week].fillna(0).to_numpy(dtype=float)
        mean, daily_std = demand.expected_units, np.sqrt(demand.daily_variance)
        for promise, value in [("cycle service", v) for v in LEVELS] + [("fill rate", v) for v in FILL_RATES]:
            is_level = promise == "cycle service"
            units = smallest_units(
                demand, cycle_service_level=np.full(len(p), value if is_level else 0.0),
                most_shortage_units=np.full(len(p), np.inf) if is_level else (1 - value) * mean,
            )  # fmt: skip
            if is_level:
                safety = textbook_safety_stock(
                    cycle_service_level=np.full(len(p), value), demand_mean_units_per_day=mean / 7, demand_std_units_per_day=daily_std,
                    lead_time_days=np.full(len(p), 7.0), lead_time_std_days=np.zeros(len(p)),
                )  # fmt: skip
            else:
                safety = _fill_rate_safety(value, mean, daily_std * np.sqrt(7))
            book = np.ceil(mean + safety)
            print(
                f"{week + 1:>4} {promise:>15} {value:>6.2f} {_attained(units, asked, store, is_level):>18} {_attained(book, asked, store, is_level):>18}"
            )


def _fill_rate_safety(target: float, lot: NDArray[np.float64], std: NDArray[np.float64]) -> NDArray[np.float64]:
    """Safety stock of the normal formula by bisection on a grid of z, for all rows."""
    z = np.linspace(-4, 4, 1601)
    loss = norm.pdf(z) - z * norm.sf(z)
    wanted = np.divide((1 - target) * lot, std, out=np.full_like(lot, 10.0), where=std > 0)
    return np.interp(-wanted, -loss, z) * std


def _attained(units: NDArray[np.float64], asked: NDArray[np.float64], rows: NDArray[np.bool_], is_level: bool) -> str:
    short = np.maximum(asked - units, 0)[rows]
    got = np.mean(short == 0) if is_level else 1 - short.sum() / asked[rows].sum()
    return f"{100 * got:.1f} % {np.mean(np.maximum(units - asked, 0)[rows]):+.2f}"


def main(data: Path) -> None:
    """Print all tables."""
    cells()
    if (data / "m5").is_dir():
        m5(data)


if __name__ == "__main__":
    main(Path(os.environ.get("DATA", "../shared/data")))
