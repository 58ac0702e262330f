"""The code location: everything Dagster knows of nodewise, built from one deployment's settings.

Belongs here: the one builder that the UI, the schedule, the command line, the demo and the tests use. Does not: any asset.
"""

import os
from pathlib import Path

import dagster as dg

from orchestration import dbt
from orchestration.assets.design import build_design
from orchestration.assets.facts import build_facts
from orchestration.assets.feeds import build_feeds
from orchestration.assets.forecast import build_forecast
from orchestration.assets.plan import build_plan
from orchestration.assets.publish import build_publish
from orchestration.automation import build_job, build_schedule, build_sensor
from orchestration.checks import build_checks
from orchestration.deployment import Deployment
from orchestration.partitions import days
from orchestration.settings import load_settings

SETTINGS_VARIABLE = "NODEWISE_SETTINGS"


def build_defs(deployment: Deployment) -> dg.Definitions:
    """Definitions of one deployment."""
    settings = deployment.settings
    partitions = days(settings.first_date, settings.time_zone)
    job = build_job(settings)
    project = dbt.project()
    return dg.Definitions(
        assets=[
            *build_feeds(partitions),
            *build_facts(partitions, project),
            *build_forecast(partitions),
            *build_plan(partitions),
            *build_design(partitions),
            *build_publish(partitions),
        ],
        asset_checks=build_checks(),
        jobs=[job],
        schedules=[build_schedule(settings, job)],
        sensors=[build_sensor(settings, job)],
        resources={"deployment": deployment},
        executor=dg.in_process_executor,
    )


def defs_from_environment() -> dg.Definitions:
    """Definitions of the deployment that NODEWISE_SETTINGS names, by default `settings.yaml` in the working directory."""
    return build_defs(Deployment(load_settings(Path(os.environ.get(SETTINGS_VARIABLE, "settings.yaml")))))
