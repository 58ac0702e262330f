"""The pipeline's private DuckDB file.

Belongs here: opening it, always the same way, and small reads and writes of whole frames. Does not: any business query.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pandas as pd

from planning.frame import Frame

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
    with _connect(path) as connection:
        connection.execute(
            "set TimeZone = 'UTC'; set autoinstall_known_extensions = false; set autoload_known_extensions = false; set enable_progress_bar = false"
        )
        if fresh:
            path.chmod(0o600)
        for schema in SCHEMAS:
            connection.execute(f"create schema if not exists {schema}")
        yield connection
        connection.execute("checkpoint")


class WarehouseError(RuntimeError):
    """The warehouse cannot be opened; the message says who holds it or how to make it again."""


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    """Connect, and wait a little for somebody who should not have the file open."""
    for wait_seconds in (0.5, 1, 2, 4, 0):
        try:
            return duckdb.connect(str(path), config={"threads": 2, "memory_limit": "4GB"})
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise WarehouseError(f"{path} cannot be read ({error}); it is derived: make it again with nodewise rebuild") from error
            held = error
            time.sleep(wait_seconds)
        except duckdb.Error as error:
            raise WarehouseError(f"{path} is damaged ({error}); it is derived: make it again with nodewise rebuild") from error
    raise WarehouseError(f"{path} is held by somebody else ({held}); close it there: readers open published/current instead")


def sql_type(kind: str) -> str:
    """DuckDB type of a column kind."""
    return _SQL_TYPE[kind]


def columns_ddl(frame: Frame) -> str:
    """Column list of a CREATE TABLE for a frame."""
    return ", ".join(f"{name} {sql_type(column.kind)}" for name, column in frame.fields.items())


def replace_day(connection: duckdb.DuckDBPyConnection, frame: Frame, rows: pd.DataFrame, *, as_of_date: str) -> int:
    """Write a day's rows of a decision table in place of what it held for that day; returns the row count."""
    connection.execute(f"create table if not exists {frame.name} ({columns_ddl(frame)})")
    _add_columns(connection, frame)
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


def _add_columns(connection: duckdb.DuckDBPyConnection, frame: Frame) -> None:
    """Columns that the frame has gained since the table was made stand empty in its older days."""
    known = {row[0] for row in connection.execute(f"describe {frame.name}").fetchall()}
    for name, column in frame.fields.items():
        if name not in known:
            connection.execute(f"alter table {frame.name} add column {name} {sql_type(column.kind)}")


def has_table(connection: duckdb.DuckDBPyConnection, schema: str, table: str) -> bool:
    """Whether the relation exists."""
    found = connection.execute(
        "select count(*) from information_schema.tables where table_schema = ? and table_name = ?", [schema, table]
    ).fetchone()
    return bool(found and found[0])
