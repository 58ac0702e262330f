"""Deliveries as they come on a bad day: cut, packed to burst, altered, late, re-sent, in foreign words and units."""

import datetime as dt
import gzip
import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from orchestration import landing, ops_store, raw_tables
from orchestration.delivered_file import manifest_path
from orchestration.warehouse import open_warehouse
from tests.orchestration.test_ingest import GOOD, lines, load, make, put

DAY = [f"r{n},1,2026-01-05T{n:02d}:00:00Z,n,s,{n + 1},3.50" for n in range(8)]


def promise(path: Path, **said: object) -> None:
    """Put a manifest beside a file."""
    content = path.read_bytes()
    whole = {"rows": content.count(b"\n") - 1, "bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest_path(path).write_text(json.dumps({**whole, **said}))


def test_a_file_cut_at_any_byte_is_refused_or_counted_short_never_taken_for_whole(tmp_path: Path) -> None:
    """Reliability 5: a cut inside the last field, where `12` becomes `1`, would pass any parser."""
    whole = lines(*DAY[:4]).encode()
    settings = make(tmp_path)
    for cut in range(1, len(whole)):
        put(settings, f"{cut}.csv", whole[:cut])
    landing.land_inbox(settings, settle_seconds=0)
    with ops_store.open_store(settings.ops) as store:
        ledger = ops_store.deliveries(store)
    assert len(ledger) == len(whole) - 1
    for found in ledger:
        at_a_line_end = whole[found.file_bytes - 1 : found.file_bytes] == b"\n"
        assert found.status == ("landed" if at_a_line_end else "rejected"), (found.file_bytes, found.reason)
        assert not found.is_verified


def test_a_manifest_finds_every_cut_and_every_flipped_bit_of_text_and_parquet(tmp_path: Path) -> None:
    """Reliability 5 and 8."""
    source = tmp_path / "source.parquet"
    pd.read_csv(put(make(tmp_path / "x"), "a.csv", lines(*DAY))).to_parquet(source)
    rng = np.random.default_rng(1)
    settings = make(tmp_path)
    for name, whole in (("a.csv", lines(*DAY).encode()), ("a.parquet", source.read_bytes())):
        for n in range(100):
            path = put(settings, f"{n}{name}", whole)
            promise(path, rows=8)
            damaged = bytearray(whole)
            if n % 2:
                del damaged[int(rng.integers(1, len(whole))) :]
            else:
                damaged[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
            path.write_bytes(bytes(damaged))
    assert landing.land_inbox(settings, settle_seconds=0) == landing.Landed(0, 0, 200)


def test_a_file_as_its_manifest_says_is_verified_and_a_short_one_is_not_taken(tmp_path: Path) -> None:
    settings = make(tmp_path)
    promise(put(settings, "a.csv", lines(*GOOD)))
    promise(put(settings, "b.csv", lines(*DAY)), rows=9)
    ledger = load(settings)["ledger"]
    assert [(d.file_name, d.status, d.is_verified) for d in ledger] == [("a.csv", "landed", 1), ("b.csv", "rejected", 1)]
    assert "manifest says 9 rows, the file has 8" in ledger[1].reason
    assert not manifest_path(settings.inbox / "pos_sales" / "a.csv").exists()


def test_a_feed_that_requires_manifests_leaves_a_file_until_its_manifest_is_there(tmp_path: Path) -> None:
    """Reliability 4: over SFTP nobody else can tell that a file is whole."""
    settings = make(tmp_path, pos_sales={"manifest": "required"})
    path = put(settings, "a.csv", lines(*GOOD))
    assert landing.land_inbox(settings, settle_seconds=0).landed == 0
    promise(path)
    assert landing.land_inbox(settings, settle_seconds=0).landed == 1


def test_a_file_that_is_still_growing_is_left_alone(tmp_path: Path) -> None:
    """Reliability 4: the writer appends while the sensor ticks."""
    settings = make(tmp_path)
    path = put(settings, "a.csv", lines(*GOOD))
    for _ in range(3):
        with path.open("a") as stream:
            stream.write(GOOD[0] + "\n")
        assert landing.land_inbox(settings, settle_seconds=2).landed == 0
    os.utime(path, (0, 0))
    assert landing.land_inbox(settings, settle_seconds=2).landed == 1


def test_a_bomb_is_refused_before_it_bursts(tmp_path: Path) -> None:
    """Reliability 9: 120 kB that unpack to 120 MB."""
    settings = make(tmp_path)
    row = (GOOD[0] + "\n").encode()
    put(settings, "bomb.csv.gz", gzip.compress(lines().encode() + row * (120_000_000 // len(row)), compresslevel=6))
    (found,) = load(settings)["ledger"]
    assert found.status == "rejected"
    assert "unpacks to more than" in found.reason


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"receipt_id,line_number\n" + b"x" * 3_000_000 + b"\n", "a line is longer than"),
        (lines(*GOOD).encode() + b"r9,1,2026-01-05T10:00:00Z,n,\0,1,1.0\n", "NUL bytes"),
        (b"", "not a header of distinct names"),
        (b"receipt_id,receipt_id\n1,2\n", "not a header of distinct names"),
    ],
    ids=["endless line", "NUL", "empty", "columns twice"],
)
def test_what_is_no_table_is_refused_with_the_reason_and_waits_for_its_sender(tmp_path: Path, content: bytes, said: str) -> None:
    settings = make(tmp_path)
    put(settings, "a.csv", content)
    (found,) = load(settings)["ledger"]
    assert (found.status, said in found.reason) == ("rejected", True), found.reason
    assert (settings.inbox / "rejected" / "pos_sales" / "a.csv").read_bytes() == content


def test_a_file_larger_than_its_feed_allows_is_refused_unread(tmp_path: Path) -> None:
    settings = make(tmp_path, pos_sales={"max_file_bytes": 50})
    put(settings, "a.csv", lines(*GOOD))
    assert "max_file_bytes" in load(settings)["ledger"][0].reason


def test_packed_files_that_are_damaged_are_refused(tmp_path: Path) -> None:
    """Reliability 8: 200 random flips of a gzip file, none accepted as something else."""
    whole = gzip.compress(lines(*DAY).encode(), mtime=0)
    rng = np.random.default_rng(2)
    settings = make(tmp_path / "whole")
    put(settings, "a.csv.gz", whole)
    good = load(settings)["rows"].iloc[:, :7].to_csv()
    settings = make(tmp_path / "damaged")
    for n in range(200):
        damaged = bytearray(whole)
        damaged[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        put(settings, f"{n}.csv.gz", bytes(damaged))
    found = load(settings)
    landed = sum(d.status == "landed" for d in found["ledger"])
    assert landed <= 20  # the name, the time and the system in a gzip head are no data
    assert landed == 0 or found["rows"].iloc[:, :7].to_csv() == good


def test_the_reader_sees_its_folders_and_nothing_else_and_cannot_be_told_otherwise(tmp_path: Path) -> None:
    """Reliability 11."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "a.csv").write_text("x\n1\n")
    (tmp_path / "secret.csv").write_text("x\n1\n")
    with landing.open_reader(tmp_path / "spill", tmp_path / "inbox") as reader:
        assert reader.execute(f"select count(*) from read_csv('{tmp_path}/inbox/a.csv')").fetchone() == (1,)
        for attack in (
            f"select * from read_csv('{tmp_path}/secret.csv')",
            f"select * from read_csv('{tmp_path}/inbox/../secret.csv')",
            "select * from read_text('/etc/passwd')",
            f"attach '{tmp_path}/other.duckdb'",
            f"copy (select 1) to '{tmp_path}/out.csv'",
            "set enable_external_access = true",
            "set allowed_directories = ['/']",
        ):
            with pytest.raises(duckdb.Error):
                reader.execute(attack)


def test_names_and_values_that_are_sql_or_formulas_stay_text(tmp_path: Path) -> None:
    """Reliability 10 and 11."""
    settings = make(tmp_path)
    odd = ["'; drop table raw.pos_sales; --", "=HYPERLINK(0)", "../../etc/passwd", "<img onerror=1>"]
    put(settings, "a.csv", lines(*(f'r{n},1,2026-01-05T10:00:00Z,n,"{sku}",1,1.0' for n, sku in enumerate(odd))))
    assert sorted(load(settings)["rows"]["sku_id"]) == sorted(odd)


def test_a_corrected_day_takes_the_place_of_the_whole_day_where_the_feed_says_so(tmp_path: Path) -> None:
    """Reliability 2: v1, v2, v1 again gives v2; the neighbouring days of the node's own calendar stand."""
    settings = make(tmp_path, pos_sales={"replaces": "day"}, nodes={})
    put(settings, "nodes.csv", "node_id,node_type,time_zone\nn,store,America/New_York\nm,store,Europe/Berlin\n", "nodes")
    load(settings, "nodes")
    before = ["a,1,2026-01-05T02:00:00Z,n,s,1,1.0", "b,1,2026-01-05T15:00:00Z,n,s,2,1.0", "c,1,2026-01-05T16:00:00Z,n,s,3,1.0",
              "d,1,2026-01-06T02:00:00Z,n,s,4,1.0", "e,1,2026-01-05T15:00:00Z,m,s,5,1.0"]  # fmt: skip
    corrected = ["b,1,2026-01-05T15:00:00Z,n,s,2,1.0", "x,1,2026-01-06T03:00:00Z,n,s,9,1.0"]
    for name, content in (("v1.csv", before), ("v2.csv", corrected), ("v1-again.csv", before)):
        put(settings, name, lines(*content))
        found = load(settings)
    assert found["rows"].set_index("receipt_id")["sold_units"].to_dict() == {"a": 1, "b": 2, "e": 5, "x": 9}
    assert [d.status for d in found["ledger"] if d.feed == "pos_sales"] == ["landed", "landed", "duplicate"]
    with open_warehouse(settings.warehouse) as warehouse:
        counted = warehouse.execute("select status, sum(lines)::int from raw.file_lines where feed = 'pos_sales' group by all").fetchall()
    assert {status: n for status, n in counted if n} == {"accepted": 4, "superseded": 3}


def test_an_event_of_the_day_after_tomorrow_is_quarantined_and_a_fast_clock_is_not(tmp_path: Path) -> None:
    """Reliability 17."""
    settings = make(tmp_path)
    now = dt.datetime.now(dt.UTC)
    put(settings, "a.csv", lines(*(f"r{h},1,{(now + dt.timedelta(hours=h)).isoformat()},n,s,1,1.0" for h in (-1, 20, 48))))
    found = load(settings)
    assert found["counts"] == {"accepted": 2, "quarantined": 1}
    assert found["reasons"] == [(4, "sold_at:in_the_future")]


def test_cases_are_counted_in_base_units_and_an_undeclared_unit_is_no_guess(tmp_path: Path) -> None:
    """Reliability 18."""
    settings = make(tmp_path, pos_sales={"units": {"column": "uom", "base_units": {"EA": 1, "CS": 12}}})
    content = [line + f",{unit}" for line, unit in zip(DAY, ("EA", "CS", "PAL", ""), strict=False)]
    put(settings, "a.csv", lines(*content).replace("unit_price\n", "unit_price,uom\n"))
    found = load(settings)
    assert found["rows"].set_index("receipt_id")["sold_units"].to_dict() == {"r0": 1, "r1": 24}
    assert found["reasons"] == [(4, "unit_of_measure:not_declared"), (5, "unit_of_measure:not_declared")]


@pytest.mark.parametrize(("gtin", "is_right"), [("96385074", True), ("036000291452", True), ("4006381333931", True), ("00012345600012", True),
                                                ("4006381333932", False), ("40063813339", False), ("abc", False)])  # fmt: skip
def test_a_gtin_with_a_wrong_check_digit_is_quarantined(tmp_path: Path, gtin: str, is_right: bool) -> None:
    """GS1 General Specifications: the published examples of each length; leading zeros are kept."""
    settings = make(tmp_path, pos_sales={"check_digits": ["sku_id"]})
    put(settings, "a.csv", lines(f"r,1,2026-01-05T10:00:00Z,n,{gtin},1,1.0"))
    found = load(settings)
    assert found["rows"]["sku_id"].tolist() == ([gtin] if is_right else [])
    assert [reason for _, reason in found["reasons"]] == ([] if is_right else ["sku_id:wrong_check_digit"])


def test_any_order_and_any_repetition_of_files_gives_the_same_table(tmp_path: Path) -> None:
    """Reliability 1 and 3."""
    found = []
    for seed in range(3):
        settings = make(tmp_path / str(seed))
        order = np.random.default_rng(seed).permutation(len(DAY))
        for n in order:
            put(settings, f"{n}.csv", lines(DAY[n]))
            if n % 3 == seed % 3:
                put(settings, f"again-{n}.csv", lines(DAY[n]))
            load(settings)
        found.append(load(settings)["rows"].iloc[:, :7].sort_values("receipt_id").to_csv(index=False))
    assert len(set(found)) == 1


def test_personal_data_is_in_no_file_of_the_deployment(tmp_path: Path) -> None:
    """Reliability 19."""
    settings = make(tmp_path, pos_sales={"max_file_bytes": 10_000})
    put(
        settings,
        "a.csv",
        lines(*(f"{line},anna@example.com,+49 30 9917645" for line in DAY)).replace("unit_price\n", "unit_price,email,phone\n"),
    )
    put(
        settings,
        "b.csv",
        lines(*(f"{line.replace('3.50', 'x')},anna@example.com" for line in DAY)).replace("unit_price\n", "unit_price,email\n"),
    )
    load(settings)
    leaked = [p for p in tmp_path.rglob("*") if p.is_file() and (b"anna@" in p.read_bytes() or b"9917645" in p.read_bytes())]
    assert leaked == []


def test_raw_tables_of_feeds_nobody_configured_stand_empty(tmp_path: Path) -> None:
    settings = make(tmp_path)
    with open_warehouse(settings.warehouse) as warehouse:
        raw_tables.create_tables(warehouse)
        assert warehouse.execute("select count(*) from raw.returns").fetchone() == (0,)


def test_four_hundred_damaged_files_break_no_promise(tmp_path: Path) -> None:
    """The short form of `python -m benchmarks.fuzz`."""
    from benchmarks.fuzz import run

    counts, broken = run(400, 7, tmp_path)
    assert broken == []
    assert sum(count for (how, _), count in counts.items() if how != "lines") == 400


def test_landing_that_is_killed_again_and_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Reliability 20: SIGKILL while files go from the inbox to landing and the ledger."""
    script = (
        "import sys; from tests.orchestration.test_deliveries import make; from pathlib import Path; from orchestration import landing; "
    )
    script += "landing.land_inbox(make(Path(sys.argv[1])), settle_seconds=0)"
    settings = make(tmp_path)
    for n in range(300):
        put(settings, f"{n}.csv", lines(*(f"r{n},{k},2026-01-05T10:00:00Z,n,s,1,1.0" for k in range(20))))
    inbox = settings.inbox / "pos_sales"
    for left in (260, 170, 80):
        process = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)])
        while len(list(inbox.iterdir())) > left and process.poll() is None:
            time.sleep(0.001)
        process.kill()
        process.wait()
    found = load(settings)
    assert found["rows"].groupby("receipt_id")["line_number"].count().tolist() == [20] * 300
    landed = [d.file_name for d in found["ledger"] if d.status == "landed"]
    assert len(landed) == len(set(landed)) == 300
