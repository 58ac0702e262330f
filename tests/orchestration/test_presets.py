"""Exports as their vendors write them, read through the presets that come with the package."""

from pathlib import Path

import pandas as pd
import pytest

from orchestration import presets
from orchestration.import_check import check_file
from orchestration.settings import Settings, SettingsError, parse_settings
from tests.orchestration.test_ingest import load, put

ISA = "ISA*00*          *00*          *ZZ*SENDER         *ZZ*RECEIVER       *260718*0800*U*00401*000000007*0*P*>~"


def make(folder: Path, preset: str, **more: object) -> tuple[Settings, str]:
    feed = presets.read(preset)["feed"]
    content = {"currency": "EUR", "time_zone": "UTC", "data_dir": ".", "first_date": "2020-01-01"}
    return parse_settings({**content, "feeds": {feed: {"preset": preset, **more}}}, folder / "settings.yaml"), feed


def read(folder: Path, preset: str, name: str, content: str, **more: object) -> tuple[pd.DataFrame, list]:
    settings, feed = make(folder, preset, **more)
    put(settings, name, content, feed)
    found = load(settings, feed)
    assert found["ledger"][0].status == "landed", found["ledger"][0].reason
    return found["rows"].set_index(["source_line_number"]), found["reasons"]


def test_shopify_orders_fill_the_order_down_its_lines_and_know_a_cancelled_one(tmp_path: Path) -> None:
    head = "Name,Email,Created at,Lineitem quantity,Lineitem price,Lineitem sku,Shipping Zip,Shipping Country,Cancelled at,Id\n"
    content = (
        head
        + "#1001,anna@example.com,2026-07-18 23:30:00 -0400,2,9.90,0012,'10115,DE,,501\n#1001,anna@example.com,,1,4.50,B-7,,,,\n"
        + "#1002,,2026-07-19 08:00:00 -0400,3,1.00,B-7,20095,DE,2026-07-19 09:00:00 -0400,502\n"
    )
    rows, reasons = read(tmp_path, "shopify_orders", "orders.csv", content)
    assert reasons == []
    assert rows["ordered_at"].astype(str).tolist() == ["2026-07-19 03:30:00", "2026-07-19 03:30:00", "2026-07-19 12:00:00"]
    assert rows["line_number"].tolist() == [1, 2, 1]
    assert rows["postal_code"].tolist() == ["10115", "10115", "20095"]
    assert rows["status"].tolist() == ["placed", "placed", "cancelled"]
    assert rows["updated_at"].astype(str).tolist()[-1] == "2026-07-19 13:00:00"
    assert "email" not in " ".join(rows.columns)


def test_shopify_inventory_takes_its_moment_from_the_name_of_the_file(tmp_path: Path) -> None:
    head = "Handle,SKU,HS Code,COO,Location,Committed (not editable),On hand (current),On hand (new)\n"
    content = head + "shirt,0012,,,Berlin,1,7,\nshirt,0012,,,Online,,not stocked,\nmug,B-7,,,Berlin,0,3.5,\n"
    rows, reasons = read(tmp_path, "shopify_inventory", "inventory_2026-07-18T2355.csv", content, time_zone="Europe/Berlin")
    assert rows[["sku_id", "node_id", "on_hand_units", "reserved_units"]].values.tolist() == [["0012", "Berlin", 7, 1]]
    assert rows["snapshot_at"].astype(str).tolist() == ["2026-07-18 21:55:00"]
    assert reasons == [(3, "line:not_of_this_feed"), (4, "on_hand_units:not_a_whole_number")]


def test_shopify_inventory_with_a_column_for_each_location(tmp_path: Path) -> None:
    content = "Handle,SKU,HS Code,COO,Berlin,Munich\nshirt,0012,,,7,0\nmug,B-7,,,3,not stocked\n"
    rows, reasons = read(tmp_path, "shopify_inventory_by_location", "inv_2026-07-18T2355.csv", content, time_zone="UTC")
    found = {(r.sku_id, r.node_id): r.on_hand_units for r in rows.itertuples()}
    assert found == {("0012", "Berlin"): 7, ("0012", "Munich"): 0, ("B-7", "Berlin"): 3}
    assert [reason for _, reason in reasons] == ["line:not_of_this_feed"]


SQUARE = (
    "Date,Time,Time Zone,Item,Qty,SKU,Gross Sales,Transaction ID,Event Type,Location,Customer Name\n"
    "2026-07-18,23:59:30,Eastern Time (US & Canada),Mug,1.0,B-7,$8.00,T1,Payment,Main St,Anna\n"
    "2026-07-18,23:59:30,Eastern Time (US & Canada),Tea,0.5,TEA,$4.00,T1,Payment,Main St,Anna\n"
    "2026-07-18,12:00:00,Pacific Time (US & Canada),Mug,-2.0,B-7,-$16.00,T2,Refund,Main St,\n"
    "2026-07-18,12:00:00,Moon,Mug,1.0,B-7,$8.00,T3,Payment,Main St,\n"
)


def test_square_items_are_sales_in_their_own_time_zone(tmp_path: Path) -> None:
    rows, reasons = read(tmp_path, "square_items", "items.csv", SQUARE)
    assert rows[["receipt_id", "line_number", "node_id", "sku_id", "sold_units"]].values.tolist() == [["T1", 1, "Main St", "B-7", 1]]
    assert rows["sold_at"].astype(str).tolist() == ["2026-07-19 03:59:30"]
    assert reasons == [(3, "sold_units:not_a_whole_number"), (4, "line:not_of_this_feed"), (5, "sold_at:not_a_moment")]


def test_square_refunds_are_returns_that_nobody_has_looked_at(tmp_path: Path) -> None:
    rows, _ = read(tmp_path, "square_refunds", "items.csv", SQUARE)
    assert rows[["return_id", "returned_units", "condition"]].values.tolist() == [["T2", 2, "refurbish"]]


def test_amazon_orders_are_lines_with_a_status_of_the_contract(tmp_path: Path) -> None:
    head = "amazon-order-id\tpurchase-date\tlast-updated-date\torder-status\tsku\tquantity\titem-price\tship-postal-code\tship-country\n"
    content = (
        head
        + "1-1\t2026-07-18T10:00:00+00:00\t2026-07-18T12:00:00+00:00\tShipped\tB-7\t2\t9.90\t10115\tDE\n"
        + "1-1\t2026-07-18T10:00:00+00:00\t2026-07-18T13:00:00+00:00\tCancelled\tC-1\t1\t\t10115\tDE\n"
        + "1-2\t2026-07-18T10:00:00+00:00\t2026-07-18T13:00:00+00:00\tLost in space\tC-1\t1\t\t10115\tDE\n"
    )
    rows, reasons = read(tmp_path, "amazon_orders", "orders.txt", content)
    assert rows[["order_id", "line_number", "sku_id", "ordered_units", "status"]].values.tolist() == [
        ["1-1", 1, "B-7", 2, "placed"], ["1-1", 2, "C-1", 1, "cancelled"],
    ]  # fmt: skip
    assert reasons == [(4, "status:not_allowed")]


def x12(transaction: str, group: str, *segments: str) -> str:
    body = [f"ST*{transaction}*0001", *segments]
    return "".join(
        [
            ISA,
            f"GS*{group}*SENDER*RECEIVER*20260718*0800*7*X*004010~",
            *(f"{s}~" for s in body),
            f"SE*{len(body) + 1}*0001~GE*1*7~IEA*1*000000007~",
        ]
    )


POS = ("XQ*H*20260712*20260718", "N1*ST*Main St*92*S1", "LIN*1*IN*4711*UP*036000291452", "ZA*QS*48*EA", "CTP**UCP*12.29", "ZA*Q1*47*EA",
       "LIN*2*UP*012345678905", "ZA*QS", "SDQ*EA*UL*S1*3*S2*7", "CTT*2")  # fmt: skip


def test_x12_852_reports_one_activity_by_store_and_no_unit_twice(tmp_path: Path) -> None:
    rows, reasons = read(tmp_path, "x12_852", "pos.x12", x12("852", "PD", *POS), time_zone="UTC")
    assert rows["unit_price"].astype(float).tolist()[0] == 12.29
    assert rows[["node_id", "sku_id", "sold_units"]].values.tolist() == [
        ["S1", "036000291452", 48],
        ["S1", "012345678905", 3],
        ["S2", "012345678905", 7],
    ]
    assert set(rows["sold_at"].astype(str)) == {"2026-07-18 12:00:00"}
    assert [reason for _, reason in reasons] == ["line:not_of_this_feed"]


def test_x12_846_944_and_945(tmp_path: Path) -> None:
    stock = x12("846", "IB", "BIA*00*SI*REF1*20260718", "N1*WH*Hub*92*HUB", "LIN**UP*036000291452", "QTY*33*120*EA", "QTY*02*5*EA", "CTT*1")
    rows, _ = read(tmp_path / "846", "x12_846", "stock.edi", stock, time_zone="UTC")
    assert rows[["node_id", "sku_id", "on_hand_units"]].values.tolist() == [["HUB", "036000291452", 120]]
    receipt = x12(
        "944", "RE", "W17*F*20260718*R1*TR-9*SH-1", "N1*WH*Hub*92*HUB", "N1*SF*Dc*92*DC", "W07*30*EA*036000291452*VN*B-7", "W14*30"
    )
    rows, _ = read(tmp_path / "944", "x12_944", "receipt.x12", receipt, time_zone="UTC")
    assert rows[["transfer_id", "origin_node_id", "destination_node_id", "sku_id", "received_units"]].values.tolist() == [
        ["TR-9", "DC", "HUB", "B-7", 30]
    ]
    advice = x12(
        "945",
        "SW",
        "W06*F*TR-9*20260718*SH-1",
        "N1*WH*Hub*92*HUB",
        "N1*ST*Shop*92*S1",
        "LX*1",
        "W12*CC*40*30*10*EA**UP*036000291452",
        "W03*30",
    )
    rows, _ = read(tmp_path / "945", "x12_945", "advice.x12", advice, time_zone="UTC")
    assert rows[["transfer_id", "origin_node_id", "destination_node_id", "sku_id", "shipped_units"]].values.tolist() == [
        ["TR-9", "HUB", "S1", "036000291452", 30]
    ]


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.9, 0.99])
def test_an_x12_document_that_was_cut_or_miscounted_is_refused(tmp_path: Path, cut: float) -> None:
    whole = x12("852", "PD", *POS)
    settings, feed = make(tmp_path, "x12_852")
    put(settings, "cut.x12", whole[: int(len(whole) * cut)], feed)
    put(settings, "miscounted.x12", whole.replace("SE*12*", "SE*13*"), feed)
    assert [d.status for d in load(settings, feed)["ledger"]] == ["rejected", "rejected"]


def test_a_check_shows_the_mapping_and_the_reasons_and_changes_nothing(tmp_path: Path) -> None:
    settings, feed = make(tmp_path, "square_items")
    path = put(settings, "items.csv", SQUARE, feed)
    before = sorted(p for p in tmp_path.rglob("*"))
    found = check_file(settings, feed, path)
    assert found.lines == {"accepted": 1, "duplicate": 0, "superseded": 0, "quarantined": 3}
    assert found.mapped["receipt_id"] == "Transaction ID"
    assert found.unmapped == ["unit_price"]
    assert "Customer Name" in found.dropped
    assert ("sold_at:not_a_moment", 1, 5) in [reason[:3] for reason in found.reasons]
    assert "Anna" not in str(found)
    assert sorted(p for p in tmp_path.rglob("*")) == before


def test_a_check_reads_no_other_file_than_the_one_it_is_given(tmp_path: Path) -> None:
    settings, feed = make(tmp_path, "square_items")
    put(settings, "i1.csv", SQUARE, feed)
    found = check_file(settings, feed, put(settings, "i*.csv", SQUARE, feed))
    assert "file patterns" in found.problem


def test_every_preset_is_a_mapping_that_settings_accept(tmp_path: Path) -> None:
    for name in presets.names():
        make(tmp_path, name)
    with pytest.raises(SettingsError, match="presets are amazon_orders"):
        parse_settings(
            {"currency": "EUR", "time_zone": "UTC", "data_dir": ".", "first_date": "2020-01-01", "feeds": {"returns": {"preset": "sap"}}},
            tmp_path / "s",
        )


def test_a_file_without_a_column_that_sorts_its_lines_is_refused_by_name(tmp_path: Path) -> None:
    settings, feed = make(tmp_path, "square_items")
    put(settings, "items.csv", SQUARE.replace("Event Type", "Kind"), feed)
    assert "column Event Type is missing" in load(settings, feed)["ledger"][0].reason
