"""The gates between the stages: what must be true of deliveries, forecasts and plans.

Belongs here: the rules no row and no SQL identity can state. Does not: row rules (`casting.py`), relational rules (dbt tests),
or what a red verdict stops (`gates.py`).
"""

import datetime as dt
from collections.abc import Callable

import dagster as dg
import duckdb
import pandas as pd

from orchestration import drift, gates, ops_store, ops_tables, plan_gates, raw_tables
from orchestration.deployment import Deployment
from orchestration.gates import Finding
from orchestration.great_expectations_batch import unmet
from orchestration.landing import NOT_OF_THIS_FEED
from orchestration.metadata import markdown_table
from orchestration.partitions import POOL
from orchestration.run_day import RunDay, read_day
from planning.frames import FEEDS

Rule = Callable[[duckdb.DuckDBPyConnection, Deployment, RunDay], Finding]


def build_checks() -> list[dg.AssetChecksDefinition]:
    """Every check, explicitly."""
    return [
        _check(["raw", "run_day"], "feeds", delivered_files_can_be_read),
        _check(["raw", "run_day"], "feeds", every_line_is_accounted_for),
        _check(["raw", "run_day"], "feeds", deliveries_match_their_profile),
        _check(["raw", "run_day"], "feeds", required_feeds_are_fresh),
        _check(["forecast", "demand_quantiles"], "forecast", quantiles_are_complete_and_do_not_cross),
        _check(["forecast", "demand_quantiles"], "forecast", backtest_is_calibrated),
        _check(["forecast", "demand_quantiles"], "forecast", last_week_was_forecast_well),
        _check(["forecast", "demand_quantiles"], "forecast", model_made_the_forecast),
        _check(["plan", "stock_targets"], "targets", plan_gates.reorder_point_is_below_order_up_to),
        _check(["plan", "stock_targets"], "targets", plan_gates.targets_fit_their_nodes),
        _check(["plan", "service_attained"], "targets", plan_gates.attained_service_keeps_the_promise),
        _check(["plan", "transfers"], "plan", plan_gates.plan_can_be_carried_out),
        _check(["plan", "transfers"], "plan", plan_gates.plan_looks_like_a_plan),
        _check(["plan", "transfers"], "plan", plan_gates.certificate_adds_up),
        _check(["plan", "transfers"], "plan", plan_gates.plan_is_better_than_none),
    ]


def _check(asset: list[str], gate: str, rule: Rule) -> dg.AssetChecksDefinition:
    """A blocking asset check that records its verdict; what a rule only warns of does not block."""

    @dg.asset_check(asset=dg.AssetKey(asset), name=rule.__name__, blocking=True, description=rule.__doc__, pool=POOL)
    def check(deployment: dg.ResourceParam[Deployment]) -> dg.AssetCheckResult:
        with deployment.warehouse() as warehouse:
            day = read_day(warehouse)
            finding = rule(warehouse, deployment, day)
        result = gates.check_result(deployment, day, gate=gate, check=rule.__name__, finding=finding)
        if finding.problems and finding.is_blocking:
            ops_tables.build(deployment)
        return result

    return check


# ------------------------------------------------------------------------------------------------------------- feeds
def delivered_files_can_be_read(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """Every delivered file has the columns of its feed; a file that has not is answered by a corrected one of the same name."""
    with deployment.ops() as store:
        ledger = ops_store.deliveries(store, through=day.ledger_sequence)
    answered = {(d.feed, d.file_name): d.ledger_sequence for d in ledger if d.status != "rejected"}
    open_ones = [d for d in ledger if d.status == "rejected" and answered.get((d.feed, d.file_name), 0) < d.ledger_sequence]
    return Finding([f"{d.feed}/{d.file_name}: {d.reason}; deliver it again, corrected, under the same name" for d in open_ones])


def every_line_is_accounted_for(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """For every file: received = accepted + duplicate + superseded + quarantined."""
    with deployment.ops() as store:
        ledger = ops_store.deliveries(store, through=day.ledger_sequence)
    return Finding([f"{said}; rebuild the warehouse from landing" for said in raw_tables.unaccounted_files(warehouse, ledger)])


_PROFILE = """
with counted as (
    select feed, source_file_hash, sum(lines) as received from raw.file_lines group by all
), broken as (  -- lines that settings declare to be no business of the feed are not dirt
    select feed, source_file_hash, count(*) as quarantined from raw.quarantined_lines
    where scope = 'line' and not list_contains($declared, feed || '/' || reason) group by all
), profile as (
    select l.feed || '/' || l.file_name as file, l.ledger_sequence, c.received::bigint as received_lines,
        coalesce(b.quarantined, 0) / greatest(c.received, 1) as quarantined_share,
        l.day_lines / nullif(median(l.day_lines) over (
            partition by l.feed order by l.ledger_sequence rows between 28 preceding and 1 preceding), 0) as usual_lines_ratio
    from files l join counted c on c.feed = l.feed and c.source_file_hash = l.file_hash
    left join broken b on b.feed = l.feed and b.source_file_hash = l.file_hash
)
select * exclude (ledger_sequence) from profile where ledger_sequence > $seen order by ledger_sequence
"""


_REASONS = """
select count(*) as lines, q.reason, l.feed || '/' || l.file_name as file, min(q.source_line_number) as first_line,
    left(arg_min(q.delivered, q.source_line_number), 120) as first_delivered
from raw.quarantined_lines q join files l on l.feed = q.feed and l.file_hash = q.source_file_hash
where l.ledger_sequence > $seen group by all order by lines desc, file, q.reason limit 20
"""


def deliveries_match_their_profile(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """New files are not empty, hold few quarantined lines, and about as many lines a day as usual (Great Expectations)."""
    with deployment.ops() as store:
        files = pd.read_sql_query(
            """select d.ledger_sequence, d.feed, d.file_name, d.file_hash,
                      d.received_lines * 1.0 / nullif((select count(distinct day) from delivered_days n
                                                       where n.feed = d.feed and n.file_hash = d.file_hash), 0) as day_lines
               from deliveries d where d.status = 'landed' and d.ledger_sequence <= ?""",
            store,
            params=[day.ledger_sequence],
        )
    built = warehouse.execute("select max(ledger_sequence) from raw.facts_built").fetchone()
    warehouse.register("files", files)
    declared = [
        f"{name}/{reason}"
        for name, feed in deployment.settings.feeds.items()
        for reason in (NOT_OF_THIS_FEED, *(f"{rule.column}:{rule.reason}" for rule in feed.exclude))
    ]
    seen = built[0] if built and built[0] is not None else 0
    profile = warehouse.execute(_PROFILE, {"seen": seen, "declared": declared}).df()
    if profile.empty:
        warehouse.unregister("files")
        return Finding([])
    most = deployment.settings.gates.max_quarantined_share

    def expectations(gx: object) -> list:
        return [
            gx.ExpectColumnValuesToBeBetween(column="received_lines", min_value=1, meta={"says": "the file is empty:"}),
            gx.ExpectColumnValuesToBeBetween(
                column="quarantined_share", max_value=most, meta={"says": "too many lines are quarantined (see ops.quarantine):"}
            ),
            gx.ExpectColumnValuesToBeBetween(
                column="usual_lines_ratio", min_value=0.02, max_value=50, meta={"says": "the volume is far from usual:"}
            ),
        ]

    reasons = warehouse.execute(_REASONS, {"seen": seen}).df()
    warehouse.unregister("files")
    return Finding(
        unmet(profile, "deliveries", expectations, label="file"),
        metadata={"file_count": dg.MetadataValue.int(len(profile)), "quarantined_in_new_files": markdown_table(reasons)},
    )


STALE = "stale"


def required_feeds_are_fresh(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """Every feed with a maximum age has data of the day or not much older; required feeds block, others warn."""
    blocking, warning = [], []
    for feed, chosen in deployment.settings.feeds.items():
        moment = raw_tables.EVENT_MOMENT.get(feed)
        if chosen.max_age_days is None or moment is None:
            continue
        row = warehouse.execute(
            f"select max({moment})::date from raw.{feed} where {moment} < ?::date + interval 36 hour", [day.as_of_date]
        ).fetchone()
        last = row[0] if row else None
        if last is None or _open_days(warehouse, feed, last, day.as_of_date) >= chosen.max_age_days:
            said = f"{STALE}: {feed} has no data after {last}; deliver {day.day} or raise feeds.{feed}.max_age_days"
            (blocking if chosen.required else warning).append(said)
    return Finding(blocking) if blocking else Finding(warning, is_blocking=False)


def _open_days(warehouse: duckdb.DuckDBPyConnection, feed: str, last: dt.date, day: dt.date) -> int:
    """Days after ``last`` through ``day`` on which somebody who delivers this feed was open."""
    if "node_id" not in FEEDS[feed].fields:
        return (day - last).days
    row = warehouse.execute(
        f"""with weekdays as (
                select distinct coalesce(arg_max(closed_weekdays, ledger_sequence), '') as closed_weekdays
                from raw.nodes where node_id in (select node_id from raw.{feed}) group by node_id
            )
            select count(*) from range($last::date + 1, $day::date + 1, interval 1 day) as days(day)
            where not exists (from weekdays) or exists (from weekdays where not contains(closed_weekdays, lower(left(dayname(day), 3))))""",
        {"last": last, "day": day},
    ).fetchone()
    return int(row[0]) if row else 0


# ---------------------------------------------------------------------------------------------------------- forecast
def quantiles_are_complete_and_do_not_cross(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """Every series has nine ascending quantiles on each of 28 days."""
    crossing = warehouse.execute(
        """select count(*) from (
               select demand_units < lag(demand_units) over (partition by sku_id, region_id, demand_date order by quantile) as is_lower
               from forecast.demand_quantiles where as_of_date = ?) where is_lower""",
        [day.as_of_date],
    ).fetchone()[0]
    counts = warehouse.execute(
        """select (select count(*) from forecast.demand_means where as_of_date = $d), (select count(*) from forecast.demand_quantiles where as_of_date = $d)""",
        {"d": day.as_of_date},
    ).fetchone()
    problems = [f"forecast.demand_quantiles: {crossing} rows lie below a lower quantile; materialise forecast again"] if crossing else []
    if counts[0] == 0 or counts[0] % 28 or counts[1] != 9 * counts[0]:
        problems.append(
            f"forecast: {counts[0]} means and {counts[1]} quantiles are not 28 days of nine quantiles; deliver demand or materialise forecast again"
        )
    return Finding(problems)


def backtest_is_calibrated(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """In the backtest the central bands hold what they promise and the sum of the forecast is near the sum of demand."""
    used = warehouse.execute("select forecaster from forecast.model_versions where as_of_date = ?", [day.as_of_date]).fetchone()
    name = used[0] if used else ""
    scores = dict(
        warehouse.execute(
            """select measure, avg(score) from forecast.accuracy
               where as_of_date = ? and forecaster = ? and segment = 'all' group by measure""",
            [day.as_of_date, name],
        ).fetchall()
    )
    limits = deployment.settings.gates
    problems = []
    covered, bias = scores.get("coverage 95"), scores.get("bias")
    if covered is not None and covered < limits.min_coverage_95:
        problems.append(
            f"forecast: the 95 % band held {covered:.1%} of the backtest ({name}), least is {limits.min_coverage_95:.1%}; look at "
            "forecast.accuracy by segment, check late or missing deliveries, or lower gates.min_coverage_95"
        )
    if bias is not None and abs(bias) > limits.max_forecast_bias:
        problems.append(f"forecast: backtest bias {bias:+.1%} ({name}), most is {limits.max_forecast_bias:.0%}; look at forecast.accuracy")
    shown = {key: dg.MetadataValue.float(float(v)) for key, v in (("coverage_95", covered), ("bias", bias)) if v is not None}
    return Finding(problems, metadata=shown)


def last_week_was_forecast_well(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """Warns when the champion's forecasts of the last week left the limits of the backtest; the run then chooses a champion again."""
    held = drift.last_week(warehouse, day.as_of_date)
    if held is None:
        return Finding([])
    said = held.drifted(deployment.settings.gates)
    shown = {"bias": dg.MetadataValue.float(held.bias), "coverage_95": dg.MetadataValue.float(held.coverage_95)}
    return Finding(
        [f"{said}; look at late deliveries, prices and promotions of the week"] if said else [], is_blocking=False, metadata=shown
    )


def model_made_the_forecast(warehouse: duckdb.DuckDBPyConnection, deployment: Deployment, day: RunDay) -> Finding:
    """Warns when the baseline, or an earlier model, had to stand in for the champion."""
    row = warehouse.execute(
        "select method, reason, forecaster from forecast.model_versions where as_of_date = ?", [day.as_of_date]
    ).fetchone()
    if row and row[0] != "model":
        return Finding([f"{row[2]} stands in for the champion: {row[1]}"], is_blocking=False)
    return Finding([])
