"""The demo company's SKUs, promotions, prices and policies.

Belongs here: what is sold, from when to when, at what price, how fast. Does not: what customers then do (`simulator.py`).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

CATEGORIES = ("kitchen", "garden", "toys", "lighting", "storage", "textile")
_SEASON_PEAK_DAY = {"kitchen": 340, "garden": 140, "toys": 345, "lighting": 330, "storage": 20, "textile": 300}
_SEASON_SWING = {"kitchen": 0.25, "garden": 0.7, "toys": 0.6, "lighting": 0.35, "storage": 0.15, "textile": 0.3}


@dataclass(frozen=True)
class Catalogue:
    """SKUs and how they sell.

    Parameters
    ----------
    skus : DataFrame
        Rows of the `skus` feed.
    rate : ndarray of shape (n_skus,)
        Mean units a day over all regions, before season and promotion.
    dispersion : ndarray of shape (n_skus,)
    is_bonded : ndarray of bool, shape (n_skus,)
        Imported under bond.
    """

    skus: pd.DataFrame
    rate: np.ndarray
    dispersion: np.ndarray
    is_bonded: np.ndarray


def catalogue(*, sku_count: int, first_day: pd.Timestamp, last_day: pd.Timestamp, seed: int) -> Catalogue:
    """Draw the SKUs: fast to lumpy, a few launched or retired on the way, some bulky, some in case packs."""
    rng = np.random.default_rng([seed, 1])
    n = sku_count
    category = rng.choice(CATEGORIES, n, p=[0.22, 0.16, 0.2, 0.14, 0.14, 0.14])
    rate = np.sort(rng.lognormal(0.3, 1.25, n))[::-1][rng.permutation(n)]
    lumpy = rng.random(n) < 0.12
    rate = np.where(lumpy, rate * 0.3, rate)
    cost = np.round(rng.lognormal(3.0, 0.6, n), 2)
    bulky = (rng.random(n) < 0.08) & (cost > 8)
    span = (last_day - first_day).days
    launched = np.full(n, first_day - pd.Timedelta(days=400))
    late = rng.random(n) < 0.08
    launched = np.where(late, first_day + pd.to_timedelta(rng.integers(span // 3, max(span - 10, span // 3 + 1), n), unit="D"), launched)
    retired = np.full(n, np.datetime64("NaT", "ns"))
    ends = (rng.random(n) < 0.06) & ~late
    retired = np.where(ends, first_day + pd.to_timedelta(rng.integers(span // 2, span + 20, n), unit="D"), retired)
    leftover = (rng.random(n) < 0.15) & ~late & ~ends  # of the season: nothing more comes, and what there is stands where it did not sell
    retired = np.where(leftover, last_day + pd.to_timedelta(rng.integers(8, 21, n), unit="D"), retired)
    skus = pd.DataFrame(
        {
            "sku_id": [f"{i:05d}" for i in range(1001, 1001 + n)],
            "name": [f"{c.title()} {i}" for i, c in enumerate(category, 1)],
            "category": category,
            "unit_cost": cost,
            "unit_price": np.round(cost * rng.uniform(1.5, 2.6, n), 2),
            "volume_m3": np.round(np.where(bulky, rng.uniform(0.15, 0.6, n), rng.uniform(0.0005, 0.02, n)), 4),
            "weight_kg": np.round(np.where(bulky, rng.uniform(8, 30, n), rng.uniform(0.1, 3, n)), 2),
            "case_pack_units": rng.choice([1, 1, 1, 2, 6, 12], n),
            "is_bulky": bulky,
            "supplier_lead_time_days": rng.choice([10.0, 14.0, 18.0], n),
            "supplier_lead_time_std_days": rng.choice([1.5, 2.5, 4.0], n),
            "launched_date": pd.to_datetime(launched),
            "retired_date": pd.to_datetime(retired),
        }
    )
    skus.loc[rate < 1.0, "case_pack_units"] = 1
    return Catalogue(skus, rate, np.where(lumpy, 4.0, rng.uniform(0.05, 0.5, n)), (rng.random(n) < 0.1) & ~bulky)


def season(category: pd.Series, days: pd.DatetimeIndex) -> np.ndarray:
    """Yearly factor of each SKU on each day, shape (n_days, n_skus)."""
    peak = category.map(_SEASON_PEAK_DAY).to_numpy(dtype=float)
    swing = category.map(_SEASON_SWING).to_numpy(dtype=float)
    angle = 2 * np.pi * (days.day_of_year.to_numpy()[:, None] - peak[None, :]) / 365.25
    return 1 + swing * np.cos(angle)


def promotions(skus: pd.DataFrame, first_day: pd.Timestamp, last_day: pd.Timestamp, seed: int) -> pd.DataFrame:
    """Rows of `marketing_calendar`: every other week a category in one region or a handful of SKUs everywhere."""
    rng = np.random.default_rng([seed, 2])
    starts = pd.date_range(first_day + pd.Timedelta(days=10), last_day + pd.Timedelta(days=25), freq="11D")
    rows = []
    for i, start in enumerate(starts):
        common = (
            start,
            start + pd.Timedelta(days=int(rng.integers(4, 9))),
            float(rng.choice([0.15, 0.2, 0.3])),
            start - pd.Timedelta(days=21),
        )
        if i % 3 == 0:
            region = rng.choice(["berlin", "munich", "cologne"])
            rows.append((f"P{i:03d}", None, rng.choice(CATEGORIES), region, *common))
        else:
            rows += [(f"P{i:03d}", sku, None, None, *common) for sku in rng.choice(skus["sku_id"], 8, replace=False)]
    names = ["promotion_id", "sku_id", "category", "region_id", "start_date", "end_date", "discount_rate", "known_from_date"]
    return pd.DataFrame(rows, columns=names).assign(kind="price cut")


def promotion_lift(promotion: pd.DataFrame, skus: pd.DataFrame, region_ids: list[str], days: pd.DatetimeIndex) -> np.ndarray:
    """Demand factor of promotions, shape (n_days, n_regions, n_skus)."""
    lift = np.ones((len(days), len(region_ids), len(skus)))
    for row in promotion.itertuples():
        on = (days >= row.start_date) & (days <= row.end_date)
        where = np.ones(len(region_ids), bool) if pd.isna(row.region_id) else np.array(region_ids) == row.region_id
        what = (skus["sku_id"] == row.sku_id) if isinstance(row.sku_id, str) else (skus["category"] == row.category)
        lift[np.ix_(on, where, what.to_numpy())] *= 1 + 3.5 * row.discount_rate
    return lift


def prices(skus: pd.DataFrame, first_day: pd.Timestamp, last_day: pd.Timestamp, seed: int) -> pd.DataFrame:
    """Rows of `prices`: a list price from the first day, one later change for a fifth of the SKUs."""
    rng = np.random.default_rng([seed, 3])
    span = (last_day - first_day).days
    changed = skus.sample(frac=0.2, random_state=seed)
    later = changed.assign(
        effective_date=first_day + pd.to_timedelta(rng.integers(span // 4, span + 14, len(changed)), unit="D"),
        unit_price=np.round(changed["unit_price"] * rng.choice([0.92, 1.05, 1.1], len(changed)), 2),
    )
    both = pd.concat([skus.assign(effective_date=first_day), later])
    return both[["sku_id", "effective_date", "unit_price"]].assign(
        node_id=None, region_id=None, known_from_date=both["effective_date"] - pd.Timedelta(days=14)
    )


def policies() -> pd.DataFrame:
    """Rows of the `policies` feed."""
    columns = ["abc_class", "xyz_class", "node_type", "cycle_service_level", "fill_rate_target", "presentation_units", "max_days", "reason"]
    rows = [
        ("A", None, None, 0.98, None, None, None, "core range"),
        ("B", None, None, 0.95, None, None, None, "standard range"),
        ("C", None, None, 0.90, None, None, None, "long tail"),
        ("C", "Z", None, None, 0.92, None, None, "long tail that sells by fits and starts"),
        (None, None, "store", None, None, 1, None, "one on the shelf"),
        (None, None, "urban_mfc", None, None, None, 60, "little room"),
    ]
    table = pd.DataFrame(rows, columns=columns)
    whole = table["presentation_units"].astype("Int64")
    review = pd.Series(np.where(table["abc_class"].notna(), 7, None)).astype("Int64")
    return table.assign(sku_id=None, node_id=None, presentation_units=whole, review_period_days=review, penalty_cost_per_unit=0.0)
