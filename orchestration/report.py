"""What a planner wants to see of a published day, read from `published/current` as any reader would.

Belongs here: a few queries on published files and their layout on a terminal. Does not: computing anything new.
"""

import json
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestration import ops_store
from orchestration.import_check import Checked
from orchestration.landing import waiting_files
from orchestration.settings import Settings


class NothingPublishedError(RuntimeError):
    """There is no published day yet."""


def _current(settings: Settings) -> Path:
    link = settings.published / "current"
    if not link.exists():
        raise NothingPublishedError(f"nothing is published below {settings.published}; run a day first: nodewise run")
    return link.resolve()


def _rows(version: Path, query: str, parameters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    with duckdb.connect(str(version / "nodewise.duckdb"), read_only=True) as reader:
        cursor = reader.execute(query, parameters or {})
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def rows_of_current(settings: Settings, query: str, parameters: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of a query on the DuckDB file of the current day.

    Raises
    ------
    NothingPublishedError
        No day was published yet.
    """
    return _rows(_current(settings), query, parameters)


_TRANSFERS = """
select t.*, s.name as sku_name from plan.transfers t left join marts.dim_sku s using (sku_id)
where ($sku = '' or t.sku_id = $sku) and ($node = '' or $node in (t.origin_node_id, t.destination_node_id))
order by net_gain desc, transfer_id limit $limit
"""


def transfers(settings: Settings, *, sku: str = "", node: str = "", limit: int = 20) -> list[dict[str, Any]]:
    """Published transfer lines, most valuable first.

    Raises
    ------
    NothingPublishedError
        No day was published yet.
    """
    return _rows(_current(settings), _TRANSFERS, {"sku": sku, "node": node, "limit": limit})


def transfer_table(rows: list[dict[str, Any]]) -> Table:
    """Lines as a table for a terminal."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, side in (("id", "left"), ("state", "left"), ("SKU", "left"), ("from", "left"), ("to", "left"), ("units", "right"), ("ships", "left"), ("stockout risk there", "right"),
                       ("cost", "right"), ("gain", "right"), ("net", "right"), ("reason", "left"), ("next best origin", "left")):  # fmt: skip
        table.add_column(name, justify=side, no_wrap=name in ("id", "SKU", "units", "ships", "net"))
    for r in rows:
        risk = f"{r['destination_stockout_probability_before']:.0%} > {r['destination_stockout_probability_after']:.0%}"
        cells = (r["transfer_id"][:8], r.get("state", r["status"]), r["sku_id"], r["origin_node_id"], r["destination_node_id"], f"{r['transfer_units']:,}", str(r["ship_date"]), risk,
                 f"{r['transfer_cost']:,.2f}", f"{r['expected_gain']:,.2f}", f"{r['net_gain']:,.2f}", r["reason_code"].replace("_", " "),
                 r["runner_up_origin_node_id"] or "-")  # fmt: skip
        table.add_row(*(Text(cell) for cell in cells))
    return table


def print_day(settings: Settings, console: Console) -> None:
    """Gates, top transfers, what they cost and save, KPIs, where the tables are."""
    version = _current(settings)
    manifest = json.loads((version / "manifest.json").read_text(encoding="utf-8"))
    day = manifest["as_of_date"]
    with ops_store.open_store(settings.ops) as store:
        verdicts = ops_store.verdicts(store, as_of_date=day, input_hash=manifest["input_hash"])
    console.print(f"\nPlan for {day}", style="bold", highlight=False)
    by_gate: dict[str, list[str]] = {}
    for v in verdicts:
        by_gate.setdefault(v.gate, []).append(v.verdict)
    line = "  ".join(f"{gate} {'red' if 'fail' in said else 'warn' if 'warn' in said else 'ok'}" for gate, said in by_gate.items())
    console.print(f"gates      {line}", highlight=False)
    for v in verdicts:
        if v.verdict == "warn":
            console.print(f"           {v.check_name}: {v.message}", markup=False, highlight=False)
    rows = transfers(settings, limit=10)
    console.print("\nTop transfers", style="bold")
    console.print(transfer_table(rows) if rows else "no move pays today")
    _print_money(version, settings.currency, console)
    _print_kpis(version, console)
    console.print(
        f"\ntables     {settings.published / 'current'} (Parquet, nodewise.duckdb, docs/index.html, manifest.json)",
        markup=False,
        highlight=False,
        soft_wrap=True,
    )


def _print_money(version: Path, currency: str, console: Console) -> None:
    total = _rows(
        version,
        """select count(*) as lines, coalesce(sum(transfer_units), 0) as units, coalesce(sum(transfer_cost), 0) as cost,
                  coalesce(sum(expected_gain), 0) as gain, coalesce(sum(net_gain), 0) as net from plan.transfers""",
    )[0]
    orders = _rows(version, "select count(*) as lines, coalesce(sum(ordered_units), 0) as units from plan.replenishments")[0]
    console.print(
        f"\n{total['lines']:,} transfers move {total['units']:,} units: cost {total['cost']:,.0f} {currency}, "
        f"expected gain {total['gain']:,.0f}, net {total['net']:,.0f}",
        highlight=False,
    )
    console.print(f"{orders['lines']:,} replenishments order {orders['units']:,} units", highlight=False)


def _print_kpis(version: Path, console: Console) -> None:
    console.print("\nKPIs", style="bold")
    supply = _rows(
        version,
        "select node_id, days_of_supply, stocked_out_share, below_safety_stock_share from marts.kpi_days_of_supply_node order by node_id",
    )
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("node", "days of supply", "stocked out", "below safety stock"):
        table.add_column(name, justify="left" if name == "node" else "right")
    for r in supply:
        days = "-" if r["days_of_supply"] is None else f"{r['days_of_supply']:.1f}"
        table.add_row(Text(r["node_id"]), days, f"{r['stocked_out_share']:.1%}", f"{r['below_safety_stock_share']:.1%}")
    console.print(table)
    fill = _rows(
        version,
        "select sum(ordered_units) as o, sum(cancelled_units) as c from marts.kpi_fill_rate_region_monthly where month = (select max(month) from marts.kpi_fill_rate_region_monthly)",
    )[0]
    if fill["o"]:
        console.print(f"unit fill rate of the month, e-commerce: {1 - fill['c'] / fill['o']:.2%}", highlight=False)
    error = _rows(
        version,
        "select forecaster, avg(score) as score from marts.kpi_forecast_error where measure = 'wrmsse' and segment = 'all' group by 1 order by 2",
    )
    if error:
        console.print("backtest WRMSSE: " + ", ".join(f"{r['forecaster']} {r['score']:.3f}" for r in error), highlight=False)


def status_of(settings: Settings) -> dict[str, Any]:
    """Published days, waiting files and red gates of a deployment."""
    with ops_store.open_store(settings.ops) as store:
        published = ops_store.publications(store)
        ledger = ops_store.deliveries(store)
        row = store.execute("select as_of_date, input_hash from gates order by evaluation desc limit 1").fetchone()
        verdicts = ops_store.verdicts(store, as_of_date=row[0], input_hash=row[1]) if row else []
    link = settings.published / "current"
    return {
        "data_dir": str(settings.data_dir),
        "current_version": link.resolve().name if link.exists() else None,
        "last_published_day": published[-1].as_of_date if published else None,
        "published_days": len(published),
        "delivered_files": len(ledger),
        "rejected_files": sum(d.status == "rejected" for d in ledger),
        "files_waiting": len(waiting_files(settings.inbox, settings.feeds, settle_seconds=0)),
        "last_evaluated_day": row[0] if row else None,
        "not_ready": _not_ready(settings),
        "red_gates": [f"{v.gate}/{v.check_name}: {v.message}" for v in verdicts if v.verdict == "fail"],
    }


def _not_ready(settings: Settings) -> list[str]:
    path = settings.published / "ops" / "readiness.parquet"
    if not path.exists():
        return []
    with duckdb.connect() as reader:
        rows = reader.execute(
            """select capability, feed || if(column_name = '', '', '.' || column_name), status, without_it from read_parquet(?)
               where status in ('missing', 'incomplete') and is_essential order by all""",
            [str(path)],
        ).fetchall()
    return [f"{capability}: {name} is {status}, {without_it}" for capability, name, status, without_it in rows]


def print_check(checked: Checked, file: Path, out: Console) -> None:
    """What a delivered file would come to."""
    out.print(f"{file.name} as {checked.feed}", style="bold", highlight=False, markup=False)
    if checked.problem:
        out.print(f"refused as a whole: {checked.problem}", style="red", highlight=False, markup=False)
        return
    lines = ", ".join(f"{count:,} {verdict}" for verdict, count in checked.lines.items() if count)
    out.print(f"lines      {lines or 'none'}", highlight=False, markup=False)
    width = max((len(name) for name in checked.mapped), default=0)
    for n, (name, source) in enumerate(checked.mapped.items()):
        out.print(f"{'maps' if n == 0 else '':<11}{name:<{width}}  <-  {source}", highlight=False, markup=False)
    out.print(f"not filled {', '.join(checked.unmapped) or 'nothing'}", highlight=False, markup=False)
    out.print(f"not stored {', '.join(checked.dropped) or 'nothing'}", highlight=False, markup=False)
    for reason, count, line, delivered in checked.reasons:
        out.print(f"quarantine {count:,} x {reason}, first on line {line}: {delivered}", style="yellow", highlight=False, markup=False)
