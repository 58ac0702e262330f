"""The pipeline's private DuckDB file.

Belongs here: opening it, always the same way, and small reads and writes of whole frames. Does not: any business query.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pandas as pd

from planning.frames import Frame

SCHEMAS = ("raw", "staging", "intermediate", "marts", "forecast", "plan", "ops")
_SQL_TYPE = {
    "string": "VARCHAR",
    "integer": "BIGINT",
    "decimal": "DECIMAL(18, 4)",
    "float": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}


@contextmanager
def open_warehouse(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open the file for this process alone: two threads, UTC, nothing fetched from outside.

    The file is private (0600): readers use `published/`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = not path.exists()
    with duckdb.connect(str(path), config={"threads": 2, "memory_limit": "4GB"}) as connection:
        connection.execute(
            "set TimeZone = 'UTC'; set autoinstall_known_extensions = false; set autoload_known_extensions = false; set enable_progress_bar = false"
        )
        if fresh:
            path.chmod(0o600)
        for schema in SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
        yield connection
        connection.execute("checkpoint")


def sql_type(kind: str) -> str:
    """DuckDB type of a column kind."""
    return _SQL_TYPE[kind]


def columns_ddl(frame: Frame) -> str:
    """Column list of a CREATE TABLE for a frame."""
    return ", ".join(f"{name} {sql_type(column.kind)}" for name, column in frame.fields.items())


def replace_day(connection: duckdb.DuckDBPyConnection, frame: Frame, rows: pd.DataFrame, *, as_of_date: str) -> int:
    """Write a day's rows of a decision table in place of what it held for that day; returns the row count."""
    connection.execute(f"create table if not exists {frame.name} ({columns_ddl(frame)})")
    names = ", ".join(frame.fields)
    connection.register("_rows", rows)
    casts = ", ".join(f"{name}::{sql_type(column.kind)} as {name}" for name, column in frame.fields.items())
    order = ", ".join(frame.keys)
    connection.execute("begin")
    if "as_of_date" in frame.fields:
        connection.execute(f"delete from {frame.name} where as_of_date = ?::date", [as_of_date])
    else:
        connection.execute(f"delete from {frame.name}")
    connection.execute(f"insert into {frame.name} ({names}) select {casts} from _rows order by {order}")
    connection.execute("commit")
    connection.unregister("_rows")
    return len(rows)


def has_table(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Whether the relation exists."""
    found = connection.execute(
        "select count(*) from information_schema.tables where table_schema = ? and table_name = ?", [schema, table]
    ).fetchone()
    return bool(found and found[0])
