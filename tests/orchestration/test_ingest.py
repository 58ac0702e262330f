"""Files to raw tables: dialects, strict casts, duplicates, corrections, whole files only, personal data."""

import gzip
import itertools
import json
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from orchestration import landing, ops_store, raw_tables
from orchestration.settings import Settings, SettingsError, parse_settings
from orchestration.warehouse import open_warehouse

HEADER = "receipt_id,line_number,sold_at,node_id,sku_id,sold_units,unit_price"
GOOD = ["r1,1,2026-01-05T10:00:00Z,n,00012,2,3.50", "r1,2,2026-01-05T10:00:00Z,n,s2,1,1.00"]


def make(folder: Path, **feeds: dict) -> Settings:
    return Settings(currency="EUR", time_zone="UTC", data_dir=folder, first_date="2026-01-01", feeds={"pos_sales": {}, **feeds})


def put(settings: Settings, name: str, content: str | bytes, feed: str = "pos_sales") -> Path:
    path = settings.inbox / feed / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def load(settings: Settings, feed: str = "pos_sales") -> dict:
    """Land and load everything; returns counts by status, the rows and the reasons."""
    landing.land_inbox(settings, settle_seconds=0)
    with ops_store.open_store(settings.ops) as store:
        ledger = ops_store.deliveries(store)
    with open_warehouse(settings.warehouse) as warehouse:
        raw_tables.create_tables(warehouse)
        raw_tables.load_feed(warehouse, settings, feed, ledger)
        assert raw_tables.unaccounted_files(warehouse, ledger) == []
        rows = warehouse.execute(f"select * from raw.{feed} order by all").df()
        counts = dict(warehouse.execute("select status, sum(lines)::int from raw.file_lines group by all having sum(lines) > 0").fetchall())
        reasons = warehouse.execute("select source_line_number, reason from raw.quarantined_lines order by all").fetchall()
    return {"ledger": ledger, "rows": rows, "counts": counts, "reasons": reasons}


def lines(*rows: str) -> str:
    return "\n".join((HEADER, *rows)) + "\n"


def test_a_good_file_is_accepted_and_leaves_the_inbox(tmp_path: Path) -> None:
    settings = make(tmp_path)
    path = put(settings, "a.csv", lines(*GOOD))
    found = load(settings)
    assert found["counts"] == {"accepted": 2}
    assert found["rows"]["sku_id"].tolist() == ["00012", "s2"]
    assert not path.exists()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("1.5", "not_a_whole_number"), ("1e3", "not_a_whole_number"), (" 3 ", "not_a_whole_number"), ("0x10", "not_a_whole_number"), ("1_000", "not_a_whole_number"),
        ("nan", "not_a_whole_number"), ("Infinity", "not_a_whole_number"), ("-1", "out_of_range"), ("99999999999", "out_of_range"), ("", "missing"),
    ],
)  # fmt: skip
def test_units_are_cast_strictly_or_quarantined_with_a_reason(tmp_path: Path, value: str, reason: str) -> None:
    settings = make(tmp_path)
    put(settings, "a.csv", lines(GOOD[0], f"r2,1,2026-01-05T10:00:00Z,n,s,{value},1.00"))
    found = load(settings)
    assert found["counts"] == {"accepted": 1, "quarantined": 1}
    assert found["reasons"] == [(3, f"sold_units:{reason}")]


@pytest.mark.parametrize(
    ("moment", "good"),
    [
        ("2026-01-05 10:00:00+01", True),
        ("2026-01-05T10:00Z", True),
        ("2026-01-05 10:00:00", False),
        ("05.01.2026", False),
        ("2026-02-30T10:00:00Z", False),
    ],
)
def test_a_moment_needs_an_offset_or_a_declared_time_zone(tmp_path: Path, moment: str, good: bool) -> None:
    settings = make(tmp_path)
    put(settings, "a.csv", lines(f"r,1,{moment},n,s,1,1.0"))
    assert ("accepted" in load(settings)["counts"]) == good


def test_a_declared_time_zone_places_a_local_moment(tmp_path: Path) -> None:
    settings = make(tmp_path, pos_sales={"time_zone": "America/New_York"})
    put(settings, "a.csv", lines("r,1,2026-01-05 22:00:00,n,s,1,1.0"))
    assert str(load(settings)["rows"]["sold_at"].iloc[0]) == "2026-01-06 03:00:00"


def test_the_same_bytes_sent_again_under_another_name_change_nothing(tmp_path: Path) -> None:
    settings = make(tmp_path)
    put(settings, "a.csv", lines(*GOOD))
    first = load(settings)
    put(settings, "b.csv", lines(*GOOD))
    again = load(settings)
    assert again["rows"].equals(first["rows"])
    assert [d.status for d in again["ledger"]] == ["landed", "duplicate"]


def test_an_exact_copy_of_a_line_is_a_duplicate_and_a_corrected_line_supersedes(tmp_path: Path) -> None:
    settings = make(tmp_path)
    put(settings, "a.csv", lines(*GOOD, GOOD[0]))
    assert load(settings)["counts"] == {"accepted": 2, "duplicate": 1}
    put(settings, "b.csv", lines(GOOD[0].replace(",2,3.50", ",5,3.50"), GOOD[1]))
    found = load(settings)
    assert found["counts"] == {"accepted": 2, "duplicate": 3, "superseded": 1} or found["counts"] == {
        "accepted": 2,
        "duplicate": 2,
        "superseded": 1,
    }
    assert sorted(found["rows"]["sold_units"]) == [1, 5]
    put(settings, "c.csv", lines(*GOOD, GOOD[0]))  # the first file again: known bytes, the correction stands
    assert sorted(load(settings)["rows"]["sold_units"]) == [1, 5]


def test_columns_are_read_by_name_in_any_order_and_personal_ones_are_never_stored(tmp_path: Path) -> None:
    settings = make(tmp_path, pos_sales={"columns": {"sku_id": "Item", "sold_units": "Qty"}})
    put(settings, "a.csv", "Qty,Cashier,Item,node_id,sold_at,line_number,receipt_id\n2,Anna Schmidt,0007,n,2026-01-05T10:00:00Z,1,r\n")
    found = load(settings)
    assert found["rows"][["sku_id", "sold_units"]].to_numpy().tolist() == [["0007", 2]]
    assert found["ledger"][0].dropped_columns == "Cashier"
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert b"Anna" not in path.read_bytes(), path


def test_a_file_without_a_required_column_is_set_aside_whole_and_says_what_to_do(tmp_path: Path) -> None:
    settings = make(tmp_path)
    put(settings, "a.csv", lines(*GOOD).replace("sold_units", "quantity"))
    found = load(settings)
    assert found["rows"].empty
    assert found["ledger"][0].status == "rejected"
    assert "column sold_units is missing; the file has receipt_id" in found["ledger"][0].reason


def test_a_line_of_the_wrong_shape_is_quarantined_under_its_own_number(tmp_path: Path) -> None:
    settings = make(tmp_path)
    put(settings, "a.csv", lines(GOOD[0], "x,y", GOOD[1], "a,b,c,d,e,f,g,h,i", "r9,1,2026-01-05T10:00:00Z,n,s,x,1.0"))
    found = load(settings)
    assert found["counts"] == {"accepted": 2, "quarantined": 3}
    assert found["reasons"] == [(3, "line:malformed"), (5, "line:malformed"), (6, "sold_units:not_a_whole_number")]


def test_csv_json_lines_and_parquet_plain_and_packed_say_the_same(tmp_path: Path) -> None:
    import pyarrow as pa

    rows = [dict(zip(HEADER.split(","), line.split(","), strict=True)) for line in GOOD]
    text = lines(*GOOD).encode()
    typed = pd.DataFrame(rows).astype({"line_number": int, "sold_units": int, "unit_price": float})
    typed["sold_at"] = pd.to_datetime(typed["sold_at"])
    typed.to_parquet(tmp_path / "x.parquet")
    variants = {
        "a.csv": text,
        "a.csv.gz": gzip.compress(text),
        "a.csv.zst": pa.compress(text, codec="zstd", asbytes=True),
        "a.tsv": text.replace(b",", b"\t"),
        "a.jsonl": "\n".join(map(json.dumps, rows)).encode() + b"\n",
        "a.parquet": (tmp_path / "x.parquet").read_bytes(),
        "crlf.csv": text.replace(b"\n", b"\r\n"),
        "bom.csv": b"\xef\xbb\xbf" + text,
    }
    found = {}
    for name, content in variants.items():
        settings = make(tmp_path / name.replace(".", "_"))
        put(settings, name, content)
        loaded = load(settings)
        assert loaded["counts"] == {"accepted": 2}, (name, loaded["reasons"], loaded["ledger"])
        found[name] = loaded["rows"].iloc[:, :7].to_csv()
    assert len(set(found.values())) == 1, found


def test_an_encoding_is_declared_never_guessed(tmp_path: Path) -> None:
    row = lines("r,1,2026-01-05T10:00:00Z,Köln,s,1,1.0")
    wrong = make(tmp_path / "wrong")
    put(wrong, "a.csv", row.encode("utf-16"))
    assert load(wrong)["ledger"][0].status == "rejected"
    for encoding in ("utf-16", "latin-1"):
        right = make(tmp_path / encoding, pos_sales={"encoding": encoding})
        put(right, "a.csv", row.encode(encoding))
        assert load(right)["rows"]["node_id"].tolist() == ["Köln"]


def test_a_decimal_comma_is_declared(tmp_path: Path) -> None:
    row = lines("r,1,2026-01-05T10:00:00Z,n,s,1,3.5").replace(",", ";").replace("3.5", "3,5")
    settings = make(tmp_path, pos_sales={"decimal_mark": ",", "delimiter": ";"})
    put(settings, "a.csv", row)
    assert float(load(settings)["rows"]["unit_price"].iloc[0]) == 3.5


def test_declared_exclusions_are_quarantined_under_their_own_reason(tmp_path: Path) -> None:
    rules = [
        {"column": "sku_id", "matches": "POST|gift_.*", "reason": "not_a_product"},
        {"column": "unit_price", "at_most": 0, "reason": "stock_correction"},
    ]
    settings = make(tmp_path, pos_sales={"exclude": rules})
    put(settings, "a.csv", lines(GOOD[0], "r2,1,2026-01-05T10:00:00Z,n,POST,1,4.0", "r3,1,2026-01-05T10:00:00Z,n,s,1,0"))
    assert load(settings)["reasons"] == [(3, "sku_id:not_a_product"), (4, "unit_price:stock_correction")]


def test_growing_temporary_linked_and_oddly_named_files_are_left_alone(tmp_path: Path) -> None:
    settings = make(tmp_path)
    put(settings, "ok.csv", lines(*GOOD))
    put(settings, ".a.part", lines(*GOOD))
    put(settings, "a'); drop table t; --.csv", lines(*GOOD))
    put(settings, "g*.csv", lines(*GOOD))
    (settings.inbox / "pos_sales" / "passwd.csv").symlink_to("/etc/passwd")
    assert [p.name for _, p in landing.waiting_files(settings.inbox, settings.feeds, settle_seconds=0)] == ["ok.csv"]
    assert landing.waiting_files(settings.inbox, settings.feeds, settle_seconds=60) == []


def test_the_newest_version_counts_whatever_the_order_of_delivery(tmp_path: Path) -> None:
    head = "order_id,line_number,ordered_at,sku_id,ordered_units,ship_to_region_id,status,updated_at\n"
    placed = head + "o,1,2026-01-05T10:00:00Z,s,3,r,placed,2026-01-05T10:00:00Z\n"
    cancelled = head + "o,1,2026-01-05T10:00:00Z,s,3,r,cancelled,2026-01-06T10:00:00Z\n"
    found = []
    for name, order in (("one", (placed, cancelled)), ("two", (cancelled, placed))):
        settings = make(tmp_path / name, ecom_orders={})
        for n, content in enumerate(order):
            put(settings, f"{n}.csv", content, "ecom_orders")
            rows = load(settings, "ecom_orders")["rows"]
        found.append(sorted(rows["status"]))
        with duckdb.connect(str(settings.warehouse)) as warehouse:
            newest = warehouse.execute("select arg_max(status, updated_at) from raw.ecom_orders").fetchone()[0]
        assert newest == "cancelled"
    assert found == [["cancelled", "placed"]] * 2


def test_a_field_that_its_line_can_do_without_is_set_aside_with_its_reason_where_that_is_declared(tmp_path: Path) -> None:
    content = "shipment_id,line_number,kind,sku_id,shipped_units,shipped_at,freight_cost\n" + "".join(
        f"x{n},1,supplier,s,1,2026-01-05T10:00:00Z,{cost}\n" for n, cost in enumerate(("12.50", "Freight Included", "-3", ""))
    )
    strict = make(tmp_path / "strict", shipments={})
    put(strict, "a.csv", content, "shipments")
    assert load(strict, "shipments")["counts"] == {"accepted": 2, "quarantined": 2}
    lenient = make(tmp_path / "lenient", shipments={"fields_set_aside": ["freight_cost"]})
    put(lenient, "a.csv", content, "shipments")
    found = load(lenient, "shipments")
    assert found["counts"] == {"accepted": 4}
    assert found["reasons"] == [(3, "freight_cost:not_a_decimal"), (4, "freight_cost:not_a_decimal")]
    with pytest.raises(SettingsError, match="a line without sku_id means nothing"):
        parse_settings(
            {
                "currency": "EUR",
                "time_zone": "UTC",
                "data_dir": ".",
                "first_date": "2026-01-01",
                "feeds": {"shipments": {"fields_set_aside": ["sku_id"]}},
            },
            tmp_path / "settings.yaml",
        )


def test_header_names_are_found_whatever_their_case(tmp_path: Path) -> None:
    """Reliability 6: 24 orders of four columns, and capitals, give the same table."""
    found = set()
    for n, order in enumerate(itertools.permutations(range(4))):
        names, cells = HEADER.split(","), GOOD[0].split(",")
        picked = [*order, 4, 5, 6]
        head = ",".join(names[i].upper() if n % 2 else names[i] for i in picked)
        settings = make(tmp_path / str(n))
        put(settings, "a.csv", f"{head}\n{','.join(cells[i] for i in picked)}\n")
        found.add(load(settings)["rows"].iloc[:, :7].to_csv())
    assert len(found) == 1


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_personal_data_in_a_column_of_the_contract_is_taken_out_at_the_door(tmp_path: Path, suffix: str) -> None:
    """Reliability 19: an e-mail address where an id belongs, in every format, reaches no file and no table."""
    rows = pd.DataFrame([line.split(",") for line in (GOOD[0], f"anna@example.com,{GOOD[1].split(',', 1)[1]}")], columns=HEADER.split(","))
    rows["note"] = "call anna@example.com"
    settings = make(tmp_path)
    path = put(settings, f"a{suffix}", b"")
    match suffix:
        case ".csv":
            rows.to_csv(path, index=False)
        case ".jsonl":
            rows.to_json(path, orient="records", lines=True)
        case _:
            rows.to_parquet(path, index=False)
    found = load(settings)
    assert found["counts"] == {"accepted": 1, "quarantined": 1}
    assert found["reasons"][0][1] == "receipt_id:personal_data"
    assert found["ledger"][0].dropped_columns == "note"
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or b"anna@example" not in file.read_bytes(), file


def test_a_number_above_the_limit_that_the_settings_declare_is_quarantined(tmp_path: Path) -> None:
    """Reliability 12: what is too much is declared; a rule learnt from earlier files would depend on the order of delivery."""
    settings = make(tmp_path, pos_sales={"limits": {"sold_units": 500}})
    put(settings, "a.csv", lines(GOOD[0], "r2,1,2026-01-05T10:00:00Z,n,s,501,1.00", "r3,1,2026-01-05T10:00:00Z,n,s,500,1.00"))
    assert load(settings)["reasons"] == [(3, "sold_units:above_its_limit")]
