"""What starts the day: one job, one schedule as the deadline, one sensor that fires earlier when the day's files are complete.

Belongs here: when a run starts. Does not: what it does.
"""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg

from orchestration import ops_store
from orchestration.deployment import Deployment
from orchestration.landing import land_inbox
from orchestration.partitions import days
from orchestration.settings import Settings

JOB = "daily_plan"
AssetJob = Any  # what dg.define_asset_job returns has no public name


def build_job(settings: Settings) -> AssetJob:
    """The one job: every asset of one day, and its checks."""
    return dg.define_asset_job(
        JOB,
        selection=dg.AssetSelection.all(),
        partitions_def=days(settings.first_date, settings.time_zone),
        description="The day, from files to plan.",
    )


def last_complete_day(now: dt.datetime, time_zone: str) -> dt.date:
    """The last business day that is over at a moment.

    Examples
    --------
    >>> last_complete_day(dt.datetime(2026, 1, 1, 4, 0, tzinfo=dt.UTC), "Europe/Berlin")
    datetime.date(2025, 12, 31)
    """
    return now.astimezone(ZoneInfo(time_zone)).date() - dt.timedelta(days=1)


def build_schedule(settings: Settings, job: AssetJob) -> dg.ScheduleDefinition:
    """The deadline: at this time the last complete day is planned with what is there."""

    @dg.schedule(
        name="daily_plan_schedule",
        job=job,
        cron_schedule=settings.schedule.cron,
        execution_timezone=settings.time_zone,
        default_status=dg.DefaultScheduleStatus.RUNNING if settings.schedule.is_active else dg.DefaultScheduleStatus.STOPPED,
        description="Plans the last complete business day, whatever has arrived; its gates decide whether that is enough.",
    )
    def schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        day = last_complete_day(context.scheduled_execution_time, settings.time_zone).isoformat()
        return dg.RunRequest(run_key=f"schedule:{context.scheduled_execution_time.isoformat()}", partition_key=day)

    return schedule


def build_sensor(settings: Settings, job: AssetJob) -> dg.SensorDefinition:
    """Lands what arrives, and fires once when every required feed has delivered the next day for all its nodes."""

    @dg.sensor(
        name="coverage_sensor",
        job=job,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING if settings.schedule.is_active else dg.DefaultSensorStatus.STOPPED,
        description="Plans a day as soon as all its required feeds are complete.",
    )
    def sensor(context: dg.SensorEvaluationContext, deployment: dg.ResourceParam[Deployment]) -> dg.RunRequest | dg.SkipReason:
        landed = land_inbox(deployment.settings)
        with deployment.ops() as store:
            day = next_day(store, deployment.settings, dt.datetime.now(dt.UTC))
            missing = undelivered(store, deployment.settings, day)
            sequence = max((d.ledger_sequence for d in ops_store.deliveries(store)), default=0)
        if missing:
            return dg.SkipReason(f"{day} is not complete: {', '.join(missing[:5])} ({landed.landed} files landed)")
        return dg.RunRequest(run_key=f"{day}:{sequence}", partition_key=day.isoformat())

    return sensor


def next_day(store: ops_store.sqlite3.Connection, settings: Settings, now: dt.datetime) -> dt.date:
    """The day after the last published one; the last complete day while nothing is published, and never a later one."""
    published = ops_store.publications(store)
    complete = last_complete_day(now, settings.time_zone)
    return min(dt.date.fromisoformat(published[-1].as_of_date) + dt.timedelta(days=1), complete) if published else complete


def undelivered(store: ops_store.sqlite3.Connection, settings: Settings, day: dt.date) -> list[str]:
    """Required feeds, by node where they have nodes, that are expected on the day and have not delivered it.

    A node is expected if it delivered on this weekday in the last four weeks, or anything in the week before when it is younger
    than that: a store that is closed on Sundays is not waited for on a Sunday.
    """
    missing = []
    for feed, chosen in settings.feeds.items():
        if not chosen.required:
            continue
        rows = store.execute(
            """select node_id, max(day = :day),
                      max(day < :day and strftime('%w', day) = strftime('%w', :day)) or min(day) > date(:day, '-7 days')
               from delivered_days where feed = :feed and day between date(:day, '-28 days') and :day group by node_id""",
            {"feed": feed, "day": day.isoformat()},
        ).fetchall()
        if not rows:
            missing.append(feed)
        missing += [f"{feed} of {node}" if node else feed for node, has_delivered, is_expected in rows if is_expected and not has_delivered]
    return missing
