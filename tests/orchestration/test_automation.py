"""What the day waits for, and what it does not."""

import datetime as dt
from pathlib import Path

import pytest

from orchestration import ops_store
from orchestration.automation import undelivered
from orchestration.checks import _open_days
from orchestration.raw_tables import create_tables
from orchestration.settings import Settings
from orchestration.warehouse import open_warehouse

SUNDAY = dt.date(2026, 11, 22)


def _lived(folder: Path) -> Settings:
    """Five weeks of a shop that is closed on Sundays and one that opened on Friday, up to Saturday."""
    settings = Settings(currency="EUR", time_zone="UTC", data_dir=folder, first_date="2026-01-01", feeds={"pos_sales": {"required": True}})
    delivered = [("shop", SUNDAY - dt.timedelta(days=n)) for n in range(1, 36)]
    delivered = [(node, day) for node, day in delivered if day.weekday() != 6] + [("new", SUNDAY - dt.timedelta(days=n)) for n in (1, 2)]
    with ops_store.open_store(settings.ops) as store:
        ops_store.add_delivery(
            store, days=[(node, day.isoformat(), 5) for node, day in delivered], feed="pos_sales", file_hash="x", file_name="x.csv",
            received_at="2026-11-22", file_bytes=1, received_lines=1, status="landed",
        )  # fmt: skip
    return settings


@pytest.mark.parametrize(
    ("day", "missing"),
    [
        (SUNDAY, ["pos_sales of new"]),
        (SUNDAY + dt.timedelta(days=1), ["pos_sales of new", "pos_sales of shop"]),
        (SUNDAY - dt.timedelta(days=1), []),
    ],
    ids=["Sunday", "Monday", "Saturday"],
)
def test_a_closed_store_is_not_waited_for_and_a_new_one_is(tmp_path: Path, day: dt.date, missing: list[str]) -> None:
    settings = _lived(tmp_path)
    with ops_store.open_store(settings.ops) as store:
        assert undelivered(store, settings, day) == missing


def test_days_on_which_every_store_was_closed_make_no_feed_stale(tmp_path: Path) -> None:
    with open_warehouse(tmp_path / "w.duckdb") as warehouse:
        create_tables(warehouse)
        warehouse.execute("insert into raw.nodes (node_id, node_type, closed_weekdays, ledger_sequence) values ('shop', 'store', 'sun', 1)")
        warehouse.execute("insert into raw.pos_sales (node_id, sku_id) values ('shop', 's')")
        saturday = SUNDAY - dt.timedelta(days=1)
        assert _open_days(warehouse, "pos_sales", saturday, SUNDAY) == 0
        assert _open_days(warehouse, "pos_sales", saturday, SUNDAY + dt.timedelta(days=1)) == 1
        assert _open_days(warehouse, "ecom_orders", saturday, SUNDAY) == 1
