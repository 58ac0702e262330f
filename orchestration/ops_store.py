"""Operational state in `ops.sqlite`: the file ledger, the gate verdicts, what was published.

Belongs here: the tables that must outlive the warehouse, and their reads and writes. Does not: analytics (the warehouse), nor
the rules that decide a verdict (`checks.py`). Append-only: rows are added, never changed, so any past day can be explained.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from orchestration.ops_schema import ADDED, SCHEMA

_STATUS = (
    "case when status = 'landed' and (feed, file_hash) in (select feed, file_hash from forgotten_files) then 'forgotten' else status end"
)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivered file in the ledger."""

    ledger_sequence: int
    feed: str
    file_hash: str
    file_name: str
    received_at: str
    file_bytes: int
    received_lines: int
    status: str
    reason: str
    column_types: str
    dropped_columns: str
    is_verified: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The newest evaluation of one check for a day and its inputs."""

    gate: str
    check_name: str
    verdict: str
    message: str


@dataclass(frozen=True, slots=True)
class Publication:
    """One published day."""

    as_of_date: str
    version: str
    ledger_sequence: int
    input_hash: str
    model_version: str | None
    settings_hash: str
    content_hashes: dict[str, str]
    published_at: str
    event_sequence: int = 0
    reservation_sequence: int = 0


@contextmanager
def open_store(path: Path) -> Iterator[sqlite3.Connection]:
    """Open (and create) the store; commits when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path, timeout=30, isolation_level="IMMEDIATE")
    try:
        connection.execute("pragma journal_mode = wal")
        connection.executescript(SCHEMA)
        for table, column in ADDED:
            if column.split()[0] not in {row[1] for row in connection.execute(f"pragma table_info({table})")}:
                connection.execute(f"alter table {table} add column {column}")
        with connection:
            yield connection
    finally:
        connection.close()


def add_delivery(store: sqlite3.Connection, *, days: list[tuple[str, str, int]], **row: object) -> int:
    """Append a file to the ledger with its (node, day, lines) and return its sequence number."""
    names = ", ".join(row)
    cursor = store.execute(f"insert into deliveries ({names}) values ({', '.join('?' * len(row))})", tuple(row.values()))
    store.executemany("insert into delivered_days values (?, ?, ?, ?, ?)", [(row["feed"], row["file_hash"], *day) for day in days])
    return int(cursor.lastrowid or 0)


def deliveries(store: sqlite3.Connection, *, through: int | None = None) -> list[Delivery]:
    """The ledger in order, cut at a sequence number; a landed file whose lines are no longer kept is called forgotten."""
    return _read(store, "ledger_sequence <= coalesce(?, ledger_sequence)", (through,))


def _read(store: sqlite3.Connection, where: str, values: tuple[object, ...]) -> list[Delivery]:
    names = ", ".join(_STATUS if field.name == "status" else field.name for field in fields(Delivery))
    rows = store.execute(f"select {names} from deliveries where {where} order by ledger_sequence", values)
    return [Delivery(*row) for row in rows]


def landed_before(store: sqlite3.Connection, first_kept: str, feeds: tuple[str, ...]) -> list[Delivery]:
    """Landed files of some feeds whose days all lie before a day (ISO) and that are not forgotten yet."""
    old = (
        f"status = 'landed' and feed in ({', '.join('?' * len(feeds))}) and (feed, file_hash) not in (select feed, file_hash from forgotten_files) and (feed, file_hash) in"
        " (select feed, file_hash from delivered_days group by feed, file_hash having max(day) < ?)"
    )
    return _read(store, old, (*feeds, first_kept))


def forget(store: sqlite3.Connection, delivery: Delivery, *, at: str) -> None:
    """Remember that the lines of a landed file are no longer kept."""
    store.execute("insert into forgotten_files values (?, ?, ?)", (delivery.feed, delivery.file_hash, at))


def landed_sequence(store: sqlite3.Connection, feed: str, file_hash: str) -> int | None:
    """Sequence number under which these bytes were landed, None when they are new."""
    row = store.execute(
        "select ledger_sequence from deliveries where feed = ? and file_hash = ? and status = 'landed'", (feed, file_hash)
    ).fetchone()
    return row[0] if row else None


def received_lines(store: sqlite3.Connection, ledger_sequence: int) -> int:
    """Lines of a delivery."""
    row = store.execute("select received_lines from deliveries where ledger_sequence = ?", (ledger_sequence,)).fetchone()
    return int(row[0])


def add_verdict(
    store: sqlite3.Connection, *, gate: str, check: str, as_of_date: str, input_hash: str, verdict: str, message: str, at: str
) -> None:
    """Append one evaluation."""
    store.execute(
        "insert into gates (gate, check_name, as_of_date, input_hash, verdict, message, evaluated_at) values (?, ?, ?, ?, ?, ?, ?)",
        (gate, check, as_of_date, input_hash, verdict, message, at),
    )


def verdicts(store: sqlite3.Connection, *, as_of_date: str, input_hash: str) -> list[Verdict]:
    """The newest verdict of every check for the day and inputs."""
    rows = store.execute(
        """select gate, check_name, verdict, message from gates
           where evaluation in (select max(evaluation) from gates where as_of_date = ? and input_hash = ? group by gate, check_name)
           order by evaluation""",
        (as_of_date, input_hash),
    )
    return [Verdict(*row) for row in rows]


def add_publication(store: sqlite3.Connection, publication: Publication) -> None:
    """Append one published day."""
    row = asdict(publication) | {"content_hashes": json.dumps(publication.content_hashes, sort_keys=True)}
    store.execute(f"insert into publications ({', '.join(row)}) values ({', '.join('?' * len(row))})", tuple(row.values()))


def publications(store: sqlite3.Connection) -> list[Publication]:
    """Every published day, the newest publication of each, in order of the day."""
    rows = store.execute(
        """select as_of_date, version, ledger_sequence, input_hash, model_version, settings_hash, content_hashes, published_at,
                  event_sequence, reservation_sequence
           from publications where publication in (select max(publication) from publications group by as_of_date)
           order by as_of_date"""
    )
    return [Publication(*row[:6], json.loads(row[6]), *row[7:]) for row in rows]
