"""From a file in the inbox to immutable delivered lines in `landing/<feed>/<sha256>.parquet` and a row in the ledger.

Belongs here: which files are whole, what they hash to, reading their dialect as text, keeping contract columns only.
Does not: what the text means (`casting.py`), nor which line counts (`raw_tables.py`). Columns outside the contract, personal
data among them, are never written anywhere.
"""

import csv
import datetime as dt
import gzip
import hashlib
import io
import json
import re
import time
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration import ops_store
from orchestration.settings import FeedSettings, Settings
from planning.frames import FEEDS, Frame

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
_SUFFIXES = (".csv", ".tsv", ".jsonl", ".parquet")
_NATIVE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "FLOAT", "DOUBLE", "DATE", "BOOLEAN")
_DAY_COLUMN = ("sold_at", "ordered_at", "returned_at", "snapshot_at", "shipped_at", "signal_date", "demand_date")
SETTLE_SECONDS = 2.0  # a file younger than this may still be growing


class DeliveryError(ValueError):
    """A delivered file cannot be read as its feed; the whole file is set aside."""


@dataclass(frozen=True)
class Landed:
    """What one look at the inbox brought."""

    landed: int
    duplicates: int
    rejected: int


def waiting_files(inbox: Path, *, settle_seconds: float = SETTLE_SECONDS) -> list[tuple[str, Path]]:
    """Whole files of known feeds in the inbox, by feed and name; temporary names, links and files still growing are left."""
    found: list[tuple[str, Path]] = []
    for feed in FEEDS:
        folder = inbox / feed
        if not folder.is_dir() or folder.is_symlink():
            continue
        for path in sorted(folder.iterdir()):
            plain = _plain_suffix(path)
            if path.is_symlink() or not path.is_file() or not _NAME.fullmatch(path.name) or plain not in _SUFFIXES:
                continue
            if time.time() - path.stat().st_mtime >= settle_seconds:
                found.append((feed, path))
    return found


def _plain_suffix(path: Path) -> str:
    suffixes = path.suffixes
    return suffixes[-2] if suffixes and suffixes[-1] in (".gz", ".zst") and len(suffixes) > 1 else path.suffix


def land_inbox(settings: Settings, *, settle_seconds: float = SETTLE_SECONDS) -> Landed:
    """Land every waiting file of a configured feed, oldest name first; each leaves the inbox once it is in the ledger."""
    counts = {"landed": 0, "duplicate": 0, "rejected": 0}
    with duckdb.connect(config={"threads": 2}) as reader, ops_store.open_store(settings.ops) as store:
        reader.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        for feed, path in waiting_files(settings.inbox, settle_seconds=settle_seconds):
            if feed in settings.feeds:
                counts[_land(reader, store, settings, feed, path)] += 1
                store.commit()
                path.unlink()
    return Landed(counts["landed"], counts["duplicate"], counts["rejected"])


def file_hash(path: Path) -> str:
    """SHA-256 of the bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _land(reader: duckdb.DuckDBPyConnection, store: ops_store.sqlite3.Connection, settings: Settings, feed: str, path: Path) -> str:
    digest = file_hash(path)
    row: dict[str, object] = {
        "feed": feed,
        "file_hash": digest,
        "file_name": path.name,
        "received_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "file_bytes": path.stat().st_size,
    }
    first = ops_store.landed_sequence(store, feed, digest)
    if first is not None:
        lines = store.execute("select received_lines from deliveries where ledger_sequence = ?", (first,)).fetchone()[0]
        ops_store.add_delivery(store, days=[], **row, received_lines=lines, status="duplicate", reason=f"same bytes as delivery {first}")
        return "duplicate"
    try:
        target = settings.landing / feed / f"{digest}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        lines, types, dropped = _convert(reader, path, FEEDS[feed], settings.feeds[feed], target)
    except (DeliveryError, duckdb.Error, UnicodeError, OSError, EOFError) as error:
        ops_store.add_delivery(store, days=[], **row, received_lines=0, status="rejected", reason=_one_line(error))
        kept = settings.data_dir / "rejected" / feed
        kept.mkdir(parents=True, exist_ok=True)
        (kept / f"{digest}.reason.txt").write_text(f"{path.name}: {_one_line(error)}\n", encoding="utf-8")
        return "rejected"
    days = _days(reader, target, FEEDS[feed])
    ops_store.add_delivery(
        store, days=days, **row, received_lines=lines, status="landed", column_types=types, dropped_columns=",".join(dropped)
    )
    return "landed"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]


def _convert(reader: duckdb.DuckDBPyConnection, path: Path, frame: Frame, feed: FeedSettings, target: Path) -> tuple[int, str, list[str]]:
    """Write the contract columns of a file, as delivered, with line numbers; returns lines, column types, dropped columns."""
    plain = _plain_suffix(path)
    if plain == ".parquet":
        described = reader.execute("describe select * from read_parquet(?)", [str(path)]).fetchall()
        types = {name: kind for name, kind, *_ in described}
        source, first_line, reject = "read_parquet($path)", 0, None
    elif plain == ".jsonl":
        types = dict.fromkeys(_json_keys(path, feed.encoding), "VARCHAR")
        listed = ", ".join(f"{_quote(name)}: 'VARCHAR'" for name in types)
        source = f"read_json($path, format = 'newline_delimited', columns = {{{listed}}}, ignore_errors = true)"
        first_line, reject = 0, None
    else:
        delimiter = feed.delimiter or ("\t" if plain == ".tsv" else ",")
        types = dict.fromkeys(_header(path, feed.encoding, delimiter), "VARCHAR")
        listed = ", ".join(f"{_quote(name)}: 'VARCHAR'" for name in types)
        source = (
            f"read_csv($path, columns = {{{listed}}}, auto_detect = false, header = true, delim = {_quote(delimiter)}, quote = '\"',"
            f" escape = '\"', encoding = {_quote(feed.encoding)}, nullstr = '', store_rejects = true)"
        )
        first_line, reject = 1, "reject_errors"
    mapped = {column: feed.columns.get(column, column) for column in frame.fields if column not in feed.constants}
    missing = [mapped[c] for c in mapped if mapped[c] not in types and (c in frame.required or c in feed.columns)]
    if missing:
        raise DeliveryError(
            f"column {', '.join(missing)} is missing; the file has {', '.join(types)}; map it under feeds.{frame.name}.columns or ask for a new file"
        )
    picked = {column: name for column, name in mapped.items() if name in types}
    _copy(reader, path, source, picked, feed.constants, types, first_line, reject, target)
    total, kinds = _described(reader, target)
    dropped = sorted(set(types) - set(picked.values()))
    return total, kinds, dropped


def _copy(
    reader: duckdb.DuckDBPyConnection,
    path: Path,
    source: str,
    picked: dict[str, str],
    constants: dict[str, str],
    types: dict[str, str],
    first_line: int,
    reject: str | None,
    target: Path,
) -> None:
    columns = [f"{_native(_identifier(name), types[name])} as {column}" for column, name in picked.items()]
    columns += [f"{_quote(value)} as {column}" for column, value in constants.items()]
    empty = " and ".join(f"{column} is null" for column in picked)
    for table in ("reject_errors", "reject_scans"):
        reader.execute(f"drop table if exists {table}")
    reader.execute(
        f"create or replace temp table _lines as select row_number() over () as ordinal, {', '.join(columns)} from {source}",
        {"path": str(path)},
    )
    if reject is None:
        reader.execute(
            f"create or replace temp view _numbered as select * exclude (ordinal), ordinal + {first_line} as source_line_number,"
            f" case when {empty} then 'line:malformed' end as landing_fault from _lines"
        )
    else:  # rejected lines take part in the count, so that every line keeps the number an editor shows
        reader.execute(
            f"""create or replace temp table _faults as
                select line, line - {first_line} - row_number() over (order by line) as before,
                       row_number() over (order by line) as faults
                from (select distinct line from {reject})"""
        )
        names = ", ".join((*picked, *constants))
        nulls = ", ".join(f"null as {name}" for name in (*picked, *constants))
        reader.execute(
            f"""create or replace temp view _numbered as
                select {names}, ordinal + {first_line} + coalesce(faults, 0) as source_line_number, null as landing_fault
                from _lines asof left join _faults on _lines.ordinal > _faults.before
                union all
                select {nulls}, line, 'line:malformed' from _faults"""
        )
    part = target.with_suffix(".part")
    reader.execute(f"copy (select * from _numbered order by source_line_number) to {_quote(str(part))} (format parquet, compression zstd)")
    part.chmod(0o600)
    part.replace(target)
    reader.execute("drop table _lines")


def _described(reader: duckdb.DuckDBPyConnection, target: Path) -> tuple[int, str]:
    """Number of lines and the column types of a landing file, as JSON."""
    count = reader.execute("select count(*) from read_parquet(?)", [str(target)]).fetchone()
    rows = reader.execute("describe select * from read_parquet(?)", [str(target)]).fetchall()
    return int(count[0]) if count else 0, json.dumps({name: kind for name, kind, *_ in rows})


def _native(expression: str, kind: str) -> str:
    """Keep types that lose nothing, spell everything else as text."""
    if kind in _NATIVE or kind.startswith("DECIMAL"):
        return expression
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({expression}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    return f"{expression}::varchar"


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(path: Path, encoding: str) -> io.TextIOBase:
    """Open a text file, unpacked, in its declared encoding; a wrong one raises UnicodeError."""
    codec = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "latin-1": "latin-1"}[encoding]
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding=codec, newline="")  # type: ignore[return-value]
    if path.suffix == ".zst":
        import pyarrow as pa

        return io.TextIOWrapper(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"), encoding=codec, newline="")
    return path.open("r", encoding=codec, newline="")


def _header(path: Path, encoding: str, delimiter: str) -> list[str]:
    with _text(path, encoding) as stream:
        header = next(csv.reader(stream, delimiter=delimiter), [])
    if not header or len(set(header)) != len(header):
        raise DeliveryError(f"the first line is not a header of distinct names: {', '.join(header)[:200]}")
    return header


def _json_keys(path: Path, encoding: str) -> list[str]:
    keys: dict[str, None] = {}
    with _text(path, encoding) as stream:
        for _, line in zip(range(100), stream, strict=False):
            try:
                keys |= dict.fromkeys(json.loads(line))
            except (json.JSONDecodeError, TypeError):
                continue
    if not keys:
        raise DeliveryError("none of the first 100 lines is a JSON object")
    return list(keys)


def _days(reader: duckdb.DuckDBPyConnection, target: Path, frame: Frame) -> list[tuple[str, str, int]]:
    """(node, day, lines) of a landing file, as its text says; what the sensor needs to know a day is complete."""
    present = {row[0] for row in reader.execute("describe select * from read_parquet(?)", [str(target)]).fetchall()}
    day = next((c for c in _DAY_COLUMN if c in frame.required and c in present), None)
    if day is None:
        return []
    node = "node_id" if "node_id" in present else "''"
    rows = reader.execute(
        f"select coalesce({node}, ''), left({day}::varchar, 10), count(*) from read_parquet(?) where {day} is not null group by all order by all",
        [str(target)],
    ).fetchall()
    return [(str(n), str(d), int(c)) for n, d, c in rows]
