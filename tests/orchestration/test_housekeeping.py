"""What a deployment forgets and when; a full disk; one server a deployment."""

import datetime as dt
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from orchestration import landing, ops_store, raw_tables
from orchestration.deployment import Deployment
from orchestration.housekeeping import forget_landing, forget_runs, refuse_a_full_disk
from orchestration.instance import open_instance
from orchestration.settings import RetentionSettings, Settings, SettingsError, parse_settings
from orchestration.warehouse import open_warehouse
from tests.conftest import LAST_DAY, age, hashes
from tests.orchestration.test_ingest import lines, load, make, put


def _two_files(folder: Path, kept: int | None) -> Settings:
    settings = make(folder).model_copy(update={"retention": RetentionSettings(landing_days=kept)})
    put(settings, "old.csv", lines("a,1,2024-01-05T10:00:00Z,n,s,1,1.0"))
    put(settings, "both.csv", lines("b,1,2024-01-05T10:00:00Z,n,s,1,1.0", "c,1,2026-01-05T10:00:00Z,n,s,1,1.0"))
    load(settings)
    return settings


def test_landed_files_whose_days_are_all_too_old_are_forgotten_and_nothing_else(tmp_path: Path) -> None:
    settings = _two_files(tmp_path, 490)
    assert forget_landing(Deployment(settings), dt.date(2026, 1, 5)) == ["pos_sales/old.csv"]
    assert forget_landing(Deployment(settings), dt.date(2026, 1, 5)) == []
    with ops_store.open_store(settings.ops) as store:
        ledger = ops_store.deliveries(store)
    assert {d.file_name: d.status for d in ledger} == {"old.csv": "forgotten", "both.csv": "landed"}
    assert [p.stem for p in (settings.landing / "pos_sales").iterdir()] == [d.file_hash for d in ledger if d.status == "landed"]
    with open_warehouse(settings.warehouse) as warehouse:
        assert warehouse.execute("select count(*) from raw.pos_sales").fetchone() == (3,)
    settings.warehouse.unlink()
    with open_warehouse(settings.warehouse) as warehouse:  # made again from what is kept
        raw_tables.create_tables(warehouse)
        raw_tables.load_feed(warehouse, settings, "pos_sales", ledger)
        assert warehouse.execute("select count(*) from raw.pos_sales").fetchone() == (2,)
        assert raw_tables.unaccounted_files(warehouse, ledger) == []


def test_a_forgotten_file_that_is_sent_again_is_still_known(tmp_path: Path) -> None:
    settings = _two_files(tmp_path, 490)
    forget_landing(Deployment(settings), dt.date(2026, 1, 5))
    put(settings, "again.csv", lines("a,1,2024-01-05T10:00:00Z,n,s,1,1.0"))
    assert landing.land_inbox(settings, settle_seconds=0) == landing.Landed(0, 1, 0)


def test_without_a_word_in_the_settings_nothing_is_forgotten_and_too_short_a_word_is_refused(tmp_path: Path) -> None:
    assert forget_landing(Deployment(_two_files(tmp_path, None)), dt.date(2026, 1, 5)) == []
    content = {
        "currency": "EUR",
        "time_zone": "UTC",
        "data_dir": ".",
        "first_date": "2024-01-01",
        "feeds": {},
        "retention": {"landing_days": 300},
    }
    with pytest.raises(SettingsError, match="a rebuild could not forecast"):
        parse_settings(content, tmp_path / "settings.yaml")


def test_old_runs_are_deleted_with_their_log_and_young_ones_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reliability 26."""
    settings = make(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", "")
    instance = open_instance(settings)

    @dg.job
    def nothing() -> None:
        pass

    ids = [nothing.execute_in_process(instance=instance).run_id for _ in range(3)]
    logs = settings.dagster_home / "history" / "runs"
    assert all((logs / f"{run_id}.db").exists() for run_id in ids)
    now = dt.datetime.now(dt.UTC)
    assert forget_runs(instance, settings, now) == 0
    assert forget_runs(instance, settings, now + dt.timedelta(days=91)) == 3
    assert instance.get_runs() == []
    assert not any((logs / f"{run_id}.db").exists() for run_id in ids)
    instance.dispose()


def test_a_day_that_may_not_fit_is_refused_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reliability 22: free space is asked of the system; here it answers that little is left."""
    settings = make(tmp_path)
    put(settings, "a.csv", lines("a,1,2026-01-05T10:00:00Z,n,s,1,1.0"))
    refuse_a_full_disk(settings)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(dg.Failure, match=r"0\.00 GB free, a day may need 0\.07 GB; make room"):
        refuse_a_full_disk(settings)


_RUN = (
    "import sys; from pathlib import Path; from tests.conftest import run, LAST_DAY; sys.exit(run(Path(sys.argv[1]), LAST_DAY).exit_code)"
)


def test_a_disk_that_fills_while_the_day_runs_leaves_what_stood_and_the_next_run_is_whole(deployment: Path, tmp_path: Path) -> None:
    """Reliability 22: writes fail in the middle of the day, by a limit that the system sets on the size of any file."""
    age(deployment)
    full = subprocess.run(
        [sys.executable, "-c", _RUN, str(deployment)],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert full.returncode == 1, full.stderr[-2000:]
    assert not (deployment.parent / "published" / "current").exists()
    again = subprocess.run([sys.executable, "-c", _RUN, str(deployment)], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr[-2000:]
    with ops_store.open_store(deployment.parent / "ops.sqlite") as store:
        (published,) = ops_store.publications(store)
    assert published.as_of_date == LAST_DAY.isoformat()
    assert hashes(deployment) == published.content_hashes


_SERVE = "import sys, time; from pathlib import Path; from orchestration.instance import only_server; from tests.orchestration.test_ingest import make\n"
_SERVE += "print(only_server(make(Path(sys.argv[1]))), flush=True); time.sleep(60)"


def test_a_second_server_of_a_deployment_ends_with_a_message_until_the_first_is_gone(tmp_path: Path) -> None:
    """Reliability 25."""
    (tmp_path / "settings.yaml").write_text("currency: EUR\ntime_zone: UTC\ndata_dir: .\nfirst_date: 2026-01-01\nfeeds: {}\n")
    first = subprocess.Popen([sys.executable, "-c", _SERVE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert first.stdout is not None
    assert first.stdout.readline() == "True\n"
    command = [str(Path(sys.executable).parent / "nodewise"), "dev", "--settings", str(tmp_path / "settings.yaml")]
    second = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert second.returncode == 1
    assert "served by another nodewise dev already" in second.stderr
    first.kill()
    first.wait()
    third = subprocess.Popen([sys.executable, "-c", _SERVE, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert third.stdout is not None
    assert third.stdout.readline() == "True\n"
    third.kill()
    third.wait()
