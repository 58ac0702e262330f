"""What happened to every file, line, gate and transfer, for analysts: the tables of the schema `ops`.

Belongs here: copying operational state into the warehouse and into `published/ops`, which is refreshed even when a gate is red.
Does not: the state itself (`ops_store.py`).
"""

from dataclasses import asdict

import duckdb
import pandas as pd

from orchestration import ops_store
from orchestration.deployment import Deployment
from orchestration.readiness import readiness
from orchestration.warehouse import columns_ddl, has_table
from planning.frames import DECISIONS

TABLES = ("deliveries", "quarantine", "gates", "readiness", "transfer_events", "transfer_states", "reservations")
_DELIVERIES = """
create or replace table ops.deliveries as
with counted as (
    select feed, source_file_hash,
        coalesce(sum(lines) filter (where status = 'accepted'), 0)::bigint as accepted_lines,
        coalesce(sum(lines) filter (where status = 'duplicate'), 0)::bigint as duplicate_lines,
        coalesce(sum(lines) filter (where status = 'superseded'), 0)::bigint as superseded_lines,
        coalesce(sum(lines) filter (where status = 'quarantined'), 0)::bigint as quarantined_lines
    from raw.file_lines group by all
), held as (select feed, source_file_hash, count(*) as held_lines from held_lines group by all)
select l.ledger_sequence, l.feed, l.file_name, l.file_hash, l.received_at, l.status, l.reason, l.file_bytes, l.received_lines,
    case when l.status in ('landed', 'forgotten') then counted.accepted_lines - coalesce(held.held_lines, 0) else 0 end as accepted_lines,
    case when l.status in ('landed', 'forgotten') then counted.duplicate_lines when l.status = 'duplicate' then l.received_lines else 0 end as duplicate_lines,
    case when l.status in ('landed', 'forgotten') then counted.superseded_lines else 0 end as superseded_lines,
    case when l.status in ('landed', 'forgotten') then counted.quarantined_lines + coalesce(held.held_lines, 0) else 0 end as quarantined_lines,
    l.dropped_columns
from ledger l
left join counted on counted.feed = l.feed and counted.source_file_hash = l.file_hash
left join held on held.feed = l.feed and held.source_file_hash = l.file_hash
order by l.ledger_sequence
"""
_QUARANTINE = """
create or replace table ops.quarantine as
select q.feed, l.file_name, q.source_file_hash, q.source_line_number, q.scope, q.reason, q.delivered
from (
    select feed, source_file_hash, source_line_number, scope, reason, delivered from raw.quarantined_lines
    union all select feed, source_file_hash, source_line_number, 'line', reason, delivered from held_lines
) q
left join (select * from ledger where status in ('landed', 'forgotten')) l on l.feed = q.feed and l.file_hash = q.source_file_hash
order by q.feed, l.file_name, q.source_line_number
"""


def create_decision_tables(warehouse: duckdb.DuckDBPyConnection) -> None:
    """Create the forecast and plan tables that dbt reads, empty where the day has not come to them yet."""
    for frame in DECISIONS.values():
        warehouse.execute(f"create table if not exists {frame.name} ({columns_ddl(frame)})")


def build(deployment: Deployment) -> dict[str, int]:
    """Write the ops tables into the warehouse and into `published/ops`; returns row counts."""
    with deployment.ops() as store:
        ledger = pd.DataFrame([asdict(d) for d in ops_store.deliveries(store)])
        gates = pd.read_sql_query("select gate, check_name, as_of_date, input_hash, verdict, message, evaluated_at from gates", store)
        copied = {
            "transfer_events": pd.read_sql_query("select * from transfer_events order by event_sequence", store),
            "transfer_states": pd.read_sql_query("select * from transfer_states order by as_of_date, transfer_id", store),
            "reservations": pd.read_sql_query("select * from reservations order by entry", store),
        }
    counts: dict[str, int] = {}
    with deployment.warehouse() as warehouse:
        if ledger.empty or not has_table(warehouse, "raw", "file_lines"):
            return dict.fromkeys(TABLES, 0)
        warehouse.register("ledger", ledger)
        warehouse.register("gate_rows", gates)
        held = "intermediate.int_held_lines" if has_table(warehouse, "intermediate", "int_held_lines") else None
        empty = "(select null::varchar feed, null::varchar source_file_hash, null::bigint source_line_number, null::varchar reason, null::varchar delivered limit 0)"
        warehouse.execute(f"create or replace temp view held_lines as select * from {held or empty}")
        warehouse.execute(_DELIVERIES)
        warehouse.execute(_QUARANTINE)
        warehouse.execute("create or replace table ops.gates as select * from gate_rows")
        warehouse.register("readiness_rows", readiness(warehouse, deployment.settings))
        warehouse.execute("create or replace table ops.readiness as select * from readiness_rows")
        for name, rows in copied.items():
            warehouse.register("copied_rows", rows)
            warehouse.execute(f"create or replace table ops.{name} as select * from copied_rows")
            warehouse.unregister("copied_rows")
        folder = deployment.settings.published / "ops"
        folder.mkdir(parents=True, exist_ok=True)
        for table in TABLES:
            part, path = folder / f".{table}.part", folder / f"{table}.parquet"
            warehouse.execute(f"copy ops.{table} to '{part}' (format parquet, compression zstd)")
            part.replace(path)
            row = warehouse.execute(f"select count(*) from ops.{table}").fetchone()
            counts[table] = row[0] if row else 0
        warehouse.unregister("ledger")
        warehouse.unregister("gate_rows")
        warehouse.unregister("readiness_rows")
    return counts
