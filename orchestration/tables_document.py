"""`docs/tables.md`, the contract for BI, written from the frames and the dbt contracts: `python -m orchestration.tables_document`.

Belongs here: the page's text and layout. Does not: what a column means (`planning/vocabulary.py`, the dbt contracts).
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from orchestration.run_day import DBT_PROJECT
from planning.frame import Frame
from planning.frames import DECISIONS
from planning.vocabulary import COLUMNS

PAGE = Path(__file__).resolve().parent.parent / "docs" / "tables.md"
_HEAD = """# Tables

What BI and planners read, below `published/current/<schema>/<table>/`. Facts are partitioned by month, decisions by `as_of_date`, the rest is one
file. `nodewise.duckdb` holds the day's decisions and marts (without the daily facts and the long quantiles) for DuckDB 1.2 and later.
`published/ops/` holds `deliveries`, `quarantine`, `gates`, `readiness`, `transfer_events`, `transfer_states` and `reservations` and is refreshed even when a gate is red. Keys in bold. This page is
written by `python -m orchestration.tables_document`.
"""
_OPS = """## ops

### ops.deliveries

One row per delivered file: ledger_sequence, feed, file_name, file_hash, received_at, status (landed, duplicate, rejected, forgotten), reason,
file_bytes, received_lines = accepted_lines + duplicate_lines + superseded_lines + quarantined_lines, dropped_columns.

### ops.quarantine

One row per rejected line, or field that a line counts without: feed, file_name, source_file_hash, source_line_number, scope (line, field), reason
(`column:what`), delivered (the contract columns as they came).

### ops.gates

One row per evaluation: gate, check_name, as_of_date, input_hash, verdict (pass, warn, fail), message, evaluated_at.

### ops.transfer_events

One row per step of a transfer or replenishment: event_sequence, transfer_id, state (proposed, shadow, approved, rejected, expired, issued, shipped,
received, closed, cancelled), units, actor, reason, at, expected_gain and transfer_cost where other units were approved, event_key.

### ops.transfer_states

One row per transfer or replenishment with its newest step: what was planned (transfer_id, order_kind, as_of_date, sku_id, origin_node_id,
destination_node_id, mode, planned_units, ship_date, arrival_date, transfer_cost, expected_gain, net_gain, reason_code, explanation) and state, units,
actor, reason, at.

### ops.reservations

One row per entry of the reservation ledger: entry, reservation_key, order_id, line_number, sku_id, node_id, units (held: above 0; what ends a hold: below),
reason (held, moved, shipped, released, expired), at, expires_at. Rows of a closed order sum to zero.

### ops.readiness

One row per capability and feed or column it reads: **capability**, **feed**, **column_name** (empty: the feed itself), is_essential, status (ready,
incomplete, missing, not applicable), filled_share, without_it (what is switched off).
"""
_KINDS = {"varchar": "string", "bigint": "integer", "decimal(18,4)": "decimal", "double": "float"}


def document() -> str:
    """The page."""
    parts = [_HEAD, "## forecast and plan\n", *map(_decision, DECISIONS.values())]
    parts += [_model("plan", model) for model in _contracts("plan")]
    parts += ["## marts\n", *(_model("marts", model) for model in _contracts("marts")), _OPS]
    return "\n".join(parts)


def _contracts(layer: str) -> list[dict[str, Any]]:
    return yaml.safe_load((DBT_PROJECT / "models" / layer / f"_{layer}.yml").read_text(encoding="utf-8"))["models"]


def _table(rows: Iterator[tuple[str, str, str]]) -> str:
    return "| column | kind | meaning |\n|---|---|---|\n" + "".join(f"| {name} | {kind} | {meaning} |\n" for name, kind, meaning in rows)


def _decision(frame: Frame) -> str:
    rows = (
        (
            f"**{name}**" if name in frame.keys else name,
            column.kind,
            column.meaning + ("" if name in frame.required else " (may be null)"),
        )
        for name, column in frame.fields.items()
    )
    return f"### {frame.name}\n\nOne row per {frame.grain}.\n\n{_table(rows)}"


def _model(schema: str, model: dict[str, Any]) -> str:
    keys = next(t["unique_combination"]["arguments"]["columns"] for t in model["data_tests"] if "unique_combination" in t)
    rows = (
        (
            f"**{column['name']}**" if column["name"] in keys else column["name"],
            _KINDS.get(column["data_type"], column["data_type"]),
            column.get("description") or (COLUMNS[column["name"]].meaning if column["name"] in COLUMNS else ""),
        )
        for column in model["columns"]
    )
    return f"### {schema}.{model['name']}\n\n{model['description']}\n\n{_table(rows)}"


if __name__ == "__main__":
    sys.stdout.write(f"{PAGE.name}: {PAGE.write_text(document(), encoding='utf-8')} characters\n")
