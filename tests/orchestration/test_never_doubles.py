"""The ways in which units could be sent, sold, counted or handed over twice, one by one."""

import http.server
import json
import sqlite3
import threading
from pathlib import Path

import pandas as pd
import pytest

from orchestration import availability, handover, outbox, receipts, reservations, transfer_ledger
from orchestration.deployment import Deployment
from orchestration.receipts import Advice
from orchestration.reservations import Line, NotEnoughError, ReservationError
from orchestration.rules import routing_rules
from tests.orchestration.test_governance import DAY, TODAY, ZONES, decide, issued, opened, order, states, stock
from tests.orchestration.test_reservations import ROUTING, free, reserve, stocked

STOCK = {("s1", "hub"): 24, ("s1", "shop"): 0}


def advise(made: Deployment, *advices: tuple[str, int, str]) -> list[str]:
    with made.ops() as store:
        return receipts.confirm(store, [Advice("t0001", state, units, key) for state, units, key in advices], actor="wms").problems


def publish_again(made: Deployment, there: dict[tuple[str, str], int], orders: list[dict] | None = None) -> None:
    with made.ops() as store:
        if orders is not None:
            transfer_ledger.record_plan(store, pd.DataFrame(orders), as_of_date=DAY)
        availability.record_stock(store, stock(there), ZONES, as_of_date=DAY, at=transfer_ledger.now())
        store.commit()


def test_a_transfer_named_twice_is_one_line_of_one_document(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1)])
    decide(made, ["t0001", "t0001"], "approved")
    handover.issue(made, ["t0001", "t0001"], actor="ann", today=TODAY)
    with made.ops() as store:
        documents = [json.loads(row[0]) for row in store.execute("select lines from outbox")]
    assert [[line["units"] for line in lines] for lines in documents] == [[12]]


def test_the_best_of_a_batch_takes_the_stock(tmp_path: Path) -> None:
    best, other = order(1, net_gain=100.0), order(2, net_gain=1.0, sku_id="s1", destination_node_id="far")
    made = opened(tmp_path, [best, other], {("s1", "hub"): 14})
    issued(made, ["t0001", "t0002"])
    assert states(made) == {"t0001": ("issued", 12), "t0002": ("cancelled", 12)}


def test_units_that_arrived_before_the_next_count_are_not_free_at_their_origin(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1)], {("s1", "hub"): 12})
    issued(made, ["t0001"])
    for step in (("shipped", 12, "a"), ("received", 12, "b")):
        assert advise(made, step) == []
        assert free(made, "s1") == {"hub": 0}
    assert states(made)["t0001"] == ("closed", 12)


def test_publishing_a_day_again_frees_nothing_that_left_since(tmp_path: Path) -> None:
    made = stocked(tmp_path, {("s", "hub"): 5})
    reserve(made, "o1", 5)
    with made.ops() as store:
        reservations.ship(store, "o1", shipment_key="p1")
    publish_again(made, {("s", "hub"): 5})
    assert free(made) == {"hub": 0}


def test_another_run_of_a_day_proposes_other_units_anew_but_not_what_was_decided(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1), order(2)])
    decide(made, ["t0002"], "approved")
    fewer = [order(1, 6, transfer_id="t0001b"), order(2, 6, transfer_id="t0002b")]
    fewer = [row | {"sku_id": sku} for row, sku in zip(fewer, ("s1", "s2"), strict=True)]
    publish_again(made, {("s1", "hub"): 100}, fewer)
    assert states(made) == {"t0001": ("expired", 12), "t0001b": ("proposed", 6), "t0002": ("approved", 12)}
    publish_again(made, {("s1", "hub"): 100}, [order(1)])
    assert {one: state for one, (state, _) in states(made).items()} == {"t0001": "proposed", "t0001b": "expired", "t0002": "approved"}


def test_feed_and_advice_of_the_same_units_do_not_add_up(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1)])
    issued(made, ["t0001"])
    with made.ops() as store:
        store.execute("insert into transfer_feed_totals values ('t0001', 'shipped', 12)")
        store.commit()
    assert advise(made, ("shipped", 12, "a"), ("received", 12, "b")) == []
    assert states(made)["t0001"] == ("closed", 12)


def test_a_delivery_in_two_parts_stays_open_until_both_are_there(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1)])
    issued(made, ["t0001"])
    assert advise(made, ("shipped", 6, "a"), ("received", 6, "b")) == []
    assert states(made)["t0001"] == ("received", 6)
    assert advise(made, ("received", 6, "c"), ("shipped", 6, "d")) == []  # the second receipt is told first
    assert states(made)["t0001"] == ("closed", 12)


def test_a_document_sent_again_under_another_envelope_counts_once(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1)])
    issued(made, ["t0001"])
    head = "ISA*00*          *00*          *ZZ*WMS            *ZZ*NODEWISE       *260201*{at}*U*00401*00000000{n}*0*P*>~GS*RE*WMS*NODEWISE*20260201*0900*{n}*X*004010~ST*944*0001~"
    body = "W17*F*20260202*R1*doc*S1~W07*12*EA**VN*s1~N9*LI*t0001~W14*12~SE*6*0001~GE*1*{n}~IEA*1*00000000{n}~"
    for n, at in ((7, "0900"), (8, "1000")):
        path = tmp_path / f"{n}.x12"
        path.write_text((head + body).format(n=n, at=at))
        with made.ops() as store:
            assert receipts.confirm(store, receipts.read_advices(path), actor="wms").problems == []
    with made.ops() as store:
        assert receipts.moved_units(store, "t0001")["received"] == 12
    (tmp_path / "9.x12").write_text((head + body).format(n=9, at="1100").replace("W07*12", "W07*10").replace("W14*12", "W14*10"))
    with made.ops() as store:
        assert "12 units before and 10 now" in receipts.confirm(store, receipts.read_advices(tmp_path / "9.x12"), actor="wms").problems[0]


@pytest.mark.parametrize("after", ["approved", "issued"])
def test_an_order_whose_transfer_is_cancelled_is_held_at_the_origin_again(tmp_path: Path, after: str) -> None:
    made = opened(tmp_path, [order(1)], STOCK)
    decide(made, ["t0001"], "approved")
    with made.ops() as store:
        reservations.reserve(store, key="o1", order_id="o1", region_id="", lines=[Line(1, "s1", 8, "hub")], settings=ROUTING, rules=routing_rules(ROUTING))  # fmt: skip
        reservations.confirm(store, "o1")
        reservations.move_with(store, "o1", "t0001")
    if after == "issued":
        handover.issue(made, ["t0001"], actor="ann", today=TODAY)
    decide(made, ["t0001"], "cancelled", reason="the van broke")
    with made.ops() as store:
        assert [(h.node_id, h.units) for h in reservations.holds(store, key="o1")] == [("hub", 8)]
    assert free(made, "s1") == {"hub": 16, "shop": 0}


def test_units_that_a_smaller_transfer_no_longer_carries_are_held_at_the_origin_again(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1)], STOCK)
    decide(made, ["t0001"], "approved")
    with made.ops() as store:
        for key, units in (("o1", 5), ("o2", 4)):
            reservations.reserve(store, key=key, order_id=key, region_id="", lines=[Line(1, "s1", units, "hub")], settings=ROUTING, rules=routing_rules(ROUTING))  # fmt: skip
            reservations.move_with(store, key, "t0001")
    decide(made, ["t0001"], "approved", units=6, reason="a small van")
    with made.ops() as store:
        held = {(h.reservation_key, h.node_id): h.units for h in reservations.holds(store)}
    assert held == {("o1", "shop"): 5, ("o2", "shop"): 1, ("o2", "hub"): 3}


def test_a_redirect_is_no_delivery_and_takes_no_token_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    class Elsewhere(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.send_response(302 if self.path == "/in" else 200)
            self.send_header("Location", "/login")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/in"
    made = opened(tmp_path, [order(1)], hand_over={"formats": [], "http_url": url, "http_token_variable": "WMS_TOKEN"})
    monkeypatch.setenv("WMS_TOKEN", "secret")
    issued(made, ["t0001"])
    done = outbox.send(made)
    server.shutdown()
    assert asked == ["POST /in"]
    assert (done.sent, len(done.problems)) == ([], 1)


def test_a_parcel_of_two_orders_ships_both(tmp_path: Path) -> None:
    made = stocked(tmp_path, {("s", "hub"): 9})
    for key, shipment in (("o1", "pA1"), ("o2", "pA1"), ("o3", "p_1")):
        reserve(made, key, 2)
        with made.ops() as store:
            assert reservations.ship(store, key, shipment_key=shipment) == []
    with made.ops() as store:
        assert store.execute("select sum(units) from reservations where reason = 'shipped'").fetchone()[0] == -6


def test_asking_again_for_what_has_expired_is_no_success(tmp_path: Path) -> None:
    made = stocked(tmp_path, {("s", "hub"): 5})
    reserve(made, "o1", 5)
    with made.ops() as store:
        store.execute("update reservations set expires_at = '2020-01-01T00:00:00.000+00:00'")
        store.commit()
    with pytest.raises(ReservationError, match="nothing is held under it any more"):
        reserve(made, "o1", 5)
    reserve(made, "o2", 5)
    with pytest.raises(NotEnoughError):
        reserve(made, "o3", 1)


def test_a_request_that_breaks_leaves_no_lock_behind(tmp_path: Path) -> None:
    made = stocked(tmp_path, {("s", "hub"): 5})
    with made.ops() as store:
        with pytest.raises(OverflowError):
            reservations.reserve(store, key="o1", order_id="o1", region_id="r", lines=[Line(10**30, "s", 1)], settings=ROUTING, rules=routing_rules(ROUTING))  # fmt: skip
        assert not store.in_transaction
        other = sqlite3.connect(made.settings.ops, timeout=0.1)
        other.execute("begin immediate")
        other.close()
