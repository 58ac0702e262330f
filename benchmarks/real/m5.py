"""M5 as a deployment: ten Walmart stores, each a node and a region, below a regional DC per state and one hub.

    python -m benchmarks.real.m5 --data DIR --out DIR --last-date 2016-04-24

Sales are the competition's, untouched. Stock is made up so that every sale was possible at its store, with finite supply: the
scarcity stands at the hub and the DCs. Prices are known 28 days ahead, as the competition gave them; events and SNAP days
are signals. Belongs here: the mapping. Does not: anything the product needs.
"""

import argparse
import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import yaml

FIRST_DATE = dt.date(2015, 11, 25)
_ZONE = {"CA": "America/Los_Angeles", "TX": "America/Chicago", "WI": "America/Chicago"}
_PLACE = {"CA": (34.05, -118.24), "TX": (32.78, -96.80), "WI": (43.04, -87.91)}
_HUB, _HUB_PLACE = "HUB", (39.10, -94.58)
_DC_SHARE_OF_WEEK, _HUB_SHARE_OF_WEEK = (0.05, 1.1), (0.2, 2.2)  # stock kept above the next departure, in weeks of outflow


@dataclass(frozen=True)
class Sales:
    """Units by item, store and day, cut at the last date."""

    items: np.ndarray
    stores: np.ndarray
    days: pd.DatetimeIndex
    units: np.ndarray


def read_sales(data: Path, last: dt.date) -> Sales:
    """The competition's sales up to ``last``."""
    path = data / "m5" / "sales_long_d1762_d1941.parquet"
    rows = duckdb.sql(
        f"select item_id, store_id, date - date '{FIRST_DATE}' as day, units from '{path}' where date <= date '{last}'"
    ).fetchnumpy()
    items, i = np.unique(rows["item_id"].astype(str), return_inverse=True)
    stores, s = np.unique(rows["store_id"].astype(str), return_inverse=True)
    days = pd.date_range(FIRST_DATE, last, freq="D")
    units = np.zeros((len(items), len(stores), len(days)), np.int64)
    units[i, s, rows["day"].astype(np.int64)] = rows["units"]
    return Sales(items, stores, days, units)


def write_deployment(data: Path, out: Path, last: dt.date) -> Path:
    """Write inbox and settings and return the settings' path."""
    sales = read_sales(data, last)
    price = _prices(data, last)
    cost = _unit_cost(price, sales)
    masters = _masters(sales, cost)
    for feed, table in {
        **masters,
        "prices": price,
        "external_signals": _signals(data, last),
        "aggregate_history": _aggregates(data, last),
    }.items():
        _write(table, out, feed)
    _write_pos(sales, out)
    _write_flow(sales, out)
    path = out / "settings.yaml"
    path.write_text(yaml.safe_dump(_settings(), sort_keys=False), encoding="utf-8")
    return path


def _write(table: pd.DataFrame, out: Path, feed: str) -> None:
    folder = out / "inbox" / feed
    folder.mkdir(parents=True, exist_ok=True)
    table = table.assign(**{c: pd.to_datetime(table[c]).dt.date for c in table.columns if c.endswith("_date")})
    table.to_parquet(folder / f"{feed}.parquet", index=False, compression="zstd")


def _settings() -> dict[str, object]:
    feeds: dict[str, object] = {
        "pos_sales": {"required": True, "max_age_days": 1},
        "inventory_snapshots": {"required": True, "max_age_days": 1},
    }
    others = (
        "skus",
        "nodes",
        "regions",
        "lanes",
        "prices",
        "external_signals",
        "aggregate_history",
        "shipments",
        "supplier_orders",
        "policies",
    )
    return {
        "currency": "USD",
        "time_zone": "America/Chicago",
        "data_dir": ".",
        "first_date": FIRST_DATE.isoformat(),
        "feeds": feeds | {name: {} for name in others},
        "forecast": {"holiday_country": "US", "history_days": 400},
        "planning": {"fixed_cost_per_order": 0.2, "min_net_gain_per_line": 0.2, "review_period_days": 1},  # daily vans; a unit earns 1.2
    }


def _prices(data: Path, last: dt.date) -> pd.DataFrame:
    """One row per item, store and change of price, known 28 days ahead."""
    known = last + dt.timedelta(days=28)
    return duckdb.sql(
        f"""with weeks as (select wm_yr_wk, min(date)::date as effective_date from '{data}/m5/calendar.parquet' group by all),
                 dated as (select item_id, store_id, effective_date, sell_price,
                                  lag(sell_price) over (partition by item_id, store_id order by effective_date) as before
                           from '{data}/m5/sell_prices.parquet' join weeks using (wm_yr_wk) where effective_date <= date '{known}')
            select item_id as sku_id, store_id as region_id, effective_date, round(sell_price, 2)::decimal(18, 2) as unit_price,
                   effective_date - 28 as known_from_date
            from dated where before is null or before <> sell_price order by all"""
    ).df()


def _unit_cost(price: pd.DataFrame, sales: Sales) -> np.ndarray:
    mean = price.assign(unit_price=price["unit_price"].astype(float)).groupby("sku_id")["unit_price"].mean()
    return np.round(0.7 * mean.reindex(sales.items).fillna(1.0).to_numpy(), 2)


def _masters(sales: Sales, cost: np.ndarray) -> dict[str, pd.DataFrame]:
    states = sorted(_ZONE)
    department = pd.Series(sales.items).str.rsplit("_", n=1).str[0]
    skus = pd.DataFrame(
        {"sku_id": sales.items, "name": sales.items, "category": department, "unit_cost": cost, "unit_price": np.round(cost / 0.7, 2),
         "case_pack_units": 1, "supplier_lead_time_days": 14.0, "supplier_lead_time_std_days": 2.0}
    )  # fmt: skip
    nodes = [(_HUB, "hub", None, *_HUB_PLACE, "America/Chicago", None, 0.05)]
    nodes += [(f"DC_{s}", "regional_dc", None, *_PLACE[s], _ZONE[s], _HUB, 0.06) for s in states]
    for n, store in enumerate(sales.stores):
        state = store[:2]
        latitude, longitude = _PLACE[state]
        angle = 2.4 * n
        nodes.append(
            (store, "store", store, latitude + 0.9 * np.sin(angle), longitude + 1.1 * np.cos(angle), _ZONE[state], f"DC_{state}", 0.10)
        )
    columns = [
        "node_id",
        "node_type",
        "region_id",
        "latitude",
        "longitude",
        "time_zone",
        "replenished_from_node_id",
        "handling_cost_per_unit",
    ]
    node = pd.DataFrame(nodes, columns=columns).assign(holding_cost_rate_per_year=0.25)
    region = node[node["node_type"] == "store"][["region_id", "latitude", "longitude", "time_zone"]].assign(name=lambda r: r["region_id"])
    policies = pd.DataFrame({"abc_class": ["A", "B", "C"], "cycle_service_level": [0.97, 0.95, 0.92], "reason": "service by value"})
    return {"skus": skus, "nodes": node, "regions": region, "lanes": _lanes(sales, states), "policies": policies}


def _lanes(sales: Sales, states: list[str]) -> pd.DataFrame:
    rows = []
    for state in states:
        rows += [(_HUB, f"DC_{state}", "truck", 3.0, 0.5, 0.04, 80.0), (f"DC_{state}", _HUB, "truck", 3.0, 0.5, 0.05, 80.0)]
        stores = [s for s in sales.stores if s.startswith(state)]
        rows += [(f"DC_{state}", s, "truck", 1.0, 0.2, 0.05, 25.0) for s in stores]
        rows += [(a, b, "van", 1.0, 0.3, 0.22, 15.0) for a in stores for b in stores if a != b]
    columns = [
        "origin_node_id",
        "destination_node_id",
        "mode",
        "lead_time_days",
        "lead_time_std_days",
        "cost_per_unit",
        "fixed_cost_per_shipment",
    ]
    return pd.DataFrame(rows, columns=columns).assign(departs_on="daily", is_open=True)


def _signals(data: Path, last: dt.date) -> pd.DataFrame:
    """SNAP days of the state, sporting, cultural, national and religious events, known from the first day."""
    days = pd.read_parquet(data / "m5" / "calendar.parquet")
    days = days[days["date"].dt.date <= last + dt.timedelta(days=28)]  # of all years: the aggregates reach back to 2011
    stores = [f"{state}_{n}" for state, count in (("CA", 4), ("TX", 3), ("WI", 3)) for n in range(1, count + 1)]
    kinds = ("Sporting", "Cultural", "National", "Religious")
    parts = []
    for store in stores:
        values = {"snap": days[f"snap_{store[:2]}"].astype(float)}
        values |= {f"event_{k.lower()}": ((days["event_type_1"] == k) | (days["event_type_2"] == k)).astype(float) for k in kinds}
        parts += [
            pd.DataFrame({"region_id": store, "signal_date": days["date"].dt.date, "signal_name": name, "signal_value": value})
            for name, value in values.items()
        ]
    return pd.concat(parts, ignore_index=True).assign(known_from_date=FIRST_DATE)


def _aggregates(data: Path, last: dt.date) -> pd.DataFrame:
    """Level 9, store and department, before the first day of the item history."""
    return duckdb.sql(
        f"""select store_id as region_id, dept_id as category, date::date as demand_date, units::decimal(18, 4) as demand_units
            from '{data}/m5/aggregates_levels1_9_d1_d1941.parquet' where level = 9 and date < date '{min(last, FIRST_DATE)}' order by all"""
    ).df()


def _write_pos(sales: Sales, out: Path) -> None:
    """One receipt line per store, item and day with sales, at noon."""
    i, s, d = np.nonzero(sales.units)
    zone_noon = {z: pd.DatetimeIndex(sales.days + pd.Timedelta(hours=12)).tz_localize(z).tz_convert("UTC") for z in set(_ZONE.values())}
    moment = np.empty(len(i), dtype="datetime64[us]")
    for number, store in enumerate(sales.stores):
        mine = s == number
        moment[mine] = zone_noon[_ZONE[store[:2]]].tz_localize(None).to_numpy().astype("datetime64[us]")[d[mine]]
    table = pd.DataFrame(
        {
            "receipt_id": np.char.add(np.char.add(sales.stores[s], "-"), sales.days.strftime("%Y%m%d").to_numpy().astype(str)[d]),
            "line_number": i + 1,
            "sold_at": pd.DatetimeIndex(moment, tz="UTC"),
            "node_id": sales.stores[s],
            "sku_id": sales.items[i],
            "sold_units": sales.units[i, s, d],
        }
    )
    _write(table.sort_values(["sold_at", "node_id"], ignore_index=True), out, "pos_sales")


def _write_flow(sales: Sales, out: Path) -> None:
    """Weekly receipts of stores from DCs, DCs from the hub and the hub from one supplier, and the counts that follow."""
    rng = np.random.default_rng(5)
    week_start = np.arange(0, len(sales.days), 7)
    weekly = np.add.reduceat(sales.units, week_start, axis=2)
    state = np.array([store[:2] for store in sales.stores])
    store_in, store_stock = _receive(sales.units, weekly, week_start, rng.uniform(0.35, 1.6, sales.units.shape[:2]), rng)
    states = sorted(_ZONE)
    dc_out = np.stack([store_in[:, state == s].sum(axis=1) for s in states], axis=1)
    dc_in, dc_stock = _upstream(dc_out, rng.uniform(*_DC_SHARE_OF_WEEK, dc_out.shape[:2]))
    hub_out = dc_in.sum(axis=1, keepdims=True)
    hub_in, hub_stock = _upstream(hub_out, rng.uniform(*_HUB_SHARE_OF_WEEK, hub_out.shape[:2]))
    dcs, hub = np.array([f"DC_{s}" for s in states]), np.array([_HUB])
    shipments = [
        _moves(sales, store_in, week_start, "transfer", np.array([f"DC_{s}" for s in state]), sales.stores),
        _moves(sales, dc_in, week_start, "transfer", np.repeat(hub, len(dcs)), dcs),
        _moves(sales, hub_in, week_start, "supplier", np.array([None]), hub),
    ]
    _write(pd.concat(shipments, ignore_index=True), out, "shipments")
    _write(_open_orders(sales, hub_out, rng), out, "supplier_orders")
    counts = [
        _counts(sales, store_stock, sales.stores),
        _counts(sales, np.repeat(dc_stock, 7, axis=2)[:, :, : len(sales.days)], dcs),
        _counts(sales, np.repeat(hub_stock, 7, axis=2)[:, :, : len(sales.days)], hub),
    ]
    _write(pd.concat(counts, ignore_index=True), out, "inventory_snapshots")


def _receive(
    units: np.ndarray, weekly: np.ndarray, starts: np.ndarray, cover: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Stores get on each first day of a week what the week needs, plus a local error of judgement; no sale is impossible."""
    n_weeks = weekly.shape[2]
    received = np.zeros_like(weekly)
    stock = np.zeros(units.shape, np.int64)
    held = np.zeros(units.shape[:2], np.int64)
    level = weekly.mean(axis=2)
    for week in range(n_weeks):
        wish = weekly[:, :, week] + 1 + np.floor(cover * rng.uniform(0.6, 1.6, held.shape) * level).astype(np.int64)
        received[:, :, week] = np.maximum(wish - held, 0)
        held = held + received[:, :, week]
        end = starts[week + 1] if week + 1 < n_weeks else units.shape[2]
        sold = np.cumsum(units[:, :, starts[week] : end], axis=2)
        stock[:, :, starts[week] : end] = held[:, :, None] - sold
        held = held - sold[:, :, -1]
    return received, stock


def _upstream(outflow: np.ndarray, cover: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A node above gets in the same week what leaves, plus a scarce reserve; returns receipts and stock after each week."""
    received, stock = np.zeros_like(outflow), np.zeros_like(outflow)
    held = np.zeros(outflow.shape[:2], np.int64)
    reserve = np.floor(cover * outflow.mean(axis=2)).astype(np.int64)
    for week in range(outflow.shape[2]):
        received[:, :, week] = np.maximum(outflow[:, :, week] + reserve - held, 0)
        held = held + received[:, :, week] - outflow[:, :, week]
        stock[:, :, week] = held
    return received, stock


def _moves(
    sales: Sales, received: np.ndarray, starts: np.ndarray, kind: str, origins: np.ndarray, destinations: np.ndarray
) -> pd.DataFrame:
    """Shipments that leave and arrive on the first day of their week."""
    i, n, w = np.nonzero(received)
    day = pd.DatetimeIndex(sales.days[starts[w]])
    name = np.char.add(np.char.add(destinations[n].astype(str), "-w"), w.astype(str))
    return pd.DataFrame(
        {
            "shipment_id": np.char.add(kind[0].upper() + "-", name),
            "line_number": i + 1,
            "kind": kind,
            "origin_node_id": origins[n],
            "destination_node_id": destinations[n],
            "sku_id": sales.items[i],
            "shipped_units": received[i, n, w],
            "received_units": received[i, n, w],
            "shipped_at": (day + pd.Timedelta(hours=15)).tz_localize("UTC"),
            "promised_date": day.date,
            "delivered_at": (day + pd.Timedelta(hours=16)).tz_localize("UTC"),
            "updated_at": (day + pd.Timedelta(hours=16)).tz_localize("UTC"),
        }
    )


def _open_orders(sales: Sales, hub_out: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """What the supplier still owes the hub: about a week of outflow for two items in three."""
    units = np.ceil(hub_out[:, 0, :].mean(axis=1) * rng.uniform(0.3, 1.2, len(sales.items))).astype(np.int64)
    chosen = np.flatnonzero((units > 0) & (rng.random(len(units)) < 0.66))
    last = sales.days[-1]
    return pd.DataFrame(
        {
            "supplier_order_id": "PO-OPEN",
            "line_number": chosen + 1,
            "sku_id": sales.items[chosen],
            "destination_node_id": _HUB,
            "ordered_units": units[chosen],
            "received_units": 0,
            "ordered_at": (last - pd.Timedelta(days=5) + pd.Timedelta(hours=16)).tz_localize("UTC"),
            "expected_date": (last + pd.Timedelta(days=9)).date(),
        }
    )


def _counts(sales: Sales, stock: np.ndarray, nodes: np.ndarray) -> pd.DataFrame:
    """Counts on the first evening, on the last four Sundays and on the last evening."""
    sundays = np.flatnonzero(sales.days.day_of_week == 6)[-4:]
    chosen = np.unique(np.r_[0, sundays, len(sales.days) - 1])
    started = stock[:, :, :].any(axis=2)
    i, n = np.nonzero(started)
    parts = [
        pd.DataFrame(
            {
                "snapshot_at": (sales.days[day] + pd.Timedelta(hours=29)).tz_localize("UTC"),
                "node_id": nodes[n],
                "sku_id": sales.items[i],
                "on_hand_units": stock[i, n, day],
                "reserved_units": 0,
            }
        )
        for day in chosen
    ]
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds m5/")
    parser.add_argument("--out", type=Path, required=True, help="where the deployment is written")
    parser.add_argument("--last-date", type=dt.date.fromisoformat, default=dt.date(2016, 4, 24))
    chosen = parser.parse_args()
    print(write_deployment(chosen.data, chosen.out, chosen.last_date))


if __name__ == "__main__":
    main()
