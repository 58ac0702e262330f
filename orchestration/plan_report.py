"""What a planner wants to see of single lines: explained, compared with the day before, in their state.

Belongs here: a few queries on published files and their layout on a terminal. Does not: the day as a whole (`report.py`), computing anything new.
"""

from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.table import Table
from rich.text import Text

from orchestration.report import NothingPublishedError
from orchestration.settings import Settings
from orchestration.transfer_ledger import Transfer
from planning.vocabulary import RUNNER_UP_REASONS


def _parts(settings: Settings, table: str) -> dict[str, Path]:
    """Published files of a decision table, by day, oldest first."""
    current = settings.published / "current"
    if not current.exists():
        raise NothingPublishedError(f"nothing is published below {settings.published}; run a day first: nodewise run")
    found = sorted((current.resolve() / table.replace(".", "/")).glob("as_of_date=*/part.parquet"))
    return {path.parent.name.removeprefix("as_of_date="): path for path in found}


def _query(query: str, parameters: list[Any]) -> list[dict[str, Any]]:
    with duckdb.connect() as reader:
        cursor = reader.execute(query, parameters)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def explained(settings: Settings, transfer_id: str, as_of_date: str) -> dict[str, Any] | None:
    """The published line of a transfer with its steps; None where its day is not kept any more, or it is a replenishment."""
    parts = _parts(settings, "plan.transfers")
    if as_of_date not in parts:
        return None
    rows = _query("select * from read_parquet(?) where transfer_id = ?", [str(parts[as_of_date]), transfer_id])
    if not rows:
        return None
    steps = _parts(settings, "plan.transfer_steps").get(as_of_date)
    table = _query("select * from read_parquet(?) where transfer_id = ? order by step_units", [str(steps), transfer_id]) if steps else []
    return rows[0] | {"steps": table}


def print_explained(out: Console, transfer: Transfer, told: dict[str, Any] | None, events: list[tuple]) -> None:
    """A line in full."""
    origin = transfer.origin_node_id or "the supplier"
    out.print(
        f"{transfer.transfer_id}  {transfer.units:,} of {transfer.sku_id}  {origin} -> {transfer.destination_node_id}  ({transfer.state})",
        style="bold", markup=False, highlight=False,
    )  # fmt: skip
    out.print(transfer.explanation, markup=False, highlight=False)
    if told:
        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in ("", "days of supply before", "after", "stockout risk before", "after"):
            table.add_column(name, justify="right" if name else "left")
        for end, node in (("origin", told["origin_node_id"]), ("destination", told["destination_node_id"])):
            days = [_days(told[f"{end}_days_of_supply_{when}"]) for when in ("before", "after")]
            risk = [f"{told[f'{end}_stockout_probability_{when}']:.1%}" for when in ("before", "after")]
            table.add_row(Text(node), *days, *risk)
        out.print(table)
        out.print(f"why        {told['reason_code'].replace('_', ' ')}", highlight=False)
        out.print(
            f"money      gains {told['expected_gain']:,.2f}, costs {told['transfer_cost']:,.2f}, nets {told['net_gain']:,.2f}",
            highlight=False,
        )
        if told["runner_up_origin_node_id"]:
            extra, why = told["runner_up_extra_cost_per_unit"], RUNNER_UP_REASONS[told["runner_up_reason"]]
            out.print(f"runner-up  {told['runner_up_origin_node_id']}, {extra:,.2f} a unit dearer: {why}", markup=False, highlight=False)
        else:
            out.print("runner-up  none: no other node could send a case", highlight=False)
        out.print(f"dual price of what it shares  {told['capacity_price_per_unit']:,.3f} a unit", highlight=False)
        _print_steps(out, told["steps"], transfer.planned_units)
    for at, state, units, actor, reason in events:
        out.print(f"{at[:19]}  {state:<9} {units:>7,}  {actor}{'  ' + reason if reason else ''}", markup=False, highlight=False)


def _print_steps(out: Console, steps: list[dict[str, Any]], planned: int) -> None:
    if not steps:
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("units instead", "gain", "cost", "net", "risk there", "risk here"):
        table.add_column(name, justify="right")
    for s in steps:
        mark = " *" if s["step_units"] == planned else ""
        money = (f"{s[name]:,.2f}" for name in ("expected_gain", "transfer_cost", "net_gain"))
        risk = (f"{s[f'{end}_stockout_probability_after']:.0%}" for end in ("destination", "origin"))
        table.add_row(f"{s['step_units']:,}{mark}", *money, *risk)
    out.print(table)


def _days(days: float | None) -> str:
    return "-" if days is None else f"{days:.1f}"


_DIFF = """
with today as (select * from read_parquet(?)), before as (select * from read_parquet(?))
select coalesce(t.sku_id, b.sku_id) as sku_id, coalesce(t.origin_node_id, b.origin_node_id) as origin_node_id,
    coalesce(t.destination_node_id, b.destination_node_id) as destination_node_id,
    case when b.sku_id is null then 'new' when t.sku_id is null then 'gone' when t.transfer_units > b.transfer_units then 'larger'
        when t.transfer_units < b.transfer_units then 'smaller' else 'same' end as change,
    b.transfer_units as units_before, t.transfer_units as units_now, b.net_gain as net_before, t.net_gain as net_now,
    b.destination_stockout_probability_before as risk_before, t.destination_stockout_probability_before as risk_now,
    coalesce(b.transfer_id, t.transfer_id) as transfer_id
from today t full join before b using (sku_id, origin_node_id, destination_node_id, mode)
order by abs(coalesce(t.net_gain, 0) - coalesce(b.net_gain, 0)) desc, 1, 2, 3
"""


def plan_diff(settings: Settings, against: str) -> tuple[tuple[str, str], list[dict[str, Any]]]:
    """The two days compared, and every line of either with what changed, the most money first.

    Raises
    ------
    NothingPublishedError, LookupError
        There are not two days to compare.
    """
    parts = _parts(settings, "plan.transfers")
    today = max(parts)
    earlier = [day for day in parts if day < today]
    before = against or (earlier[-1] if earlier else "")
    if before not in parts:
        raise LookupError(f"no plan of {before or 'a day before'} is kept; days are {', '.join(parts)}")
    return (before, today), _query(_DIFF, [str(parts[today]), str(parts[before])])


def print_diff(out: Console, days: tuple[str, str], rows: list[dict[str, Any]], limit: int) -> None:
    """What changed, in a sentence and a table."""
    counts = {word: sum(row["change"] == word for row in rows) for word in ("new", "gone", "larger", "smaller", "same")}
    net = [sum(row[name] or 0.0 for row in rows) for name in ("net_before", "net_now")]
    said = ", ".join(f"{count} {word}" for word, count in counts.items())
    out.print(f"{days[0]} -> {days[1]}: {said}; net {net[0]:,.0f} -> {net[1]:,.0f}", style="bold", highlight=False)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("change", "SKU", "from", "to", "units", "net", "stockout risk there"):
        table.add_column(name, justify="right" if name in ("units", "net", "stockout risk there") else "left")
    for row in [row for row in rows if row["change"] != "same"][:limit]:
        units = f"{row['units_before'] or 0:,} > {row['units_now'] or 0:,}"
        money = f"{row['net_before'] or 0:,.2f} > {row['net_now'] or 0:,.2f}"
        risk = " > ".join("-" if row[name] is None else f"{row[name]:.0%}" for name in ("risk_before", "risk_now"))
        table.add_row(row["change"], Text(row["sku_id"]), Text(row["origin_node_id"]), Text(row["destination_node_id"]), units, money, risk)
    out.print(table)


def order_table(found: list[Transfer]) -> Table:
    """Transfers and replenishments with who moved them last."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("id", "state", "kind", "SKU", "from", "to", "planned", "units", "ships", "by", "reason"):
        table.add_column(name, justify="right" if name in ("planned", "units") else "left", no_wrap=name in ("id", "SKU", "ships"))
    for t in found:
        cells = (t.transfer_id[:8], t.state, t.order_kind.replace("_", " "), t.sku_id, t.origin_node_id or "supplier", t.destination_node_id,
                 f"{t.planned_units:,}", f"{t.units:,}", t.ship_date, t.actor, t.reason)  # fmt: skip
        table.add_row(*(Text(cell) for cell in cells))
    return table
