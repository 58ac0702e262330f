"""From a file in the inbox to immutable delivered lines in `landing/<feed>/<sha256>.parquet` and a row in the ledger.

Belongs here: which files wait, reading their dialect as text, keeping contract columns only. Does not: whether a file is whole
(`delivered_file.py`), how it spells a column (`mapping.py`), what the text means (`casting.py`), which line counts
(`raw_tables.py`). Columns outside the contract, personal data among them, are never written anywhere.
"""

import csv
import datetime as dt
import io
import json
import re
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from orchestration import mapping, ops_store
from orchestration.delivered_file import SEGMENTED, DeliveryError, inspect, manifest_path, open_unpacked, plain_suffix
from orchestration.mapping import identifier, literal
from orchestration.settings import FeedSettings, Settings
from planning.frame import Frame
from planning.frames import FEEDS

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
_SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".parquet", *SEGMENTED)
_NATIVE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER", "FLOAT", "DOUBLE", "DATE", "BOOLEAN")
_DAY_COLUMN = ("sold_at", "ordered_at", "returned_at", "snapshot_at", "shipped_at", "signal_date", "demand_date")
SETTLE_SECONDS = 2.0  # a file younger than this may still be growing
FIRST_LINE = "_first_line"  # in a landing file's column types: lines before the first one that is data
UNIT_OF_MEASURE = "unit_of_measure"
NOT_OF_THIS_FEED = "line:not_of_this_feed"
_E_MAIL = "[^@ ]+@[^@ ]+[.][A-Za-z]{2,}"  # an address of a person has no business in any column of the contract
_REMOVED = "(personal data, removed)"
REJECTED = "rejected"  # folder of the inbox where files nobody can read wait for their sender


@dataclass(frozen=True)
class Landed:
    """What one look at the inbox brought."""

    landed: int
    duplicates: int
    rejected: int


@dataclass(frozen=True)
class _Reading:
    """How DuckDB reads a file: a relation, its columns and types, lines before the first of data, whether it keeps rejects."""

    relation: str
    types: dict[str, str]
    first_line: int = 0
    keeps_rejects: bool = False
    is_json: bool = False


def waiting_files(inbox: Path, feeds: dict[str, FeedSettings], *, settle_seconds: float = SETTLE_SECONDS) -> list[tuple[str, Path]]:
    """Whole files of configured feeds in the inbox, by feed and name; temporary names, links and files still growing are left."""
    found: list[tuple[str, Path]] = []
    for feed in FEEDS:
        folder = inbox / feed
        if feed not in feeds or not folder.is_dir() or folder.is_symlink():
            continue
        for path in sorted(folder.iterdir()):
            if path.is_symlink() or not path.is_file() or not _NAME.fullmatch(path.name) or plain_suffix(path) not in _SUFFIXES:
                continue
            if feeds[feed].manifest == "required" and not manifest_path(path).exists():
                continue
            if time.time() - path.stat().st_mtime >= settle_seconds:
                found.append((feed, path))
    return found


def land_inbox(settings: Settings, *, settle_seconds: float = SETTLE_SECONDS) -> Landed:
    """Land every waiting file of a configured feed, oldest name first; each leaves the inbox once it is in the ledger."""
    counts = {"landed": 0, "duplicate": 0, "rejected": 0, "growing": 0}
    waiting = waiting_files(settings.inbox, settings.feeds, settle_seconds=settle_seconds)
    if waiting:
        with open_reader(settings.data_dir, settings.inbox, settings.landing) as reader, ops_store.open_store(settings.ops) as store:
            for feed, path in waiting:
                status = _land(reader, store, settings, feed, path)
                counts[status] += 1
                store.commit()
                if status != "growing":
                    _take_away(settings, feed, path, is_rejected=status == "rejected")
    return Landed(counts["landed"], counts["duplicate"], counts["rejected"])


@contextmanager
def open_reader(spill: Path, *folders: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that sees these folders and nothing else, and cannot be told otherwise by anything it reads."""
    spill.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"threads": 2, "memory_limit": "3GB", "temp_directory": str(spill / ".spill")}) as reader:
        listed = ", ".join(literal(f"{folder}/") for folder in folders)
        reader.execute("set TimeZone = 'UTC'; set enable_progress_bar = false")
        reader.execute(f"set allowed_directories = [{listed}]; set enable_external_access = false; set lock_configuration = true")
        yield reader


def _take_away(settings: Settings, feed: str, path: Path, *, is_rejected: bool) -> None:
    """Take a file that is in the ledger out of the feed's folder; one that nobody can read waits for its sender beside it."""
    if is_rejected:
        kept = settings.inbox / REJECTED / feed
        kept.mkdir(parents=True, exist_ok=True)
        path.replace(kept / path.name)
    else:
        path.unlink()
    manifest_path(path).unlink(missing_ok=True)


def _land(reader: duckdb.DuckDBPyConnection, store: ops_store.sqlite3.Connection, settings: Settings, feed: str, path: Path) -> str:
    before = path.stat()
    row: dict[str, object] = {
        "feed": feed,
        "file_name": path.name,
        "received_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "file_bytes": before.st_size,
    }
    try:
        found = inspect(path, settings.feeds[feed])
        row |= {"file_hash": found.sha256, "is_verified": int(found.is_verified)}
        first = ops_store.landed_sequence(store, feed, found.sha256)
        if first is not None:
            lines = ops_store.received_lines(store, first)
            ops_store.add_delivery(
                store, days=[], **row, received_lines=lines, status="duplicate", reason=f"same bytes as delivery {first}"
            )
            return "duplicate"
        target = settings.landing / feed / f"{found.sha256}.parquet"
        target.parent.mkdir(parents=True, exist_ok=True)
        lines, types, dropped = convert(reader, path, FEEDS[feed], settings.feeds[feed], target, check=found.check_rows)
    except (duckdb.Error, zlib.error, OSError, EOFError, ValueError) as error:
        row.setdefault("file_hash", f"unread:{before.st_ino}:{before.st_mtime_ns}")
        ops_store.add_delivery(store, days=[], **row, received_lines=0, status="rejected", reason=_one_line(error))
        return "rejected"
    after = path.stat()
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        target.unlink()
        return "growing"
    days = _days(reader, target, FEEDS[feed])
    ops_store.add_delivery(
        store, days=days, **row, received_lines=lines, status="landed", column_types=types, dropped_columns=",".join(dropped)
    )
    return "landed"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:500]


def convert(
    reader: duckdb.DuckDBPyConnection, path: Path, frame: Frame, feed: FeedSettings, target: Path, *, check: Callable[[int], None]
) -> tuple[int, str, list[str]]:
    """Write the contract columns of a file, as delivered; returns its number of lines, its column types, the columns it dropped.

    ``check`` sees the number of lines before the file takes its place, and may refuse it.

    Raises
    ------
    DeliveryError
        The file has not the columns of its feed.
    """
    if plain_suffix(path) in SEGMENTED:
        return _convert_x12(reader, path, frame, feed, target, check=check)
    reading = _unpivoted(_reading(reader, path, feed), feed)
    picked = _picked(frame, feed, reading)
    part = target.with_suffix(".part")
    _copy(reader, path, reading, _select(path, frame, feed, reading, picked), part, is_ordered=mapping.needs_order(picked.values()))
    if reading.keeps_rejects:
        _number_around_rejects(reader, part, reading.first_line)
    lines, types = _described(reader, part, reading.first_line)
    check(lines)
    part.chmod(0o600)
    part.replace(target)
    used = {name for source in picked.values() for name in mapping.reads(source)} | {*feed.only, *feed.skip}
    known = {name.casefold() for name in used}
    return lines, types, sorted(name for name in reading.types if name.casefold() not in known)


def _convert_x12(
    reader: duckdb.DuckDBPyConnection, path: Path, frame: Frame, feed: FeedSettings, target: Path, *, check: Callable[[int], None]
) -> tuple[int, str, list[str]]:
    """An X12 document is laid out as a table first; elements that no segment has are empty there."""
    from orchestration.x12 import as_csv

    wanted = {name for source in feed.columns.values() for name in mapping.reads(source)} | {*feed.only, *feed.skip}
    table = target.with_suffix(".csv")
    table.write_bytes(as_csv(path, wanted))
    try:
        return convert(reader, table, frame, feed.model_copy(update={"delimiter": ",", "encoding": "utf-8"}), target, check=check)
    finally:
        table.unlink()


def _picked(frame: Frame, feed: FeedSettings, reading: _Reading) -> dict[str, mapping.Source]:
    """What fills each contract column of this file; columns that a mapping names have to be there."""
    sources = {c: feed.columns.get(c, c) for c in frame.fields if c not in feed.constants}
    present = {name.casefold() for name in reading.types}  # SQL names have no case either
    wanted = {name for c, source in sources.items() if c in frame.required or c in feed.columns for name in mapping.reads(source)}
    wanted |= {*feed.only, *feed.skip, *([feed.units.column] if feed.units else [])}
    missing = sorted(name for name in wanted if name.casefold() not in present)
    if missing:
        raise DeliveryError(
            f"column {', '.join(missing)} is missing; the file has {', '.join(reading.types)}; map it under feeds.{frame.name} or ask for a new file"
        )
    return {c: source for c, source in sources.items() if all(name.casefold() in present for name in mapping.reads(source))}


def _reading(reader: duckdb.DuckDBPyConnection, path: Path, feed: FeedSettings) -> _Reading:
    plain = plain_suffix(path)
    if plain == ".parquet":
        described = reader.execute("describe select * from read_parquet(?)", [str(path)]).fetchall()
        return _Reading("read_parquet($path)", {name: kind for name, kind, *_ in described})
    if plain == ".jsonl":
        types = dict.fromkeys(_json_keys(path, feed.encoding), "VARCHAR")
        listed = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in types)
        relation = f"read_json($path, format = 'newline_delimited', columns = {{{listed}}}, ignore_errors = true)"
        return _Reading(relation, types, is_json=True)
    delimiter = feed.delimiter or ("," if plain == ".csv" else "\t")
    types = dict.fromkeys(_header(path, feed.encoding, delimiter), "VARCHAR")
    listed = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in types)
    relation = (
        f"read_csv($path, columns = {{{listed}}}, auto_detect = false, header = true, delim = {literal(delimiter)}, quote = '\"',"
        f" escape = '\"', encoding = {literal(feed.encoding)}, nullstr = '', store_rejects = true)"
    )
    return _Reading(relation, types, first_line=1, keeps_rejects=True)


def _unpivoted(reading: _Reading, feed: FeedSettings) -> _Reading:
    """A file with a column for each node becomes a line for each of its cells."""
    if feed.unpivot is None:
        return reading
    names = list(reading.types)
    if feed.unpivot.after not in names:
        raise DeliveryError(f"column {feed.unpivot.after} is missing; the file has {', '.join(names)}")
    wide = names[names.index(feed.unpivot.after) + 1 :]
    if not wide:
        raise DeliveryError(f"no column stands after {feed.unpivot.after}; the file has {', '.join(names)}")
    on, name, value = ", ".join(map(identifier, wide)), identifier(feed.unpivot.name), identifier(feed.unpivot.value)
    types = {n: k for n, k in reading.types.items() if n not in wide} | {feed.unpivot.name: "VARCHAR", feed.unpivot.value: "VARCHAR"}
    return replace(reading, relation=f"(unpivot (select * from {reading.relation}) on {on} into name {name} value {value})", types=types)


def _select(path: Path, frame: Frame, feed: FeedSettings, reading: _Reading, picked: dict[str, mapping.Source]) -> str:
    """The select list of a landing file: delivered text of every contract column, and the line's fault if it shows already."""
    columns, faults = [], []
    kinds = {name.casefold(): kind for name, kind in reading.types.items()}
    for name, source in picked.items():
        text = mapping.expression(source, is_day=frame.fields[name].kind == "date", file=path)
        if text is None:
            raise DeliveryError(f"the name of the file does not tell {name}; feeds.{frame.name}.columns.{name} wants {source}")
        delivered = _native(text, kinds[source.casefold()]) if isinstance(source, str) else text
        if frame.fields[name].kind == "string":
            personal = f"contains(({delivered})::varchar, '@') and regexp_matches(({delivered})::varchar, '{_E_MAIL}')"
            columns.append(f"if({personal}, '{_REMOVED}', {delivered}) as {name}")
            faults.append(f"when {personal} then '{name}:personal_data'")
        else:
            columns.append(f"{delivered} as {name}")
    columns += [f"{literal(value)} as {name}" for name, value in feed.constants.items()]
    if feed.units is not None:
        columns.append(f"{identifier(feed.units.column)}::varchar as {UNIT_OF_MEASURE}")
    if reading.is_json:
        faults.insert(0, f"when {' and '.join(identifier(n) + ' is null' for n in reading.types)} then 'line:malformed'")
    for name, words in feed.only.items():
        faults.append(f"when coalesce({identifier(name)}::varchar, '') not in ({', '.join(map(literal, words))}) then '{NOT_OF_THIS_FEED}'")
    for name, words in feed.skip.items():
        faults.append(f"when {identifier(name)}::varchar in ({', '.join(map(literal, words))}) then '{NOT_OF_THIS_FEED}'")
    return ", ".join([*columns, f"case {' '.join(faults)} end as landing_fault"] if faults else columns)


def _copy(reader: duckdb.DuckDBPyConnection, path: Path, reading: _Reading, selected: str, part: Path, *, is_ordered: bool) -> None:
    """Stream the file into Parquet in its own order; a mapping that looks at the lines above needs them numbered first."""
    for table in ("reject_errors", "reject_scans"):
        reader.execute(f"drop table if exists {table}")
    relation = f"(select *, row_number() over () as _n from {reading.relation}) order by _n" if is_ordered else reading.relation
    reader.execute(
        f"copy (select {selected} from {relation}) to {literal(str(part))} (format parquet, compression zstd)", {"path": str(path)}
    )


def _number_around_rejects(reader: duckdb.DuckDBPyConnection, part: Path, first_line: int) -> None:
    """Lines the reader refused take their place again, so that every line keeps the number an editor shows."""
    reader.execute(
        f"""create or replace temp table _faults as
            select line, line - {first_line} - row_number() over (order by line) as before, row_number() over (order by line) as faults
            from (select distinct line from reject_errors)"""
    )
    count = reader.execute("select count(*) from _faults").fetchone()
    if not count or count[0] == 0:
        return
    described = [name for name, *_ in reader.execute("describe select * from read_parquet(?)", [str(part)]).fetchall()]
    names = [name for name in described if name != "landing_fault"]
    fault = "landing_fault" if "landing_fault" in described else "null::varchar as landing_fault"
    numbered = part.with_suffix(".numbered")
    reader.execute(
        f"""copy (
                select {", ".join(names)}, file_row_number + {first_line + 1} + coalesce(faults, 0) as source_line_number, {fault}
                from read_parquet({literal(str(part))}, file_row_number = true) as lines
                asof left join _faults on lines.file_row_number + 1 > _faults.before
                union all
                select {", ".join(f"null as {name}" for name in names)}, line, 'line:malformed' from _faults
                order by source_line_number
            ) to {literal(str(numbered))} (format parquet, compression zstd)"""
    )
    numbered.replace(part)


def _described(reader: duckdb.DuckDBPyConnection, landed: Path, first_line: int) -> tuple[int, str]:
    """Number of lines and the column types of a landing file, as JSON."""
    count = reader.execute("select count(*) from read_parquet(?)", [str(landed)]).fetchone()
    rows = reader.execute("describe select * from read_parquet(?)", [str(landed)]).fetchall()
    return int(count[0]) if count else 0, json.dumps({name: kind for name, kind, *_ in rows} | {FIRST_LINE: first_line})


def _native(expression: str | None, kind: str) -> str:
    """Keep types that lose nothing, spell everything else as text."""
    if kind in _NATIVE or kind.startswith("DECIMAL"):
        return str(expression)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({expression}, '%Y-%m-%dT%H:%M:%S.%fZ')"
    return f"{expression}::varchar"


def _text(path: Path, encoding: str) -> io.TextIOBase:
    """Open a text file, unpacked, in its declared encoding; what that cannot spell shows as U+FFFD."""
    codec = {"utf-8": "utf-8-sig", "utf-16": "utf-16", "latin-1": "latin-1"}[encoding]
    return io.TextIOWrapper(open_unpacked(path), encoding=codec, errors="replace", newline="")


def _header(path: Path, encoding: str, delimiter: str) -> list[str]:
    with _text(path, encoding) as stream:
        try:
            header = next(csv.reader(stream, delimiter=delimiter), [])
        except csv.Error as error:
            raise DeliveryError(f"the first line is not a header: {error}") from error
    if any("\ufffd" in name for name in header):
        raise DeliveryError(f"the first line is no {encoding} text; declare feeds.*.encoding or send it again")
    if not header or len({name.casefold() for name in header}) != len(header):
        raise DeliveryError(f"the first line is not a header of distinct names: {', '.join(header)[:200]}")
    return header


def _json_keys(path: Path, encoding: str) -> list[str]:
    keys: dict[str, None] = {}
    with _text(path, encoding) as stream:
        for _, line in zip(range(100), stream, strict=False):
            try:
                keys |= dict.fromkeys(json.loads(line))
            except (ValueError, TypeError, RecursionError):
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
