"""The day of the run as data: which day, cut at which delivery, from which business day on the facts change.

Belongs here: `raw.run_day`, the one row that dbt, forecast and plan read, and the hash of everything a day's plan depends
on. Does not: loading (`raw_tables.py`) or judging (`gates.py`).
"""

import datetime as dt
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd

from orchestration.ops_store import Delivery
from orchestration.raw_tables import EVENT_MOMENT, VERSIONED
from orchestration.settings import Settings

DBT_PROJECT = Path(__file__).resolve().parent.parent / "dbt_project"


@dataclass(frozen=True)
class RunDay:
    """The row of `raw.run_day`."""

    as_of_date: dt.date
    ledger_sequence: int
    input_hash: str
    changed_from_date: dt.date
    event_sequence: int = 0
    reservation_sequence: int = 0

    @property
    def day(self) -> str:
        """ISO form of the day."""
        return self.as_of_date.isoformat()


@dataclass(frozen=True)
class OpenMoves:
    """What our own ledgers know at the moment the day is opened, cut at their last entries.

    Parameters
    ----------
    transfers, reserved : DataFrame
        Columns of `raw.transfer_states` and `raw.reserved_units`.
    event_sequence, reservation_sequence : int
    """

    transfers: pd.DataFrame
    reserved: pd.DataFrame
    event_sequence: int
    reservation_sequence: int

    def digest(self) -> str:
        """Hash of their content."""
        return hashlib.sha256((self.transfers.to_csv(index=False) + self.reserved.to_csv(index=False)).encode()).hexdigest()


_STATES = """transfer_id order_kind as_of_date sku_id origin_node_id destination_node_id mode ship_date arrival_date planned_units transfer_cost net_gain transfer_units state
actor reason state_date approved_units issued_units shipped_units received_units"""


def nothing_open() -> OpenMoves:
    """What a deployment knows whose ledgers are empty."""
    return OpenMoves(pd.DataFrame(columns=_STATES.split()), pd.DataFrame(columns=["sku_id", "node_id", "reserved_units"]), 0, 0)


class NoRunDayError(RuntimeError):
    """No day has been opened in this warehouse."""


def settings_hash(settings: Settings) -> str:
    """Hash of the settings that shape results (not of where data lies, nor of the schedule)."""
    content = settings.model_dump(mode="json", exclude={"data_dir", "schedule", "publish", "retention", "governance", "hand_over"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def project_hash() -> str:
    """Hash of the dbt project; facts built by other SQL are built again from the first day."""
    digest = hashlib.sha256()
    for path in sorted(DBT_PROJECT.rglob("*")):
        if path.suffix in (".sql", ".yml") and "target" not in path.parts:
            digest.update(path.relative_to(DBT_PROJECT).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def input_hash(settings: Settings, ledger: list[Delivery], as_of_date: dt.date, moves: OpenMoves) -> str:
    """Hash of the day, the settings, the set of landed contents and what is open; the order of delivery does not matter."""
    content = sorted(f"{d.feed}:{d.file_hash}" for d in ledger if d.status in ("landed", "forgotten"))
    parts = [as_of_date.isoformat(), settings_hash(settings), project_hash(), moves.digest(), *content]
    return hashlib.sha256("|".join(parts).encode()).hexdigest()


def open_day(
    connection: duckdb.DuckDBPyConnection, settings: Settings, ledger: list[Delivery], as_of_date: dt.date, moves: OpenMoves
) -> RunDay:
    """Write the row of the day after its files are loaded, and what is open beside it."""
    row = RunDay(
        as_of_date,
        max((d.ledger_sequence for d in ledger), default=0),
        input_hash(settings, ledger, as_of_date, moves),
        _changed_from(connection, settings, as_of_date),
        moves.event_sequence,
        moves.reservation_sequence,
    )
    for table, rows in (("raw.transfer_states", moves.transfers), ("raw.reserved_units", moves.reserved)):
        connection.execute(f"delete from {table}")
        if len(rows):
            connection.register("open_moves", rows)
            connection.execute(f"insert into {table} by name select * from open_moves")
            connection.unregister("open_moves")
    connection.execute("delete from raw.run_day")
    connection.execute(
        "insert into raw.run_day values (?, ?, ?, ?, ?, ?, ?)",
        [
            row.as_of_date,
            row.ledger_sequence,
            row.input_hash,
            row.changed_from_date,
            settings.time_zone,
            row.event_sequence,
            row.reservation_sequence,
        ],
    )
    return row


def read_day(connection: duckdb.DuckDBPyConnection) -> RunDay:
    """The day the warehouse stands on.

    Raises
    ------
    NoRunDayError
        Nothing was loaded yet.
    """
    found = connection.execute("select count(*) from information_schema.tables where table_schema = 'raw' and table_name = 'run_day'")
    row = found.fetchone()
    row = (
        connection.execute(
            "select as_of_date, ledger_sequence, input_hash, changed_from_date, event_sequence, reservation_sequence from raw.run_day"
        ).fetchone()
        if row and row[0]
        else None
    )
    if row is None:
        raise NoRunDayError("the warehouse stands on no day; run the whole job: nodewise run --as-of-date DAY")
    return RunDay(*row)


def _changed_from(connection: duckdb.DuckDBPyConnection, settings: Settings, as_of_date: dt.date) -> dt.date:
    """Earliest business day whose facts can differ from what the warehouse holds."""
    built = connection.execute("select ledger_sequence, as_of_date, project_hash from raw.facts_built").fetchone()
    if built is None or built[2] != project_hash():
        return settings.first_date
    sequence, last_day, _ = built
    candidates = [last_day + dt.timedelta(days=1), as_of_date]
    row = connection.execute("select min(changed_from_date) from raw.change_log where ledger_sequence > ?", [sequence]).fetchone()
    candidates += [row[0]] if row and row[0] else []
    for feed in VERSIONED:  # versions already delivered that only this day may know
        moment = EVENT_MOMENT[feed]
        row = connection.execute(
            f"select min(key_first_at)::date - 1 from raw.{feed} where coalesce(updated_at, {moment}) between ?::date - 1 and ?::date + 2",
            [last_day, as_of_date],
        ).fetchone()
        candidates += [row[0]] if row and row[0] else []
    for feed, day in (("marketing_calendar", "start_date"), ("prices", "effective_date")):  # declared for the past, known from now on
        row = connection.execute(
            f"select min({day}) from raw.{feed} where known_from_date > ? and known_from_date <= ? and {day} < known_from_date",
            [last_day, as_of_date],
        ).fetchone()
        candidates += [row[0]] if row and row[0] else []
    return max(min(candidates), settings.first_date)


def mark_facts_built(connection: duckdb.DuckDBPyConnection, day: RunDay) -> None:
    """Remember that the facts stand at this day and delivery."""
    connection.execute("begin")
    connection.execute("delete from raw.facts_built")
    connection.execute("insert into raw.facts_built values (?, ?, ?)", [day.ledger_sequence, day.as_of_date, project_hash()])
    connection.execute("insert into raw.unpublished values (?)", [day.changed_from_date])
    connection.execute("commit")


def facts_stand(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the facts were ever built by this dbt project; if not they are built from nothing."""
    built = connection.execute("select project_hash from raw.facts_built").fetchone()
    return bool(built) and built[0] == project_hash()
