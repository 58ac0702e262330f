"""Gates as data: every verdict is a row, and whoever acts on a stage reads the verdicts first.

Belongs here: recording verdicts and refusing to act on a red one. Does not: the rules (`checks.py`, dbt tests). Dagster's
blocking ends with the run; these rows do not, so materialising one asset by hand cannot go round a red gate.
"""

import datetime as dt
from dataclasses import dataclass

import dagster as dg

from orchestration import ops_store
from orchestration.deployment import Deployment
from orchestration.run_day import RunDay

STAGES = ("feeds", "facts", "forecast", "targets", "plan", "kpis", "publish")
_REQUIRED = {
    "design": ("feeds", "facts"),
    "forecast": ("feeds", "facts"),
    "targets": ("feeds", "facts", "forecast"),
    "plan": ("feeds", "facts", "forecast", "targets"),
    "replenishments": ("feeds", "facts", "forecast", "targets", "plan"),
    "kpis": ("feeds", "facts", "forecast", "targets", "plan"),
    "publish": ("feeds", "facts", "forecast", "targets", "plan", "kpis"),
}


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    problems : list of str
        Empty when all is well; each names what, where and the remedy.
    is_blocking : bool
        Whether problems stop what is downstream.
    """

    problems: list[str]
    is_blocking: bool = True
    metadata: dict[str, dg.MetadataValue] | None = None


def record(deployment: Deployment, day: RunDay, *, gate: str, check: str, finding: Finding) -> str:
    """Append the verdict of a check and return it."""
    verdict = "pass" if not finding.problems else "fail" if finding.is_blocking else "warn"
    with deployment.ops() as store:
        ops_store.add_verdict(
            store,
            gate=gate,
            check=check,
            as_of_date=day.day,
            input_hash=day.input_hash,
            verdict=verdict,
            message="; ".join(finding.problems)[:4000],
            at=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        )
    return verdict


def check_result(deployment: Deployment, day: RunDay, *, gate: str, check: str, finding: Finding) -> dg.AssetCheckResult:
    """Record a finding and say it to Dagster."""
    verdict = record(deployment, day, gate=gate, check=check, finding=finding)
    return dg.AssetCheckResult(
        passed=verdict == "pass",
        severity=dg.AssetCheckSeverity.ERROR if finding.is_blocking else dg.AssetCheckSeverity.WARN,
        description="; ".join(finding.problems)[:1000] or None,
        metadata={"problem_count": len(finding.problems), **(finding.metadata or {})},
    )


def red(deployment: Deployment, day: RunDay) -> list[ops_store.Verdict]:
    """Failed checks of the day on its present inputs."""
    with deployment.ops() as store:
        return [v for v in ops_store.verdicts(store, as_of_date=day.day, input_hash=day.input_hash) if v.verdict == "fail"]


def require(deployment: Deployment, day: RunDay, stage: str) -> None:
    """Refuse to act for a stage unless every gate before it was evaluated on these inputs and none is red.

    Raises
    ------
    dagster.Failure
        Never retried; the message names the gate and the remedy.
    """
    with deployment.ops() as store:
        known = ops_store.verdicts(store, as_of_date=day.day, input_hash=day.input_hash)
    wanted = _REQUIRED[stage]
    failed = [v for v in known if v.verdict == "fail" and v.gate in wanted]
    missing = [gate for gate in wanted if gate not in {v.gate for v in known}]
    if failed:
        said = "; ".join(f"{v.gate}/{v.check_name}: {v.message}" for v in failed)
        raise dg.Failure(f"{stage} refused for {day.day}: a gate is red. {said}", allow_retries=False)
    if missing:
        raise dg.Failure(
            f"{stage} refused for {day.day}: gate {', '.join(missing)} was not evaluated on these inputs; run the whole job: "
            f"nodewise run --as-of-date {day.day}",
            allow_retries=False,
        )


def refuse_past_days(deployment: Deployment, as_of_date: dt.date) -> None:
    """A day before the last published one is only derived again in a scratch warehouse."""
    with deployment.ops() as store:
        published = ops_store.publications(store)
    if published and not deployment.is_replay and as_of_date.isoformat() < published[-1].as_of_date:
        raise dg.Failure(
            f"{as_of_date} lies before the last published day {published[-1].as_of_date}; use: nodewise replay {as_of_date}",
            allow_retries=False,
        )
