"""The published day: an immutable folder of Parquet, a DuckDB file, docs and a manifest, swapped in as one.

Belongs here: writing, verifying, swapping. Does not: when it is allowed (`gates.py`). A version is built beside the current
one, read back and verified, and only then the link `current` is replaced, so a reader sees one whole day or the other.
"""

import datetime as dt
import hashlib
import json
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from orchestration import ops_store
from orchestration.delivered_file import file_hash
from orchestration.deployment import Deployment
from orchestration.run_day import RunDay, settings_hash
from planning.frames import DECISIONS

MONTHLY = {
    "marts.fct_demand_region_daily": "demand_date",
    "marts.fct_sku_node_daily": "stock_date",
    "marts.fct_feed_coverage_daily": "coverage_date",
    "marts.fct_returns": "returned_date",
    "forecast.unconstrained_demand": "demand_date",
}
_BY_DAY = (*(name for name in DECISIONS if name not in MONTHLY), "plan.exceptions")
_NOT_IN_DUCKDB_FILE = (*MONTHLY, "forecast.demand_quantiles")
_STORAGE_VERSION = "v1.2.0"  # read by DuckDB 1.2 and later


class DamagedPublishError(RuntimeError):
    """What was written is not what the warehouse holds."""


@dataclass
class _Table:
    """Files and content of one published table."""

    content: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    rows: int = 0


def publish(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay, docs: Path | None) -> ops_store.Publication:
    """Write the day's version, verify it, swap it in, append it to the ledger of publications.

    Raises
    ------
    DamagedPublishError
        A file read back differs from the table; the current version stays.
    """
    root = deployment.settings.published
    root.mkdir(parents=True, exist_ok=True)
    part = root / ".building"
    shutil.rmtree(part, ignore_errors=True)
    previous = _manifest(root / "current")
    tables = {name: _monthly(warehouse, part, root / "current", previous, name, column) for name, column in MONTHLY.items()}
    tables |= {name: _by_day(warehouse, part, root / "current", deployment, day, name) for name in _BY_DAY}
    tables |= {name: _whole(warehouse, part, name) for name in _marts(warehouse)}
    _duckdb_file(warehouse, part / "nodewise.duckdb", day, tables)
    if docs is not None and docs.exists():
        (part / "docs").mkdir()
        shutil.copyfile(docs, part / "docs" / "index.html")
    hashes = {name: _digest(table.content) for name, table in sorted(tables.items())}
    version = f"{day.day}-{_digest(hashes)[:12]}"
    publication = _publication(warehouse, deployment, day, version, hashes)
    _write_manifest(part, publication, tables)
    verify(warehouse, part)
    _swap(root, part, version)
    with deployment.ops() as store:
        ops_store.add_publication(store, publication)
    warehouse.execute("delete from raw.unpublished")
    _forget_old(root, deployment.settings.publish.keep_versions)
    return publication


def restore_decisions(
    warehouse: duckdb.DuckDBPyConnection, current: Path, *, names: tuple[str, ...] = tuple(DECISIONS), after: str = "", before: str = "9999"
) -> None:
    """Read forecasts and plans of earlier days into the warehouse: they stand nowhere but in what was published.

    Parameters
    ----------
    current : Path
        A published version.
    names : tuple of str
        Decision tables, which exist.
    after, before : str
        ISO days; only plans of days between are read.
    """
    for name in names:
        files = [
            str(path)
            for path in sorted((current / name.replace(".", "/")).glob("as_of_date=*/part.parquet"))
            if after < path.parent.name.removeprefix("as_of_date=") < before
        ]
        for path in files:  # a file made before a column was does not have it
            known = warehouse.execute("select * from read_parquet(?, hive_partitioning = false) limit 0", [path]).description
            columns = ", ".join(column[0] for column in known if column[0] in DECISIONS[name].fields)
            warehouse.execute(f"insert into {name} ({columns}) select {columns} from read_parquet(?, hive_partitioning = false)", [path])


def _digest(content: dict[str, str]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def content_hash(connection: duckdb.DuckDBPyConnection, relation: str, parameters: list[object] | None = None) -> tuple[int, str]:
    """Row count and a hash of a relation's content, whatever the order of its rows."""
    row = connection.execute(
        f"select count(*), coalesce(sum(hash(t)::hugeint), 0)::varchar, coalesce(bit_xor(hash(t)), 0)::varchar from ({relation}) t",
        parameters or [],
    ).fetchone()
    return int(row[0]), hashlib.sha256(":".join(map(str, row)).encode()).hexdigest()


def _write(warehouse: duckdb.DuckDBPyConnection, table: _Table, root: Path, relation: str, path: Path, key: str) -> None:
    """Write one file, ordered by every column, and keep its hashes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    warehouse.execute(f"copy (select * from ({relation}) order by all) to '{path}' (format parquet, compression zstd)")
    rows, digest = content_hash(warehouse, relation)
    table.content[key] = f"{rows}:{digest}"
    table.files[path.relative_to(root).as_posix()] = file_hash(path)
    table.rows += rows


def _link(table: _Table, root: Path, path: Path, old: Path, key: str, content: str, digest: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.link(old, path)
    table.content[key], table.files[path.relative_to(root).as_posix()] = content, digest
    table.rows += int(content.split(":")[0])


def _monthly(warehouse: duckdb.DuckDBPyConnection, part: Path, current: Path, previous: dict, name: str, column: str) -> _Table:
    """Facts by month; months before the first change are the files already published."""
    table, old = _Table(), previous.get("tables", {}).get(name, {})
    row = warehouse.execute("select min(changed_from_date) from raw.unpublished").fetchone()
    changed = row[0].replace(day=1) if row and row[0] else None
    months = warehouse.execute(f"select distinct date_trunc('month', {column})::date from {name} order by 1").fetchall()
    for (month,) in months:
        key = month.strftime("%Y-%m")
        path = part / name.replace(".", "/") / f"month={key}" / "part.parquet"
        known = path.relative_to(part).as_posix()
        if (changed is None or month < changed) and known in old.get("files", {}) and (current / known).exists():
            _link(table, part, path, current / known, key, old["content"][key], old["files"][known])
        else:
            relation = f"select * from {name} where {column} >= date '{month}' and {column} < date '{month}' + interval 1 month"
            _write(warehouse, table, part, relation, path, key)
    return table


def _by_day(warehouse: duckdb.DuckDBPyConnection, part: Path, current: Path, deployment: Deployment, day: RunDay, name: str) -> _Table:
    """Decisions by day: today's written, earlier ones linked while they are kept; only today's count for the hash."""
    table = _Table()
    folder = part / name.replace(".", "/")
    relation = f"select * from {name} where as_of_date = date '{day.day}'"
    _write(warehouse, table, part, relation, folder / f"as_of_date={day.day}" / "part.parquet", day.day)
    earlier = sorted((current / name.replace(".", "/")).glob("as_of_date=*/part.parquet"))
    for old in earlier[-deployment.settings.publish.keep_versions :]:
        if old.parent.name < f"as_of_date={day.day}":
            target = folder / old.parent.name / "part.parquet"
            target.parent.mkdir(parents=True)
            os.link(old, target)
    return table


def _whole(warehouse: duckdb.DuckDBPyConnection, part: Path, name: str) -> _Table:
    table = _Table()
    _write(warehouse, table, part, f"select * from {name}", part / name.replace(".", "/") / "part.parquet", "all")
    return table


def _marts(warehouse: duckdb.DuckDBPyConnection) -> list[str]:
    rows = warehouse.execute(
        "select 'marts.' || table_name from information_schema.tables where table_schema = 'marts' order by 1"
    ).fetchall()
    return [name for (name,) in rows if name not in MONTHLY]


def _duckdb_file(warehouse: duckdb.DuckDBPyConnection, path: Path, day: RunDay, tables: dict[str, _Table]) -> None:
    """The day's decisions and marts as one small DuckDB file that older drivers read."""
    warehouse.execute(f"attach '{path}' as published (storage_version '{_STORAGE_VERSION}')")
    for schema in ("marts", "forecast", "plan"):
        warehouse.execute(f"create schema published.{schema}")
    for name in tables:
        if name not in _NOT_IN_DUCKDB_FILE:
            where = f"where as_of_date = date '{day.day}'" if name in _BY_DAY else ""
            warehouse.execute(f"create table published.{name} as select * from {name} {where} order by all")
    warehouse.execute("detach published")


def _publication(
    warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay, version: str, hashes: dict[str, str]
) -> ops_store.Publication:
    model = warehouse.execute("select model_version from forecast.model_versions where as_of_date = ?", [day.as_of_date]).fetchone()
    return ops_store.Publication(
        as_of_date=day.day,
        version=version,
        ledger_sequence=day.ledger_sequence,
        input_hash=day.input_hash,
        model_version=model[0] if model else None,
        settings_hash=settings_hash(deployment.settings),
        content_hashes=hashes,
        published_at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        event_sequence=day.event_sequence,
        reservation_sequence=day.reservation_sequence,
    )


def _write_manifest(part: Path, publication: ops_store.Publication, tables: dict[str, _Table]) -> None:
    content = {
        "as_of_date": publication.as_of_date,
        "version": publication.version,
        "ledger_sequence": publication.ledger_sequence,
        "event_sequence": publication.event_sequence,
        "reservation_sequence": publication.reservation_sequence,
        "input_hash": publication.input_hash,
        "settings_hash": publication.settings_hash,
        "model_version": publication.model_version,
        "content_hashes": publication.content_hashes,
        "tables": {name: {"rows": t.rows, "content": t.content, "files": t.files} for name, t in sorted(tables.items())},
    }
    (part / "manifest.json").write_text(json.dumps(content, indent=1, sort_keys=True), encoding="utf-8")


def _manifest(folder: Path) -> dict:
    path = folder / "manifest.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def verify(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Read every file of a version back and hold it against its manifest.

    Raises
    ------
    DamagedPublishError
        Naming up to five files.
    """
    damaged = []
    for name, table in _manifest(folder)["tables"].items():
        for (key, content), (file, digest) in zip(table["content"].items(), sorted(table["files"].items()), strict=True):
            path = folder / file
            linked = path.exists() and path.stat().st_nlink > 1
            if not path.exists() or (not linked and (file_hash(path) != digest or _read_back(connection, path) != content)):
                damaged.append(f"{name} {key}")
    if damaged:
        raise DamagedPublishError(
            f"{len(damaged)} published files do not hold what the warehouse holds ({'; '.join(damaged[:5])}); check the disk and run the day again"
        )


def _read_back(connection: duckdb.DuckDBPyConnection, path: Path) -> str:
    try:
        rows, digest = content_hash(connection, "select * from read_parquet(?, hive_partitioning = false)", [str(path)])
    except duckdb.Error:
        return "unreadable"
    return f"{rows}:{digest}"


def _swap(root: Path, part: Path, version: str) -> None:
    """Make the version current in one step; a version already there with the same content stays."""
    target = root / version
    if target.exists():
        shutil.rmtree(part)
    else:
        part.rename(target)
    link = root / ".current"
    link.unlink(missing_ok=True)
    link.symlink_to(version)
    link.replace(root / "current")


def _forget_old(root: Path, keep: int) -> None:
    current = (root / "current").resolve()
    versions = sorted(
        p for p in root.iterdir() if p.is_dir() and not p.is_symlink() and p.name not in ("ops",) and not p.name.startswith(".")
    )
    for old in versions[: -keep - 1]:
        if old.resolve() != current:
            shutil.rmtree(old)
