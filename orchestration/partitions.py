"""What every asset of the day shares: partitions, backfill policy, pool, owner.

Belongs here: the one definition of each. Does not: jobs and schedules (`automation.py`).
"""

import datetime as dt
import warnings

import dagster as dg

warnings.filterwarnings("ignore", category=dg.BetaWarning)  # backfill policies are marked beta

POOL = "warehouse"  # one step at a time opens the DuckDB file
OWNERS = ["team:data"]
ONE_RUN_A_DAY = dg.BackfillPolicy.multi_run(max_partitions_per_run=1)


def days(first_date: dt.date, time_zone: str) -> dg.DailyPartitionsDefinition:
    """One partition per business day, complete when the day is over where the company lives."""
    return dg.DailyPartitionsDefinition(start_date=first_date.isoformat(), timezone=time_zone)


def as_of_date(context: dg.AssetExecutionContext) -> dt.date:
    """The day of the run."""
    return dt.date.fromisoformat(context.partition_key)
