"""WRMSSE of a published M5 forecast on the 28 days after its day, by the competition's scales and weights.

    python -m benchmarks.real.m5_score --data DIR --out DIR [--last-date 2016-04-24]

Checks itself first against the published Naive 1.4639 and seasonal naive 0.8697. Belongs here: the competition's measure over
its twelve levels. Does not: our own scores (`ml/metrics.py`).
"""

import argparse
import datetime as dt
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from benchmarks.real.m5 import FIRST_DATE

LEVELS = {
    1: ("total", "x"), 2: ("state", "x"), 3: ("store", "x"), 4: ("category", "x"), 5: ("department", "x"), 6: ("state", "category"),
    7: ("state", "department"), 8: ("store", "category"), 9: ("store", "department"), 10: ("item", "x"), 11: ("state", "item"), 12: ("item", "store"),
}  # fmt: skip


def series_frame(data: Path) -> pd.DataFrame:
    """The 30,490 item-stores with what they roll up to, sorted."""
    rows = duckdb.sql(f"select distinct item_id, store_id from '{data}/m5/sales_long_d1762_d1941.parquet' order by all").df()
    item = rows["item_id"]
    return rows.assign(
        total="Total", x="X", item=item, store=rows["store_id"], state=rows["store_id"].str[:2], category=item.str.split("_").str[0],
        department=item.str.rsplit("_", n=1).str[0],
    )  # fmt: skip


def sales_matrix(data: Path, first: dt.date, days: int) -> np.ndarray:
    """Units of the sorted item-stores, shape (30490, days)."""
    rows = duckdb.sql(
        f"""select units from '{data}/m5/sales_long_d1762_d1941.parquet'
            where date >= date '{first}' and date < date '{first}' + {days} order by item_id, store_id, date"""
    ).fetchnumpy()["units"]
    return rows.reshape(-1, days).astype(float)


def score(data: Path, actual: np.ndarray, forecast: np.ndarray, *, kind: str = "validation") -> dict[str, float]:
    """WRMSSE in total and by level; ``kind`` names the weights (validation or evaluation)."""
    series = series_frame(data)
    weights = pd.read_parquet(data / "m5" / "wrmsse_scale_weights.parquet")
    scale = "scale_mse_d1913" if kind == "validation" else "scale_mse_d1941"
    out: dict[str, float] = {}
    for level, (first, second) in LEVELS.items():
        keys = pd.MultiIndex.from_frame(series[[first, second]])
        codes, names = pd.factorize(keys, sort=True)
        y, f = (np.zeros((len(names), actual.shape[1])) for _ in range(2))
        np.add.at(y, codes, actual)
        np.add.at(f, codes, forecast)
        mine = weights[weights["level"] == level].set_index(["agg1", "agg2"]).reindex(pd.MultiIndex.from_tuples(list(names)))
        rmsse = np.sqrt(((y - f) ** 2).mean(axis=1) / mine[scale].to_numpy())
        weight = mine[f"weight_{kind}"].to_numpy()
        out[f"level {level}"] = float(np.nansum(rmsse * weight) * 12)
    return {"total": float(np.mean(list(out.values())))} | out


def published_forecast(data: Path, out: Path, last: dt.date) -> np.ndarray:
    """Published means in the order of the sorted item-stores; series that never sold are zero."""
    path = out / "published" / "current" / "forecast" / "demand_means" / f"as_of_date={last}" / "part.parquet"
    rows = duckdb.sql(
        f"""with s as (select distinct item_id, store_id from '{data}/m5/sales_long_d1762_d1941.parquet'),
                 d as (select unnest(generate_series(1, 28)) as h)
            select coalesce(f.demand_mean_units, 0) as mean from s cross join d
            left join read_parquet('{path}', hive_partitioning = false) f
              on f.sku_id = s.item_id and f.region_id = s.store_id and f.demand_date = date '{last}' + d.h::integer
            order by s.item_id, s.store_id, d.h"""
    ).fetchnumpy()["mean"]
    return np.asarray(rows, dtype=float).reshape(-1, 28)


def check_scorer(data: Path) -> tuple[float, float]:
    """Our score of the competition's Naive and seasonal naive on the validation days."""
    last = dt.date(2016, 4, 24)
    history = sales_matrix(data, FIRST_DATE, (last - FIRST_DATE).days + 1)
    actual = sales_matrix(data, last + dt.timedelta(days=1), 28)
    naive = np.repeat(history[:, -1:], 28, axis=1)
    seasonal = np.tile(history[:, -7:], (1, 4))
    return score(data, actual, naive)["total"], score(data, actual, seasonal)["total"]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--last-date", type=dt.date.fromisoformat, default=dt.date(2016, 4, 24))
    chosen = parser.parse_args()
    naive, seasonal = check_scorer(chosen.data)
    print(f"scorer: Naive {naive:.4f} (published 1.4639), seasonal naive {seasonal:.4f} (published 0.8697)")
    actual = sales_matrix(chosen.data, chosen.last_date + dt.timedelta(days=1), 28)
    for name, value in score(chosen.data, actual, published_forecast(chosen.data, chosen.out, chosen.last_date)).items():
        print(f"WRMSSE {name:<9} {value:.4f}")


if __name__ == "__main__":
    main()
