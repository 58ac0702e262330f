"""From landed lines to `raw.<feed>`: the typed contract, each line accepted, duplicate, superseded or quarantined.

Belongs here: which delivered line counts. Does not: reading files (`landing.py`), strict casts (`casting.py`), business days
and unknown masters (dbt staging). For every file: received = accepted + duplicate + superseded + quarantined.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import duckdb

from orchestration import casting
from orchestration.landing import FIRST_LINE
from orchestration.ops_store import Delivery
from orchestration.settings import FeedSettings, Settings
from orchestration.warehouse import WarehouseError, columns_ddl, sql_type
from planning.frame import Frame
from planning.frames import FEEDS

VERSIONED = ("ecom_orders", "shipments", "supplier_orders")  # every version stays; staging takes the newest the day knew
MASTERS = (
    "skus",
    "nodes",
    "regions",
    "lanes",
    "service_zones",
    "marketing_calendar",
    "prices",
    "aggregate_history",
    "external_signals",
    "sku_aliases",
    "policies",
)  # the newest delivery of a key counts
LOAD_ORDER = (*MASTERS, *(feed for feed in FEEDS if feed not in MASTERS))  # events are dated by their node's time zone
EVENT_MOMENT = {
    "pos_sales": "sold_at",
    "ecom_orders": "ordered_at",
    "returns": "returned_at",
    "inventory_snapshots": "snapshot_at",
    "shipments": "shipped_at",
    "supplier_orders": "ordered_at",
}
_NODE_COLUMNS = {
    "pos_sales": ("node_id",),
    "returns": ("node_id",),
    "inventory_snapshots": ("node_id",),
    "shipments": ("origin_node_id", "destination_node_id"),
    "supplier_orders": ("destination_node_id",),
}
_SHAPING = {  # columns of a master that facts of past days depend on, beside the key; another price or cost reaches KPIs when they are read
    "nodes": ("node_type", "region_id", "time_zone", "opened_date", "closed_date", "closed_weekdays"),
    "regions": ("time_zone", "postal_prefixes"),
    "service_zones": (),
    "skus": ("category", "retired_date"),
    "marketing_calendar": ("start_date", "end_date", "kind", "discount_rate", "known_from_date"),
    "prices": ("unit_price", "known_from_date"),
}
_LOAD = "source_file_hash varchar, source_line_number bigint, ledger_sequence bigint, key_hash ubigint"
_BATCH_LINES = 12_000_000  # lines loaded at a time: the memory of a long history is that of one batch
_STATUSES = ("accepted", "duplicate", "superseded", "quarantined")


@dataclass(frozen=True)
class Loaded:
    """What loading one feed's new files did."""

    files: int
    lines: dict[str, int]


def create_tables(connection: duckdb.DuckDBPyConnection) -> None:
    """Create every raw table that is not there; a feed that is not configured stands empty."""
    for feed, frame in FEEDS.items():
        first = ", key_first_at timestamp" if feed in VERSIONED else ""
        connection.execute(f"create table if not exists raw.{feed} ({columns_ddl(frame)}, {_LOAD}{first})")
        found = [name for name, *_ in connection.execute(f"describe raw.{feed}").fetchall()]
        if found != [*frame.fields, *(column.split()[0] for column in f"{_LOAD}{first}".split(", "))]:
            raise WarehouseError(f"raw.{feed} was made by another version of nodewise; the warehouse is derived: nodewise rebuild")
    connection.execute(
        "create table if not exists raw.quarantined_lines (feed varchar, source_file_hash varchar, source_line_number bigint,"
        " scope varchar, reason varchar, delivered varchar)"  # scope: the whole line, or a field that the line counts without
    )
    connection.execute("create table if not exists raw.file_lines (feed varchar, source_file_hash varchar, status varchar, lines bigint)")
    connection.execute(
        "create table if not exists raw.delivered_files (feed varchar, source_file_hash varchar, ledger_sequence bigint, is_verified boolean)"
    )
    connection.execute("create table if not exists raw.change_log (ledger_sequence bigint, feed varchar, changed_from_date date)")
    connection.execute("create table if not exists raw.facts_built (ledger_sequence bigint, as_of_date date, project_hash varchar)")
    connection.execute("create table if not exists raw.unpublished (changed_from_date date)")
    connection.execute(
        "create table if not exists raw.run_day (as_of_date date, ledger_sequence bigint, input_hash varchar, changed_from_date date, time_zone varchar)"
    )
    for column in ("event_sequence", "reservation_sequence"):
        connection.execute(f"alter table raw.run_day add column if not exists {column} bigint default 0")
    connection.execute(
        "create or replace table raw.transfer_states (transfer_id varchar, order_kind varchar, as_of_date date, sku_id varchar, origin_node_id varchar,"
        " destination_node_id varchar, mode varchar, ship_date date, arrival_date date, planned_units bigint, transfer_cost double, net_gain double, transfer_units bigint, state varchar,"
        " actor varchar, reason varchar, state_date date, approved_units bigint, issued_units bigint, shipped_units bigint, received_units bigint)"
    )
    connection.execute("create or replace table raw.reserved_units (sku_id varchar, node_id varchar, reserved_units bigint)")


def load_feed(connection: duckdb.DuckDBPyConnection, settings: Settings, feed: str, ledger: list[Delivery]) -> Loaded:
    """Load the feed's landed files that the warehouse has not seen; each batch of files is a transaction, and stands or falls whole."""
    known = {row[0] for row in connection.execute("select distinct source_file_hash from raw.file_lines where feed = ?", [feed]).fetchall()}
    fresh = [d for d in ledger if d.feed == feed and d.status == "landed" and d.file_hash not in known]
    if not fresh:
        return Loaded(0, dict.fromkeys(_STATUSES, 0))
    for batch in _batches(fresh):
        connection.execute("begin")
        try:
            _load_batch(connection, settings, FEEDS[feed], batch)
            connection.execute("commit")
        except duckdb.Error:
            connection.execute("rollback")
            raise
    hashes = ", ".join(f"'{d.file_hash}'" for d in fresh)
    counts = dict(
        connection.execute(
            f"select status, sum(lines)::bigint from raw.file_lines where feed = ? and source_file_hash in ({hashes}) group by status",
            [feed],
        ).fetchall()
    )
    return Loaded(len(fresh), {status: int(counts.get(status, 0)) for status in _STATUSES})


def _batches(fresh: list[Delivery]) -> Iterator[list[Delivery]]:
    """Files in ledger order, together no more lines than a batch holds (a larger file is a batch of its own)."""
    batch: list[Delivery] = []
    for delivery in fresh:
        if batch and sum(d.received_lines for d in batch) + delivery.received_lines > _BATCH_LINES:
            yield batch
            batch = []
        batch.append(delivery)
    if batch:
        yield batch


def _load_batch(connection: duckdb.DuckDBPyConnection, settings: Settings, frame: Frame, batch: list[Delivery]) -> None:
    _stage(connection, settings, frame, batch)
    _replace_days(connection, settings, frame)
    _decide(connection, frame)
    _leave(connection, frame)
    _reshape(connection, frame)
    _store(connection, frame)
    _log_change(connection, frame, max(d.ledger_sequence for d in batch))


def _stage(connection: duckdb.DuckDBPyConnection, settings: Settings, frame: Frame, fresh: list[Delivery]) -> None:
    """All new lines, typed and judged by the row rules, in temp table `incoming`."""
    feed = settings.feeds.get(frame.name, FeedSettings())
    connection.execute(
        f"create or replace temp table incoming ({columns_ddl(frame)}, source_line_number bigint, ledger_sequence bigint, key_hash ubigint, fault varchar, delivered varchar,"
        " set_aside struct(reason varchar, delivered varchar)[])"
    )
    connection.execute(
        "create or replace temp table batch (source_file_hash varchar, ledger_sequence bigint, received_at timestamp, is_verified boolean)"
    )
    connection.executemany(
        "insert into batch values (?, ?, ?::timestamptz, ?)",
        [(d.file_hash, d.ledger_sequence, d.received_at, bool(d.is_verified)) for d in fresh],
    )
    for types_json in sorted({d.column_types for d in fresh}):
        delivered_types = json.loads(types_json)
        types = {name: delivered_types[name] for name in (*frame.fields, "landing_fault") if name in delivered_types}
        typed = [name for name in frame.fields if name in types]
        line = "source_line_number" if "source_line_number" in delivered_types else f"file_row_number + {delivered_types[FIRST_LINE] + 1}"
        files = [str(settings.landing / frame.name / f"{d.file_hash}.parquet") for d in fresh if d.column_types == types_json]
        casts = ", ".join(
            f"{casting.cast(frame.fields[name], kind, feed)} as typed_{name}" for name, kind in types.items() if name in typed
        )
        picked = ", ".join(f"typed_{name}" if name in typed else f"null::{sql_type(column.kind)}" for name, column in frame.fields.items())
        delivered = ", ".join(f"{name} := {name}" for name in typed)
        connection.execute(
            f"""insert into incoming
                with delivered as (
                    select files.*, batch.*, {line} as line, {casts}
                    from read_parquet(?, filename = true, file_row_number = true) as files
                    join batch on batch.source_file_hash = parse_filename(files.filename, true)
                ), judged as (
                    select *, {casting.reasons(frame, types, feed)} as fault from delivered
                )
                select {picked}, line, ledger_sequence, {_key_hash(frame, "typed_", typed)}, fault,
                       case when fault is not null then to_json(struct_pack({delivered}))::varchar end,
                       {casting.fields_set_aside(frame, types, feed)}
                from judged""",
            [files],
        )


def _key_hash(frame: Frame, prefix: str, present: list[str]) -> str:
    """SQL that is one number for the key of a line: lines of the same key share it, the few others that do are told apart later."""
    cells = [f"coalesce({prefix}{name}::varchar, '')" if name in present else "''" for name in frame.keys]
    return f"hash({', '.join(cells)})"


def _key(frame: Frame) -> list[str]:
    """Columns that make two lines compete; a version competes only with a re-sent copy of itself."""
    return [*frame.keys, "updated_at"] if frame.name in VERSIONED else list(frame.keys)


def _replace_days(connection: duckdb.DuckDBPyConnection, settings: Settings, frame: Frame) -> None:
    """Temp table `replaced`: lines whose node and business day a newer delivery brings again, where the feed says so.

    The day is the node's own, so that the evening of one day never replaces the morning of the next.
    """
    connection.execute("create or replace temp table replaced (ledger_sequence bigint, source_line_number bigint, is_stored boolean)")
    if settings.feeds.get(frame.name, FeedSettings()).replaces == "row" or frame.name not in EVENT_MOMENT:
        return
    node = "node_id" if "node_id" in frame.fields else "null::varchar"
    lines = f"select ledger_sequence, source_line_number, {node} as node_id, {EVENT_MOMENT[frame.name]} as moment"
    connection.execute(
        f"""insert into replaced
            with zones as (
                select node_id, arg_max(time_zone, ledger_sequence) as time_zone from raw.nodes group by all
            ), every as (
                {lines}, false as is_stored from incoming where fault is null
                union all
                {lines}, true from raw.{frame.name}
                where {EVENT_MOMENT[frame.name]} between (select min({EVENT_MOMENT[frame.name]}) from incoming where fault is null) - interval 2 day
                    and (select max({EVENT_MOMENT[frame.name]}) from incoming where fault is null) + interval 2 day
            ), dated as (
                select every.*, ((moment at time zone 'UTC') at time zone coalesce(zones.time_zone, '{settings.time_zone}'))::date as day
                from every left join zones using (node_id)
            )
            select ledger_sequence, source_line_number, is_stored from dated
            qualify ledger_sequence < max(ledger_sequence) over (partition by node_id, day)"""
    )


def _decide(connection: duckdb.DuckDBPyConnection, frame: Frame) -> None:
    """Temp table `verdicts`: the lines, new and already stored, that lose to another line of the same key.

    Only keys that occur twice are looked at closely. A line with the winner's content is a duplicate, one with other
    content is superseded; the newest delivery wins.
    """
    key = ", ".join(f"coalesce({column}::varchar, '')" for column in _key(frame))
    content = ", ".join(frame.fields)
    kept = (
        "not exists (select 1 from replaced r where r.ledger_sequence = t.ledger_sequence and r.source_line_number = t.source_line_number)"
    )
    connection.execute(
        f"""create or replace temp table rivals as
            with hashed as (
                select key_hash from incoming where fault is null
                union all
                select key_hash from raw.{frame.name} where key_hash in (select key_hash from incoming where fault is null)
            )
            select key_hash from hashed group by key_hash having count(*) > 1"""
    )
    connection.execute(
        f"""create or replace temp table verdicts as
            with competing as (
                select {content}, ledger_sequence, source_line_number, false as is_stored
                from incoming t where fault is null and key_hash in (select key_hash from rivals) and {kept}
                union all
                select {content}, ledger_sequence, source_line_number, true
                from raw.{frame.name} t where key_hash in (select key_hash from rivals) and {kept}
            ), same as (
                select *, md5(struct_pack({", ".join(f"{c} := {c}" for c in frame.fields)})::varchar) as content_hash from competing
            ), told as (
                select *,
                    first_value(content_hash) over (partition by {key} order by ledger_sequence desc, source_line_number desc) as winner_hash,
                    row_number() over (partition by {key}, content_hash order by is_stored desc, ledger_sequence, source_line_number) as nth
                from same
            )
            select ledger_sequence, source_line_number, is_stored,
                   case when content_hash <> winner_hash then 'superseded' when nth > 1 then 'duplicate' end as status
            from told where content_hash <> winner_hash or nth > 1
            union all select *, 'superseded' from replaced"""
    )


def _leave(connection: duckdb.DuckDBPyConnection, frame: Frame) -> None:
    """Temp table `leaving`: moment and key of stored lines that lose, so that the days they leave are built again too."""
    moment = "key_first_at" if frame.name in VERSIONED else EVENT_MOMENT.get(frame.name)
    connection.execute("create or replace temp table leaving (moment timestamp, key_hash ubigint)")
    losers = connection.execute("select count(*) from verdicts where is_stored").fetchone()
    if moment is not None and losers and losers[0]:
        connection.execute(
            f"""insert into leaving select t.{moment}, t.key_hash from raw.{frame.name} t
                join verdicts v on v.is_stored and v.ledger_sequence = t.ledger_sequence and v.source_line_number = t.source_line_number"""
        )


def _reshape(connection: duckdb.DuckDBPyConnection, frame: Frame) -> None:
    """Temp table `reshaped`: rows of a master, as delivered and as stored, that differ in what past facts depend on."""
    columns = ", ".join((*frame.keys, *_SHAPING.get(frame.name, ())))
    new = f"select {columns} from incoming where fault is null"
    old = f"select {columns} from raw.{frame.name} where key_hash in (select key_hash from incoming where fault is null)"
    connection.execute(
        f"create or replace temp table reshaped as ({new} except {old}) union all ({old} except {new})"
        if frame.name in _SHAPING
        else "create or replace temp table reshaped (nothing integer)"
    )


def _store(connection: duckdb.DuckDBPyConnection, frame: Frame) -> None:
    """Write what the verdicts leave; a file is known by its ledger number until its hash is written beside its lines."""
    feed, columns = frame.name, ", ".join((*frame.fields, "source_line_number", "ledger_sequence", "key_hash"))
    same_line = "v.ledger_sequence = t.ledger_sequence and v.source_line_number = t.source_line_number"
    losers = connection.execute("select count(*) from verdicts").fetchone()
    kept = f" and not exists (select 1 from verdicts v where {same_line})" if losers and losers[0] else ""
    connection.execute(f"insert into raw.delivered_files select '{feed}', source_file_hash, ledger_sequence, is_verified from batch")
    connection.execute(
        f"""insert into raw.file_lines
            with counted as (
                select ledger_sequence, 'accepted' as status, -count(*) as lines from verdicts group by all
                union all select ledger_sequence, status, count(*) from verdicts group by all
                union all select ledger_sequence, if(fault is null, 'accepted', 'quarantined'), count(*) from incoming group by all
                union all select ledger_sequence, 'accepted', 0 from batch
            )
            select '{feed}', f.source_file_hash, status, sum(lines) from counted
            join raw.delivered_files f on f.feed = '{feed}' and f.ledger_sequence = counted.ledger_sequence group by all"""
    )
    if kept:
        connection.execute(f"delete from raw.{feed} t using verdicts v where v.is_stored and {same_line}")
    connection.execute(
        f"""insert into raw.quarantined_lines
            select '{feed}', source_file_hash, source_line_number, 'line', fault, delivered from incoming join batch using (ledger_sequence)
            where fault is not null
            union all
            select '{feed}', source_file_hash, source_line_number, 'field', unnest(set_aside, recursive := true)
            from (select * from incoming t where fault is null and len(set_aside) > 0{kept}) join batch using (ledger_sequence)"""
    )
    order = EVENT_MOMENT.get(feed, frame.keys[0])
    first = (", key_first_at", f", {order}") if feed in VERSIONED else ("", "")
    connection.execute(
        f"""insert into raw.{feed} ({columns}, source_file_hash{first[0]})
            select {columns}, source_file_hash{first[1]}
            from (select * from incoming t where fault is null{kept} order by {order}, source_line_number) t join batch using (ledger_sequence)"""
    )
    if feed in VERSIONED:
        _keep_first_moment(connection, frame)


def _keep_first_moment(connection: duckdb.DuckDBPyConnection, frame: Frame) -> None:
    """Give every version of a key its earliest moment, so that a window of days holds all versions of a key or none."""
    key, moment = ", ".join(frame.keys), EVENT_MOMENT[frame.name]
    same_key = " and ".join(f"t.{column} = k.{column}" for column in frame.keys)
    connection.execute(
        f"""update raw.{frame.name} t set key_first_at = k.first_at
            from (select {key}, min({moment}) as first_at from raw.{frame.name}
                  where key_hash in (select key_hash from incoming where fault is null union select key_hash from leaving) group by all) k
            where {same_key} and t.key_first_at <> k.first_at"""
    )


def _log_change(connection: duckdb.DuckDBPyConnection, frame: Frame, sequence: int) -> None:
    """Remember the earliest business day the new lines can touch (a day of slack covers every time zone)."""
    feed = frame.name
    match feed:
        case "ecom_orders" | "shipments" | "supplier_orders":
            first = (
                f"select min(key_first_at)::date - 1 from raw.{feed} where key_hash in (select key_hash from incoming where fault is null)"
            )
        case "pos_sales" | "returns" | "inventory_snapshots":
            first = f"select min({EVENT_MOMENT[feed]})::date - 1 from incoming where fault is null"
        case "regions":
            first = "select date '1900-01-01' from reshaped"
        case "nodes" | "service_zones":
            first = _first_event(_NODE_COLUMNS, "node_id")
        case "skus":
            first = _first_event(dict.fromkeys(EVENT_MOMENT, ("sku_id",)), "sku_id")
        case "marketing_calendar":
            first = "select min(start_date) from reshaped"
        case "prices":
            first = "select min(effective_date) from reshaped"
        case _:
            return
    first += " union all select min(moment)::date - 1 from leaving"
    connection.execute(
        f"insert into raw.change_log select {sequence}, '{feed}', min(day) from ({first}) as found(day) having min(day) is not null"
    )


def _first_event(columns: Mapping[str, tuple[str, ...]], master: str) -> str:
    """SQL that is the earliest day of any event that names a changed master."""
    events = " union all ".join(
        f"select min({EVENT_MOMENT[event]})::date - 1 as day from raw.{event} where {name} in (select {master} from reshaped)"
        for event, names in columns.items()
        for name in names
    )
    return f"select min(day) from ({events})"


def unaccounted_files(connection: duckdb.DuckDBPyConnection, ledger: list[Delivery]) -> list[str]:
    """Files whose lines do not add up, as sentences."""
    rows = connection.execute("select feed, source_file_hash, sum(lines)::bigint from raw.file_lines group by all").fetchall()
    counted = {(feed, digest): int(lines) for feed, digest, lines in rows}
    return [
        f"{d.feed}/{d.file_name}: received {d.received_lines} lines, accounted for {counted.get((d.feed, d.file_hash), 0)}"
        for d in ledger
        if d.status == "landed" and counted.get((d.feed, d.file_hash), 0) != d.received_lines
    ]
