"""SCMS (USAID health supplies) as a shipments feed: promised and delivered days, modes, and freight that is often a sentence.

    python -m benchmarks.real.scms --data DIR --out DIR

Lines keep what they say. Countries are nodes, a shipment leaves when its order was sent to the vendor (where nobody captured that,
on the day it arrived). Belongs here: the mapping, and what the facts say of it. Does not: anything the product needs.
"""

import argparse
import datetime as dt
import json
from pathlib import Path

import duckdb
import yaml

from orchestration import landing, ops_store, ops_tables, raw_tables, run_day
from orchestration.dbt import invoke
from orchestration.deployment import Deployment
from orchestration.settings import load_settings
from orchestration.warehouse import open_warehouse

LAST_DAY = dt.date(2015, 12, 31)
_SHIPMENTS = """
select *, strftime(least(coalesce(po_sent_to_vendor_date_parsed, pq_first_sent_to_client_date_parsed, delivered_to_client_date_parsed),
                         delivered_to_client_date_parsed), '%Y-%m-%dT00:00:00Z') as left_at,
    strftime(delivered_to_client_date_parsed, '%Y-%m-%dT12:00:00Z') as arrived_at
from read_parquet($path) order by id
"""
_MASTERS = {
    "skus": "select item_description as sku_id, any_value(product_group) as category, round(median(pack_price), 4) as unit_cost, round(median(pack_price), 4) as unit_price from read_parquet($path) group by all order by 1",
    "nodes": "select distinct country as node_id, 'regional_dc' as node_type, 'UTC' as time_zone from read_parquet($path) order by 1",
}
_MAPPING = {
    "columns": {
        "shipment_id": "id",
        "mode": "shipment_mode",
        "destination_node_id": "country",
        "sku_id": "item_description",
        "shipped_units": "line_item_quantity",
        "shipped_at": "left_at",
        "delivered_at": "arrived_at",
        "promised_date": "scheduled_delivery_date",
        "freight_cost": "freight_cost_usd",
    },
    "constants": {"line_number": "1", "kind": "supplier"},
    "fields_set_aside": ["freight_cost"],
}


def write_deployment(data: Path, out: Path) -> Path:
    """Write inbox and settings and return the settings' path."""
    path = str(data / "scms" / "scms_delivery_history.parquet")
    with duckdb.connect() as connection:
        for feed, query in {"shipments": _SHIPMENTS, **_MASTERS}.items():
            folder = out / "inbox" / feed
            folder.mkdir(parents=True, exist_ok=True)
            connection.execute(query, {"path": path}).df().to_csv(folder / f"{feed}.csv", index=False)
    settings = {"currency": "USD", "time_zone": "UTC", "data_dir": ".", "first_date": "2005-01-01",
                "feeds": {"shipments": _MAPPING, "skus": {}, "nodes": {}}}  # fmt: skip
    (out / "settings.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return out / "settings.yaml"


def facts_of(settings_file: Path) -> dict[str, object]:
    """Land, load and build what shipments alone allow; returns the counts to hold against the data's own description."""
    settings = load_settings(settings_file)
    landing.land_inbox(settings, settle_seconds=0)
    with ops_store.open_store(settings.ops) as store:
        ledger = ops_store.deliveries(store)
    with open_warehouse(settings.warehouse) as warehouse:
        raw_tables.create_tables(warehouse)
        for feed in raw_tables.LOAD_ORDER:
            raw_tables.load_feed(warehouse, settings, feed, ledger)
        run_day.open_day(warehouse, settings, ledger, LAST_DAY, run_day.nothing_open())
        ops_tables.create_decision_tables(warehouse)
    built, _ = invoke(
        [
            "build",
            "--exclude-resource-type",
            "unit_test",
            "--indirect-selection",
            "buildable",
            "--select",
            "+kpi_on_time_monthly",
            "int_held_lines",
        ],
        folder=settings.data_dir / "dbt" / "facts",
        warehouse=settings.warehouse,
    )
    ops_tables.build(Deployment(settings))
    with open_warehouse(settings.warehouse) as warehouse:
        counts = warehouse.execute("select count(*), count(freight_cost) from raw.shipments").fetchone() or (0, 0)
        aside = warehouse.execute("select scope, reason, count(*) from ops.quarantine group by all order by all").fetchall()
        on_time = warehouse.execute("select sum(on_time_rate * delivered_count) / sum(delivered_count) from marts.kpi_on_time_monthly")
        rate = on_time.fetchone()
        modes = warehouse.execute("select mode, count(*) from raw.shipments group by all order by 2 desc").fetchall()
        wrong = raw_tables.unaccounted_files(warehouse, ledger)
    return {
        "shipments": counts[0],
        "freight_numeric": counts[1],
        "quarantine": [list(row) for row in aside],
        "on_time_rate": round(float(rate[0]), 4) if rate else None,
        "modes": dict(modes),
        "files_that_do_not_add_up": wrong,
        "failed": [r.node.name for r in built.results if r.status not in ("success", "pass")],
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--data", type=Path, required=True, help="folder that holds scms/")
    parser.add_argument("--out", type=Path, required=True, help="where the deployment is written")
    chosen = parser.parse_args()
    print(json.dumps(facts_of(write_deployment(chosen.data, chosen.out)), indent=1))


if __name__ == "__main__":
    main()
