"""Ingest and facts at the size of M5's full history: 30,490 series x 1,941 days, a receipt line each.

    python -m benchmarks --scale 1          # 59 million lines; 0.1 by default

Peers in the same run: DuckDB reading the same files once (the floor), and the same daily fact in pandas on a tenth of the lines.
Each stage runs in a process of its own, so that its peak memory is its own. Belongs here: the panel and the table of figures.
"""

import datetime as dt
import itertools
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import yaml

STORES, SKUS, DAYS = 10, 3_049, 1_941
FIRST = dt.date(2011, 1, 29)


def write_panel(folder: Path, *, skus: int, suffix: str) -> Path:
    """A deployment whose inbox holds the panel, a file a year, and one further day in `tomorrow/`; returns its settings."""
    inbox = folder / "inbox"
    for feed in ("pos_sales", "nodes", "regions", "skus", "inventory_snapshots"):
        (inbox / feed).mkdir(parents=True)
    (folder / "tomorrow").mkdir()
    options = "(header)" if suffix == ".csv" else "(format parquet, compression zstd)"
    with duckdb.connect() as c:
        c.execute("set preserve_insertion_order = false; set enable_progress_bar = false")
        lines = f"""
            select 'r' || t || '-' || s || '-' || k as receipt_id, 1 as line_number,
                   strftime(timestamp '{FIRST} 08:00:00' + to_days(t::integer) + to_seconds((hash(k, t) % 36000)::integer), '%Y-%m-%dT%H:%M:%SZ') as sold_at,
                   'store' || s as node_id, 'sku' || lpad(k::varchar, 5, '0') as sku_id, 1 + hash(s, k, t) % 7 as sold_units, 2.5 + k % 90 as unit_price
            from range({STORES}) a(s) cross join range({skus}) b(k)"""
        edges = [*range(0, DAYS, 365), DAYS]
        for first, last in itertools.pairwise(edges):
            c.execute(f"copy ({lines} cross join range({first}, {last}) d(t)) to '{inbox}/pos_sales/pos_{first:04d}{suffix}' {options}")
        c.execute(f"copy ({lines} cross join range({DAYS}, {DAYS + 1}) d(t)) to '{folder}/tomorrow/pos_new{suffix}' {options}")
        c.execute(
            f"copy (select 'store' || s as node_id, 'store' as node_type, 'r' || s as region_id from range({STORES}) a(s)) to '{inbox}/nodes/n.csv' (header)"
        )
        c.execute(f"copy (select 'r' || s as region_id, 'UTC' as time_zone from range({STORES}) a(s)) to '{inbox}/regions/r.csv' (header)")
        c.execute(
            f"""copy (select 'sku' || lpad(k::varchar, 5, '0') as sku_id, 'c' || k % 7 as category, 1 as unit_cost, 2.5 + k % 90 as unit_price
                      from range({skus}) b(k)) to '{inbox}/skus/s.csv' (header)"""
        )
        c.execute(
            f"""copy (select '{FIRST}T06:00:00Z' as snapshot_at, 'store' || s as node_id, 'sku' || lpad(k::varchar, 5, '0') as sku_id, 20000 as on_hand_units
                      from range({STORES}) a(s) cross join range({skus}) b(k)) to '{inbox}/inventory_snapshots/i.csv' (header)"""
        )
    settings = {"currency": "EUR", "time_zone": "UTC", "data_dir": ".", "first_date": FIRST.isoformat(),
                "feeds": {feed: {} for feed in ("pos_sales", "nodes", "regions", "skus", "inventory_snapshots")}}  # fmt: skip
    (folder / "settings.yaml").write_text(yaml.safe_dump(settings))
    return folder / "settings.yaml"


# ------------------------------------------------------------------------------------------- stages, each in a process
def floor(folder: Path, suffix: str) -> dict:
    """DuckDB reads the files once."""
    types = "{receipt_id: 'VARCHAR', line_number: 'BIGINT', sold_at: 'TIMESTAMPTZ', node_id: 'VARCHAR', sku_id: 'VARCHAR', sold_units: 'BIGINT', unit_price: 'DECIMAL(18, 4)'}"
    source = (
        f"read_csv('{folder}/inbox/pos_sales/*.csv', columns = {types}, header = true)"
        if suffix == ".csv"
        else f"read_parquet('{folder}/inbox/pos_sales/*.parquet')"
    )
    with duckdb.connect(config={"threads": 2, "memory_limit": "4GB"}) as c:
        c.execute("set TimeZone = 'UTC'")
        names = ["receipt_id", "line_number", "sold_at", "node_id", "sku_id", "sold_units", "unit_price"]
        c.execute(f"select {', '.join(f'max({name})' for name in names)}, count(*) from {source}").fetchone()
    return {}


def pandas_facts(folder: Path, suffix: str) -> dict:
    """The daily fact of a tenth of the SKUs in pandas."""
    import pandas as pd

    tenth = []
    for path in sorted((folder / "inbox" / "pos_sales").glob(f"*{suffix}")):
        rows = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
        tenth.append(rows[rows["sku_id"].str[-1] == "0"])
    rows = pd.concat(tenth)
    rows = rows.drop_duplicates(["receipt_id", "line_number"])
    rows["stock_date"] = pd.to_datetime(rows["sold_at"], utc=True).dt.tz_convert("UTC").dt.date
    facts = rows.groupby(["sku_id", "node_id", "stock_date"], as_index=False)["sold_units"].sum()
    return {"lines": len(rows), "rows": len(facts)}


def ingest(folder: Path, suffix: str) -> dict:
    """Landing, raw tables and the day, as the run's first assets do it."""
    from orchestration import landing, ops_store, raw_tables, run_day
    from orchestration.settings import load_settings
    from orchestration.warehouse import open_warehouse

    settings = load_settings(folder / "settings.yaml")
    start = time.perf_counter()
    landing.land_inbox(settings, settle_seconds=0)
    landed = time.perf_counter() - start
    with ops_store.open_store(settings.ops) as store:
        ledger = ops_store.deliveries(store)
    with open_warehouse(settings.warehouse) as warehouse:
        raw_tables.create_tables(warehouse)
        lines = [raw_tables.load_feed(warehouse, settings, feed, ledger).lines.get("accepted", 0) for feed in raw_tables.LOAD_ORDER]
        last = warehouse.execute("select max(sold_at)::date from raw.pos_sales").fetchone()[0]
        run_day.open_day(warehouse, settings, ledger, last, run_day.nothing_open())
    return {"lines": sum(lines), "landing_seconds": round(landed, 1)}


def facts(folder: Path, suffix: str) -> dict:
    """dbt builds and tests every fact; the window says how much."""
    from orchestration import ops_tables, run_day
    from orchestration.dbt import SECOND_PASS, invoke, project
    from orchestration.settings import load_settings
    from orchestration.warehouse import open_warehouse

    settings = load_settings(folder / "settings.yaml")
    project()
    with open_warehouse(settings.warehouse) as warehouse:
        fresh = run_day.facts_stand(warehouse)
        ops_tables.create_decision_tables(warehouse)
    arguments = ["build", "--exclude-resource-type", "unit_test", "--exclude", *SECOND_PASS.split(), *([] if fresh else ["--full-refresh"])]
    result, _ = invoke(arguments, folder=settings.data_dir / "dbt" / "facts", warehouse=settings.warehouse)
    bad = [r.node.name for r in result.results if r.status in ("fail", "error")]
    with open_warehouse(settings.warehouse) as warehouse:
        run_day.mark_facts_built(warehouse, run_day.read_day(warehouse))
        rows = warehouse.execute("select count(*) from marts.fct_sku_node_daily").fetchone()[0]
    slowest = max((r for r in result.results if r.node.resource_type == "model"), key=lambda r: r.execution_time)
    return {"rows": rows, "bad": bad, "slowest_model": f"{slowest.node.name} {slowest.execution_time:.1f} s"}


_STAGES = {"floor": floor, "pandas": pandas_facts, "ingest": ingest, "facts": facts}


def _timed(stage: str, folder: Path, suffix: str) -> dict:
    """Seconds, peak memory and what the stage says, from a process of its own."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ingest", stage, str(folder), suffix], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{stage}: {done.stderr[-2000:]}")
    return {"seconds": time.perf_counter() - start, **json.loads(done.stdout.splitlines()[-1])}


def _measure(skus: int, suffix: str) -> dict[str, float]:
    """One panel from files to facts, and one day more; prints its table and returns the seconds of the full build."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_panel(folder, skus=skus, suffix=suffix)
        lines = STORES * skus * DAYS
        print(
            f"\n{lines:,} lines, {suffix[1:]}: {sum(f.stat().st_size for f in (folder / 'inbox' / 'pos_sales').iterdir()) / 1e9:.2f} GB of files"
        )
        bottom, peer = _timed("floor", folder, suffix), _timed("pandas", folder, suffix)
        took, built = _timed("ingest", folder, suffix), _timed("facts", folder, suffix)
        disk = sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and "inbox" not in f.parts and "tomorrow" not in f.parts)
        for path in (folder / "tomorrow").iterdir():
            path.replace(folder / "inbox" / "pos_sales" / path.name)
        took_day, built_day = _timed("ingest", folder, suffix), _timed("facts", folder, suffix)
        full = took["seconds"] + built["seconds"]
        day = took_day["seconds"] + built_day["seconds"]
        scaled = peer["seconds"] * lines / peer["lines"]
        print(f"{'':<34}{'seconds':>9}{'peak GB':>9}{'lines/s':>13}{'x floor':>9}{'x pandas':>9}")
        for label, seconds, gigabytes in (
            ("DuckDB reads the files once", bottom["seconds"], bottom["gigabytes"]),
            ("pandas, a tenth (x10: scaled)", scaled, peer["gigabytes"]),
            (f"ingest (landing {took['landing_seconds']} s)", took["seconds"], took["gigabytes"]),
            ("facts, full build and tests", built["seconds"], built["gigabytes"]),
            ("full build", full, max(took["gigabytes"], built["gigabytes"])),
            ("one new day", day, max(took_day["gigabytes"], built_day["gigabytes"])),
        ):
            print(
                f"{label:<34}{seconds:>9.1f}{gigabytes:>9.2f}{lines / seconds:>13,.0f}{seconds / bottom['seconds']:>9.2f}{seconds / scaled:>9.2f}"
            )
        print(
            f"on disk (landing, warehouse) {disk / 1e9:.2f} GB; slowest model {built['slowest_model']}, on the new day {built_day['slowest_model']}; red tests {built['bad'] + built_day['bad'] or 'none'}"
        )
    return {"full": full, "day": day}


def main(scale: float) -> None:
    """Print the tables and how the cost grows from a tenth of the SKUs to all of them."""
    skus = max(10, round(SKUS * scale))
    tables = {(part, suffix): _measure(part, suffix) for part, suffix in ((max(1, skus // 10), ".csv"), (skus, ".csv"), (skus, ".parquet"))}
    few, many = tables[(max(1, skus // 10), ".csv")], tables[(skus, ".csv")]
    for name in ("full", "day"):
        print(
            f"growth of the {name} from a tenth of the SKUs to all: exponent {math.log(many[name] / few[name]) / math.log(skus / max(1, skus // 10)):.2f}"
        )


if __name__ == "__main__":
    said = _STAGES[sys.argv[1]](Path(sys.argv[2]), sys.argv[3])
    print(json.dumps({**said, "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6}))
