"""The plan of a day is decided on, handed over and confirmed, and the days after know it."""

import datetime as dt
import json
import shutil
from pathlib import Path

import duckdb
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from orchestration.settings import load_settings
from tests.conftest import LAST_DAY, change_settings, hashes, run

FIRST = LAST_DAY - dt.timedelta(days=2)


def command(settings: Path, *arguments: str, code: int = 0) -> dict:
    found = CliRunner().invoke(app, ["plan", *arguments, "--settings", str(settings), "--json"])
    assert found.exit_code == code, found.output
    return json.loads(found.output)


def rows(settings: Path, query: str) -> list[tuple]:
    with duckdb.connect(str(load_settings(settings).warehouse), read_only=True) as warehouse:
        return warehouse.execute(query).fetchall()


@pytest.fixture(scope="module")
def planned(small_company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company whose first day is published, with transfers that cost little; the tests follow each other on it."""
    folder = tmp_path_factory.mktemp("life") / "deployment"
    shutil.copytree(small_company, folder)
    settings = folder / "settings.yaml"
    change_settings(
        settings,
        {"governance": {"issue_within_days": None}, "planning": {"min_net_gain_per_line": 0.1, "cool_down_days": 0, "plan_draws": 8}},
    )
    assert run(settings, FIRST).problems == []
    return settings


def test_the_certificate_can_be_verified_with_sql_alone(planned: Path) -> None:
    query = """
        select c.plan_net_gain - (select coalesce(sum(net_gain), 0) from plan.transfers t where t.as_of_date = c.as_of_date),
            c.bound_net_gain - c.skus_net_gain - (select sum(bound_cost) from plan.transfer_limits l where l.as_of_date = c.as_of_date),
            c.bound_net_gain - c.plan_net_gain,
            (select count(*) from plan.transfer_limits l where l.as_of_date = c.as_of_date and l.used_units > coalesce(l.limit_units, l.used_units)),
            (select count(*) from plan.transfer_limits l where l.as_of_date = c.as_of_date
             and abs(l.bound_cost - greatest(0, l.price_per_unit * coalesce(l.most_units, 0) - l.fixed_cost)) > 1e-6)
        from plan.transfer_certificates c
    """
    for of_lines, of_parts, gap, overloaded, wrong in rows(planned, query):
        assert (of_lines, of_parts) == pytest.approx((0, 0), abs=1e-6)
        assert gap >= -1e-6
        assert (overloaded, wrong) == (0, 0)


def test_the_twin_finds_the_plan_better_than_none(planned: Path) -> None:
    draws, gain = rows(planned, "select count(*), avg(difference_gain) from plan.decision_values")[0]
    assert (draws, gain > 0) == (8, True)


def test_from_the_proposal_to_the_value_that_it_was_worth(planned: Path) -> None:
    lines = command(planned, "show", "--limit", "500")
    assert lines and {line["state"] for line in lines} == {"proposed"}
    best = lines[0]
    told = command(planned, "explain", best["transfer_id"])
    assert best["sku_id"] in told["explanation"]
    assert any(step["step_units"] == best["transfer_units"] for step in told["transfer"]["steps"])
    done = command(planned, "approve", "--all", "--by", "ann")
    assert {t["state"] for t in done["transfers"]} == {"approved"}
    issued = command(planned, "issue", "--all", "--by", "ann")
    assert {t["state"] for t in issued["transfers"]} <= {"issued", "cancelled"}
    assert len(issued["sent"]) == 4 * len(issued["documents"])

    assert run(planned, FIRST + dt.timedelta(days=1)).problems == []
    open_units = rows(planned, "select coalesce(sum(transfer_units), 0) from intermediate.int_open_transfers")[0][0]
    assert open_units == sum(t["units"] for t in issued["transfers"] if t["state"] == "issued")
    inbound = rows(planned, "select sum(inbound_units) from intermediate.int_stock_committed")[0][0]
    assert inbound >= open_units
    diff = command(planned, "diff")
    assert diff["days"] == [FIRST.isoformat(), (FIRST + dt.timedelta(days=1)).isoformat()]
    before = hashes(planned)

    advice = planned.parent / "advice.csv"
    moved = [t for t in issued["transfers"] if t["state"] == "issued"]
    lines_out = [f"{t['transfer_id']},{state},{t['units']}\n" for t in moved for state in ("shipped", "received")]
    advice.write_text("transfer_id,state,units\n" + "".join(lines_out))
    confirmed = command(planned, "confirm", str(advice), "--by", "wms")
    assert {t["state"] for t in confirmed["transfers"]} <= {"shipped", "closed"}

    assert run(planned, LAST_DAY).problems == []
    judged = rows(planned, "select decision, count(*), sum(moved_units) from marts.fct_transfer_outcomes group by 1")
    assert {"executed"} <= {decision for decision, *_ in judged} or not judged
    month = rows(planned, "select sum(line_count) from marts.kpi_transfer_value_monthly")[0][0]
    assert (month or 0) == sum(count for _, count, _ in judged)
    again = CliRunner().invoke(app, ["replay", (FIRST + dt.timedelta(days=1)).isoformat(), "--settings", str(planned), "--json"])
    assert again.exit_code == 0, again.output  # what was approved and confirmed later is not known to the day
    assert json.loads(again.output)["changed_tables"] == []
    assert hashes(planned) != before
