"""The demo company's files: every event written by the system that would know it, in the layout that system uses.

Belongs here: turning events into files of the feed contract, months at a time for the past and day by day for the last
weeks. Does not: what happened (`simulator.py`).
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from demo import catalogue, network
from demo.simulator import Company

_NODES = network.NODES["node_id"].to_numpy()
_REGIONS = network.REGIONS["region_id"].to_numpy()
_POSTAL = network.REGIONS["postal_prefixes"].str.split("|").str[0].to_numpy()
_UNKNOWN_REGION_EVERY = 3  # every third order names country and postal code instead of a region


def write_feeds(state: Company, inbox: Path, *, daily_days: int) -> int:
    """Write every feed below ``inbox`` and return the number of files; the last ``daily_days`` days get files of their own."""
    written = 0
    for feed, table in _tables(state).items():
        if "file_day" not in table:
            written += _write(table, inbox / feed, feed, "initial")
            continue
        day = state.days[table["file_day"].to_numpy().clip(0, len(state.days) - 1)]
        recent = day > state.days[-1] - pd.Timedelta(days=daily_days)
        label = np.where(recent, day.strftime("%Y-%m-%d"), day.strftime("%Y-%m"))
        body = table[table["file_day"] < len(state.days)].drop(columns="file_day")
        for name, part in body.groupby(label[table["file_day"] < len(state.days)], sort=True):
            written += _write(part, inbox / feed, feed, str(name))
    return written


_FORMAT = {"ecom_orders": ".jsonl.gz", "inventory_snapshots": ".parquet", "shipments": ".csv.gz"}


def _write(rows: pd.DataFrame, folder: Path, feed: str, label: str) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    suffix = _FORMAT.get(feed, ".csv")
    path, part = folder / f"{feed}_{label}{suffix}", folder / f".{feed}_{label}.part"
    stable = {"method": "gzip", "mtime": 0, "compresslevel": 1}
    if suffix == ".parquet":
        rows.to_parquet(part, index=False, compression="zstd")
    elif suffix == ".jsonl.gz":
        rows.to_json(part, orient="records", lines=True, compression=stable)
    else:
        rows.to_csv(part, index=False, lineterminator="\n", compression=stable if suffix == ".csv.gz" else None)
    content = part.read_bytes()
    promised = {"rows": len(rows), "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    path.with_name(path.name + ".manifest.json").write_text(json.dumps(promised), encoding="utf-8")
    part.replace(path)
    return 1


def _tables(state: Company) -> dict[str, pd.DataFrame]:
    skus = state.catalogue.skus
    span = (state.days[0], state.days[-1])
    promotion = state.promotion.assign(**{c: _iso_day(state.promotion[c]) for c in ("start_date", "end_date", "known_from_date")})
    price = catalogue.prices(skus, *span, seed=1)
    return {
        "skus": _skus(state),
        "nodes": network.nodes(),
        "regions": network.regions(),
        "lanes": network.lanes(),
        "service_zones": network.service_zones(),
        "policies": catalogue.policies(),
        "prices": price.assign(**{c: _iso_day(price[c]) for c in ("effective_date", "known_from_date")}),
        "marketing_calendar": promotion,
        "aggregate_history": _older_history(state),
        "external_signals": _weather(state),
        "pos_sales": _receipts(state),
        "ecom_orders": _orders(state),
        "returns": _returns(state),
        "shipments": _shipments(state),
        "supplier_orders": _supplier_orders(state),
        "inventory_snapshots": _snapshots(state),
    }


def _iso_day(values: pd.Series) -> pd.Series:
    return pd.to_datetime(values).dt.strftime("%Y-%m-%d")


def _day(state: Company, number: np.ndarray) -> np.ndarray:
    """ISO day of a day number, which may lie after the last day."""
    days = pd.date_range(state.days[0], periods=len(state.days) + 120, freq="D").strftime("%Y-%m-%d").to_numpy()
    return days[number]


def _moment(state: Company, day: np.ndarray, second: np.ndarray) -> np.ndarray:
    """UTC text of a local second of a day, right on the two days of the year that have no 24 hours."""
    local = pd.date_range(state.days[0], periods=len(state.days) + 120, freq="D", tz=network.TIME_ZONE)
    midnight = local.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[s]")
    noon_shift = (local + pd.Timedelta(hours=12)).tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[s]")
    start = np.where(np.asarray(second) < 7_200, midnight[day], noon_shift[day] - np.timedelta64(43_200, "s"))
    return np.char.add(np.datetime_as_string(start + np.asarray(second).astype("timedelta64[s]")), "Z")


def _skus(state: Company) -> pd.DataFrame:
    """The SKU master as it grows: a new SKU's line arrives three weeks before its launch."""
    skus = state.catalogue.skus
    known = (skus["launched_date"] - state.days[0]).dt.days - 21
    return skus.assign(
        launched_date=_iso_day(skus["launched_date"]), retired_date=_iso_day(skus["retired_date"]), file_day=known.clip(lower=0)
    )


def _receipts(state: Company) -> pd.DataFrame:
    rows = state.events.table("receipts")
    price = state.catalogue.skus["unit_price"].to_numpy()
    number = rows["number"].to_numpy()
    return pd.DataFrame(
        {
            "ReceiptNo": np.char.add("R", np.char.zfill(number.astype(str), 8)),
            "Line": 1,
            "Timestamp": _moment(state, rows["day"], rows["second"]),
            "Store": _NODES[rows["node"]],
            "Item": state.catalogue.skus["sku_id"].to_numpy()[rows["sku"]],
            "Qty": rows["units"],
            "Price": price[rows["sku"]],
            "Cashier": np.where(number % 3 == 0, "Anna Schmidt", "Jonas Weber"),
            "file_day": rows["day"],
        }
    )


def _orders(state: Company) -> pd.DataFrame:
    rows = state.events.table("orders")
    order = rows["order"].to_numpy()
    by_postcode = order % _UNKNOWN_REGION_EVERY == 0
    placed = (rows["status"] == "placed").to_numpy()
    return pd.DataFrame(
        {
            "order_id": np.char.add("W", np.char.zfill(order.astype(str), 8)),
            "line_number": rows["line"],
            "ordered_at": _moment(state, rows["ordered_day"], rows["second"]),
            "sku_id": state.catalogue.skus["sku_id"].to_numpy()[rows["sku"]],
            "ordered_units": rows["units"],
            "unit_price": state.catalogue.skus["unit_price"].to_numpy()[rows["sku"]],
            "ship_to_region_id": np.where(by_postcode, None, _REGIONS[rows["region"]]),
            "country": network.COUNTRY,
            "postal_code": np.where(by_postcode, np.char.add(_POSTAL[rows["region"]].astype(str), "115"), None),
            "status": rows["status"],
            "promised_date": _day(state, rows["promised"]),
            "updated_at": _moment(state, rows["day"], np.where(placed, rows["second"], 86_000)),
            "customer_email": np.char.add(np.char.add("kunde", order.astype(str)), "@example.com"),
            "file_day": rows["day"],
        }
    )


def _returns(state: Company) -> pd.DataFrame:
    rows = state.events.table("returns")
    return pd.DataFrame(
        {
            "return_id": np.char.add("T", rows["number"].to_numpy().astype(str)),
            "line_number": 1,
            "returned_at": _moment(state, rows["day"], np.full(len(rows), 36_000)),
            "node_id": _NODES[rows["node"]],
            "sku_id": state.catalogue.skus["sku_id"].to_numpy()[rows["sku"]],
            "returned_units": rows["units"],
            "condition": np.array(["saleable", "refurbish", "scrap"])[rows["kind"]],
            "order_id": np.char.add("W", np.char.zfill(rows["order"].to_numpy().astype(str), 8)),
            "file_day": rows["day"],
        }
    )


def _shipments(state: Company) -> pd.DataFrame:
    """Two versions a line: when it left and when it arrived."""
    sku_id = state.catalogue.skus["sku_id"].to_numpy()
    parcels, moves = state.events.table("parcels"), state.events.table("moves")
    parcel = pd.DataFrame(
        {
            "shipment_id": np.char.add("S", parcels["number"].to_numpy().astype(str)),
            "line_number": 1,
            "kind": "customer",
            "origin_node_id": _NODES[parcels["node"]],
            "destination_node_id": None,
            "destination_region_id": _REGIONS[parcels["region"]],
            "sku_id": sku_id[parcels["sku"]],
            "shipped_units": parcels["units"],
            "received_units": np.where(parcels["delivered"], parcels["units"], np.nan),
            "shipped_at": _moment(state, parcels["shipped_day"], np.full(len(parcels), 64_800)),
            "promised_date": _day(state, parcels["promised"]),
            "delivered_at": np.where(parcels["delivered"], _moment(state, parcels["day"], np.full(len(parcels), 54_000)), None),
            "freight_cost": np.round(2.5 + 0.9 * parcels["units"], 2),
            "transfer_id": None,
            "order_id": np.char.add("W", np.char.zfill(parcels["order"].to_numpy().astype(str), 8)),
            "updated_at": _moment(state, parcels["day"], np.where(parcels["delivered"], 54_000, 64_800)),
            "file_day": parcels["day"],
        }
    )
    name = np.char.add(np.where(moves["kind"] == "transfer", "M", "I"), moves["number"].to_numpy().astype(str))
    origin = moves["origin"].to_numpy()
    move = pd.DataFrame(
        {
            "shipment_id": name,
            "line_number": moves["sku"] + 1,
            "kind": moves["kind"],
            "origin_node_id": np.where(origin >= 0, _NODES[origin], None),
            "destination_node_id": _NODES[moves["node"]],
            "destination_region_id": None,
            "sku_id": sku_id[moves["sku"]],
            "shipped_units": moves["units"],
            "received_units": np.where(moves["delivered"], moves["received"], np.nan),
            "shipped_at": _moment(state, moves["shipped_day"], np.full(len(moves), 68_400)),
            "promised_date": _day(state, moves["promised"]),
            "delivered_at": np.where(moves["delivered"], _moment(state, moves["day"], np.full(len(moves), 28_800)), None),
            "freight_cost": np.round(0.05 * moves["units"] + 0.5, 2),
            "transfer_id": np.where(moves["kind"] == "transfer", name, None),
            "order_id": None,
            "updated_at": _moment(state, moves["day"], np.where(moves["delivered"], 28_800, 68_400)),
            "file_day": moves["day"],
        }
    )
    both = pd.concat([parcel, move], ignore_index=True)
    return both.assign(received_units=both["received_units"].astype("Int64"))


def _supplier_orders(state: Company) -> pd.DataFrame:
    """A version when ordered and one when received."""
    orders, moves = state.events.table("purchases"), state.events.table("moves")
    received = moves[moves["kind"] == "supplier"]
    both = pd.concat(
        [
            orders.assign(received=0, file_day=orders["day"], second=43_200),
            received.merge(
                orders[["number", "sku", "expected", "day"]].rename(columns={"day": "ordered_day"}), on=["number", "sku"]
            ).assign(file_day=lambda r: r["day"], second=28_800, day=lambda r: r["ordered_day"]),
        ],
        ignore_index=True,
    )
    return pd.DataFrame(
        {
            "supplier_order_id": np.char.add("PO", both["number"].to_numpy().astype(str)),
            "line_number": both["sku"] + 1,
            "sku_id": state.catalogue.skus["sku_id"].to_numpy()[both["sku"]],
            "destination_node_id": _NODES[both["node"]],
            "ordered_units": both["units"],
            "received_units": both["received"],
            "ordered_at": _moment(state, both["day"], np.full(len(both), 43_200)),
            "expected_date": _day(state, both["expected"]),
            "updated_at": _moment(state, both["file_day"], both["second"]),
            "file_day": both["file_day"],
        }
    )


def _snapshots(state: Company) -> pd.DataFrame:
    """Sunday counts in the past, nightly counts in the last four weeks."""
    rows = state.events.table("counts")
    nightly = rows["day"] >= len(state.days) - 28
    sunday = state.days.day_of_week.to_numpy()[rows["day"]] == 6
    rows = rows[nightly | sunday | (rows["day"] == 0)]
    return pd.DataFrame(
        {
            "snapshot_at": _moment(state, rows["day"], np.full(len(rows), 85_800)),
            "node_id": _NODES[rows["node"]],
            "sku_id": state.catalogue.skus["sku_id"].to_numpy()[rows["sku"]],
            "on_hand_units": rows["units"],
            "reserved_units": rows["reserved"],
            "file_day": rows["day"],
        }
    )


def _older_history(state: Company) -> pd.DataFrame:
    """The year before the first day, kept only by category and region."""
    days = pd.date_range(end=state.days[0] - pd.Timedelta(days=1), periods=365)
    skus = state.catalogue.skus
    factor = catalogue.season(skus["category"], days)
    rng = np.random.default_rng(11)
    weight = (network.REGIONS["weight"] / network.REGIONS["weight"].sum()).to_numpy()
    rows = []
    for category in catalogue.CATEGORIES:
        mine = (skus["category"] == category).to_numpy()
        level = (factor[:, mine] * state.catalogue.rate[mine]).sum(axis=1)
        for region, share in zip(_REGIONS, weight, strict=True):
            rows.append(
                pd.DataFrame(
                    {
                        "region_id": region,
                        "category": category,
                        "demand_date": days.strftime("%Y-%m-%d"),
                        "demand_units": rng.poisson(level * share),
                    }
                )
            )
    return pd.concat(rows, ignore_index=True)


def _weather(state: Company) -> pd.DataFrame:
    rng = np.random.default_rng(12)
    angle = 2 * np.pi * (state.days.day_of_year.to_numpy() - 200) / 365.25
    rows = [
        pd.DataFrame(
            {
                "region_id": region,
                "signal_date": state.days.strftime("%Y-%m-%d"),
                "signal_name": "temperature_celsius",
                "signal_value": np.round(10 + 9 * np.cos(angle) + rng.normal(0, 2.5, len(state.days)), 1),
                "file_day": np.arange(len(state.days)),
            }
        )
        for region in _REGIONS
    ]
    return pd.concat(rows, ignore_index=True).sort_values(["signal_date", "region_id"], ignore_index=True)
