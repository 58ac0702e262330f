"""What a delivered file would come to: its mapping, its lines by verdict, the reasons; nothing is kept.

Belongs here: reading one file the way the daily run would, in a scratch folder. Does not: how it is read (`landing.py`) or judged
(`raw_tables.py`).
"""

import datetime as dt
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

from orchestration import mapping, raw_tables
from orchestration.delivered_file import inspect
from orchestration.landing import convert, open_reader
from orchestration.ops_store import Delivery
from orchestration.settings import Settings
from planning.frames import FEEDS


@dataclass(frozen=True)
class Checked:
    """What the file would come to.

    Parameters
    ----------
    problem : str
        Why the whole file would be refused, empty when it would land.
    lines : dict of str to int
        Lines by verdict.
    mapped : dict of str to str
        Contract column to what it is read from; columns that stay empty are missing here.
    unmapped, dropped : list of str
        Contract columns nothing fills; columns of the file that are not stored.
    reasons : list of tuple
        (reason, lines, first line number, that line's contract values).
    """

    feed: str
    problem: str
    lines: dict[str, int]
    mapped: dict[str, str]
    unmapped: list[str]
    dropped: list[str]
    reasons: list[tuple[str, int, int, str]]


def check_file(settings: Settings, feed: str, path: Path) -> Checked:
    """Read a file as ``feed`` would, and say what would become of it."""
    frame, chosen = FEEDS[feed], settings.feeds[feed]
    if any(sign in str(path.resolve()) for sign in "*?[]"):
        return Checked(feed, "its path holds a sign that file patterns read as their own; rename it", {}, {}, [], [], [])
    with tempfile.TemporaryDirectory() as scratch, open_reader(Path(scratch), path.resolve().parent, Path(scratch)) as reader:
        folder = Path(scratch) / "landing" / feed
        folder.mkdir(parents=True)
        try:
            found = inspect(path.resolve(), chosen)
            target = folder / f"{found.sha256}.parquet"
            lines, types, dropped = convert(reader, path.resolve(), frame, chosen, target, check=found.check_rows)
        except (duckdb.Error, OSError, EOFError, ValueError) as error:
            return Checked(feed, " ".join(str(error).split()), {}, {}, [], [], [])
        now = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
        delivery = Delivery(1, feed, found.sha256, path.name, now, found.file_bytes, lines, "landed", "", types, "", int(found.is_verified))
        with duckdb.connect(config={"threads": 2}) as warehouse:
            warehouse.execute("set TimeZone = 'UTC'; create schema raw")
            raw_tables.create_tables(warehouse)
            loaded = raw_tables.load_feed(warehouse, settings.model_copy(update={"data_dir": Path(scratch)}), feed, [delivery])
            reasons = warehouse.execute(
                """select reason, count(*), min(source_line_number), arg_min(delivered, source_line_number)
                   from raw.quarantined_lines group by reason order by count(*) desc, reason"""
            ).fetchall()
        landed = {name for name in frame.fields if f'"{name}":' in types}
    mapped = {c: chosen.constants.get(c) or _spelt(chosen.columns.get(c, c)) for c in frame.fields if c in landed}
    return Checked(feed, "", loaded.lines, mapped, [c for c in frame.fields if c not in landed], dropped, reasons)


def _spelt(source: mapping.Source) -> str:
    if isinstance(source, str):
        return source
    return ", ".join(
        f"{name}: {value}" for name, value in source.model_dump(by_alias=True, exclude_defaults=True).items() if name != "zone"
    )
