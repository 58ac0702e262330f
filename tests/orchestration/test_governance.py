"""A transfer's life: decided, issued once, confirmed, closed, with every unit accounted for."""

import csv
import datetime as dt
import http.server
import itertools
import json
import multiprocessing
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration import availability, documents, gates, handover, ops_store, outbox, receipts, reservations, transfer_ledger
from orchestration.delivered_file import DeliveryError
from orchestration.deployment import Deployment
from orchestration.documents import Document
from orchestration.reservations import Line
from orchestration.rules import routing_rules
from orchestration.run_day import RunDay
from orchestration.settings import Settings
from orchestration.transfer_ledger import TransferStateError

TODAY = dt.date(2026, 2, 1)
DAY = "2026-01-31"


def order(number: int, units: int = 12, **changes: object) -> dict:
    base = {
        "transfer_id": f"t{number:04d}", "order_kind": "transfer", "as_of_date": DAY, "sku_id": f"s{number}", "origin_node_id": "hub",
        "destination_node_id": "shop", "mode": "van", "planned_units": units, "case_pack_units": 6, "ship_date": "2026-02-01",
        "arrival_date": "2026-02-02", "transfer_cost": 3.0, "expected_gain": 20.0, "net_gain": 17.0, "reason_code": "prevent_stockout",
        "explanation": "", "is_shadow": 0,
    }  # fmt: skip
    return base | changes


def stock(rows: dict[tuple[str, str], int], **columns: object) -> pd.DataFrame:
    table = pd.DataFrame([(sku, node, units) for (sku, node), units in rows.items()], columns=["sku_id", "node_id", "on_hand_units"])
    return table.assign(**({"reserved_units": 0, "presentation_units": 0, "unit_value": 0.0} | columns))


ZONES = pd.DataFrame({"node_id": ["hub", "shop"], "region_id": "r", "unit_cost": [3.0, 1.0], "delivery_days": 1})


def deployment(folder: Path, **settings: object) -> Deployment:
    content = {"currency": "EUR", "time_zone": "UTC", "data_dir": folder, "first_date": "2025-01-01", "feeds": {}} | settings
    return Deployment(Settings.model_validate(content))


def opened(folder: Path, orders: list[dict], there: dict[tuple[str, str], int] | None = None, **settings: object) -> Deployment:
    """A deployment whose plan of the day was published."""
    made = deployment(folder, **settings)
    held = there or {(row["sku_id"], "hub"): 100 for row in orders}
    with made.ops() as store:
        transfer_ledger.record_plan(store, pd.DataFrame(orders), as_of_date=DAY)
        availability.record_stock(store, stock(held), ZONES, as_of_date=DAY, at=transfer_ledger.now())
    return made


def states(made: Deployment) -> dict[str, tuple[str, int]]:
    with made.ops() as store:
        return {t.transfer_id: (t.state, t.units) for t in transfer_ledger.find(store)}


def decide(made: Deployment, ids: list[str], state: str, **how: object) -> None:
    with made.ops() as store:
        transfer_ledger.decide(store, ids, state, actor="ann", **how)


def issued(made: Deployment, ids: list[str]) -> handover.Issued:
    decide(made, ids, "approved")
    return handover.issue(made, ids, actor="ann", today=TODAY)


def test_units_other_than_proposed_and_refusals_need_a_reason(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1), order(2)])
    for units, reason, said in ((6, "", "say why"), (7, "less", "whole cases"), (0, "none", "whole cases")):
        with pytest.raises(TransferStateError, match=said):
            decide(made, ["t0001"], "approved", units=units, reason=reason)
    with pytest.raises(TransferStateError, match="say why"):
        decide(made, ["t0002"], "rejected")
    decide(made, ["t0001"], "approved", units=6, reason="the shelf is small")
    decide(made, ["t0002"], "rejected", reason="the shop closes")
    assert states(made) == {"t0001": ("approved", 6), "t0002": ("rejected", 12)}


def test_a_decision_about_several_stands_or_falls_whole(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1), order(2)])
    decide(made, ["t0002"], "rejected", reason="no")
    with pytest.raises(TransferStateError, match="t0002 is rejected"):
        decide(made, ["t0001", "t0002"], "approved")
    assert states(made)["t0001"] == ("proposed", 12)


def test_a_shadow_is_approved_by_nobody(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1, is_shadow=1)])
    with pytest.raises(TransferStateError, match="shadow"):
        decide(made, ["t0001"], "approved")


def test_a_newer_plan_takes_the_place_of_what_was_only_proposed(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1), order(2)])
    decide(made, ["t0002"], "approved")
    later = order(3, as_of_date="2026-02-01")
    with made.ops() as store:
        assert transfer_ledger.record_plan(store, pd.DataFrame([later]), as_of_date="2026-02-01") == {"new_count": 1, "expired_count": 1}
        assert transfer_ledger.record_plan(store, pd.DataFrame([later]), as_of_date="2026-02-01") == {"new_count": 0, "expired_count": 0}
    assert states(made) == {"t0001": ("expired", 12), "t0002": ("approved", 12), "t0003": ("proposed", 12)}


def test_stock_sold_since_the_plan_shrinks_a_transfer_or_cancels_it(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1), order(2), order(3)], {("s1", "hub"): 20, ("s2", "hub"): 20, ("s3", "hub"): 20})
    routing = made.settings.routing
    with made.ops() as store:
        for sku, units in (("s1", 13), ("s2", 18)):
            reservations.reserve(store, key=sku, order_id=sku, region_id="r", lines=[Line(1, sku, units)], settings=routing, rules=routing_rules(routing))  # fmt: skip
    issued(made, ["t0001", "t0002", "t0003"])
    assert states(made) == {"t0001": ("issued", 6), "t0002": ("cancelled", 12), "t0003": ("issued", 12)}


def test_two_transfers_do_not_share_the_last_units(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1, sku_id="s"), order(2, sku_id="s", destination_node_id="other")], {("s", "hub"): 14})
    issued(made, ["t0001", "t0002"])
    assert sorted(states(made).values()) == [("cancelled", 12), ("issued", 12)] or sorted(states(made).values()) == [
        ("issued", 12),
        ("cancelled", 12),
    ]


def test_nothing_is_issued_on_a_red_gate_or_stale_stock(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1)])
    decide(made, ["t0001"], "approved")
    with pytest.raises(handover.NotIssuedError, match="5 days ago"):
        handover.issue(made, ["t0001"], actor="ann", today=dt.date(2026, 2, 5))
    day = RunDay(dt.date(2026, 2, 1), 1, "h", dt.date(2026, 2, 1))
    gates.record(made, day, gate="forecast", check="backtest_is_calibrated", finding=gates.Finding(["bias +40 %"]))
    with pytest.raises(handover.NotIssuedError, match="forecast/backtest_is_calibrated"):
        handover.issue(made, ["t0001"], actor="ann", today=TODAY)
    gates.record(made, day, gate="forecast", check="backtest_is_calibrated", finding=gates.Finding([]))
    handover.issue(made, ["t0001"], actor="ann", today=TODAY)
    assert states(made)["t0001"] == ("issued", 12)


def test_what_is_inside_the_band_is_approved_by_the_policy(tmp_path: Path) -> None:
    from orchestration.plan_orders import _approve_band

    band = {"max_units": 20, "max_cost": 5.0, "min_net_gain": 10.0, "kinds": ["transfer"]}
    made = opened(tmp_path, [order(1), order(2, units=24), order(3, transfer_cost=9.0), order(4, net_gain=2.0)], governance={"auto_approve": band})  # fmt: skip
    table = pd.DataFrame([order(1), order(2, units=24), order(3, transfer_cost=9.0), order(4, net_gain=2.0)])
    assert _approve_band(made, table, made.settings.governance.auto_approve) == 1
    with made.ops() as store:
        found = transfer_ledger.find(store, states=("approved",))
    assert [(t.transfer_id, t.actor) for t in found] == [("t0001", "policy")]


# ---------------------------------------------------------------------------------------------------------- documents
def test_lines_of_a_departure_are_one_document_written_once_in_every_format(tmp_path: Path) -> None:
    made = opened(
        tmp_path, [order(1), order(2), order(3, destination_node_id="other")], hand_over={"formats": ["x12", "csv", "json", "people"]}
    )
    assert len(issued(made, ["t0001", "t0002", "t0003"]).documents) == 2
    first, again = outbox.send(made), outbox.send(made)
    assert (len(first.sent), again.sent, first.problems) == (8, [], [])
    files = sorted(p.relative_to(made.settings.outbox).parts[:2] for p in made.settings.outbox.rglob("*") if p.is_file() and ".locks" not in p.parts)  # fmt: skip
    assert len(files) == 10
    content = [json.loads(p.read_text()) for p in (made.settings.outbox / "machine/json").iterdir()]
    assert sorted(line["transfer_id"] for doc in content for line in doc["lines"]) == ["t0001", "t0002", "t0003"]


@pytest.mark.parametrize("sku", ["=HYPERLINK(1)", "+1", "-2", "@x", "\t=1"])
def test_people_may_open_their_file_and_machines_read_what_was_meant(sku: str) -> None:
    made = Document(1, "k", "transfer", "hub", "shop", "van", "2026-02-01", [{"transfer_id": "t", "sku_id": sku, "units": 1, "arrival_date": "2026-02-02", "as_of_date": DAY}], "2026-02-01T05:00:00+00:00")  # fmt: skip
    machine = next(csv.DictReader(documents.as_machine_csv(made).splitlines()))
    human = next(csv.DictReader(documents.as_human_csv(made).splitlines()))
    assert machine["sku_id"] == sku
    assert human["sku_id"] == f"'{sku}"
    assert json.loads(documents.as_json(made))["lines"][0]["sku_id"] == sku


def test_the_940_and_943_have_control_numbers_that_add_up(tmp_path: Path) -> None:
    from pyx12.x12file import X12Reader

    made = opened(tmp_path, [order(1), order(2)], hand_over={"formats": ["x12"]})
    issued(made, ["t0001", "t0002"])
    outbox.send(made)
    for path in (made.settings.outbox / "machine/x12").iterdir():
        with path.open() as stream:
            reader = X12Reader(stream)
            segments = [(s.get_seg_id(), s.get_value("01")) for s in reader]
            reader.cleanup()
        assert reader.pop_errors() == []
        assert sum(int(units) for tag, units in segments if tag in ("W01", "W04")) == 24


def test_a_document_is_posted_until_it_is_taken_and_then_never_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[str, str, dict]] = []
    refusals = [503, 503]

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if refusals:
                self.send_response(refusals.pop())
            else:
                taken.append((self.headers["Idempotency-Key"], self.headers["Authorization"], body))
                self.send_response(201)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Be quiet."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("WMS_TOKEN", "secret")
    address = f"http://127.0.0.1:{server.server_port}/orders"
    made = opened(tmp_path, [order(1)], hand_over={"formats": [], "http_url": address, "http_token_variable": "WMS_TOKEN"})
    issued(made, ["t0001"])
    problems = [outbox.send(made).problems for _ in range(4)]
    server.shutdown()
    assert [len(one) for one in problems] == [1, 1, 0, 0]
    assert [(key, token, body["key"]) for key, token, body in taken] == [(taken[0][2]["key"], "Bearer secret", taken[0][2]["key"])]


# ----------------------------------------------------------------------------------------------------------- receipts
def advice(folder: Path, rows: list[tuple[str, str, int]], name: str = "a.csv") -> list[receipts.Advice]:
    path = folder / name
    path.write_text("transfer_id,state,units\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows))
    return receipts.read_advices(path)


def confirm(made: Deployment, advices: list[receipts.Advice]) -> receipts.Confirmed:
    with made.ops() as store:
        return receipts.confirm(store, advices, actor="wms")


def test_what_arrives_whole_is_closed_and_the_same_advice_twice_changes_nothing(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1)])
    issued(made, ["t0001"])
    rows = advice(tmp_path, [("t0001", "shipped", 12), ("t0001", "received", 6), ("t0001", "received", 6)])
    confirm(made, rows)
    assert states(made)["t0001"] == ("closed", 12)
    with made.ops() as store:
        before = transfer_ledger.last_event(store)
    confirm(made, rows)
    with made.ops() as store:
        assert transfer_ledger.last_event(store) == before


def test_a_difference_stays_open_until_somebody_says_what_became_of_it(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1), order(2)])
    issued(made, ["t0001", "t0002"])
    confirm(made, advice(tmp_path, [("t0001", "shipped", 12), ("t0001", "received", 10), ("t0002", "shipped", 12)]))
    assert states(made) == {"t0001": ("received", 10), "t0002": ("shipped", 12)}
    with made.ops() as store:
        with pytest.raises(TransferStateError, match="say what became"):
            receipts.close_with_difference(store, "t0001", actor="ann", reason="")
        receipts.close_with_difference(store, "t0001", actor="ann", reason="two broke")
        receipts.close_with_difference(store, "t0002", actor="ann", reason="the van burnt")
        assert receipts.moved_units(store, "t0002")["received"] == 0


def test_a_945_and_a_944_close_the_transfer_they_name(tmp_path: Path) -> None:
    made = opened(tmp_path, [order(1)])
    issued(made, ["t0001"])
    head = "ISA*00*          *00*          *ZZ*WMS            *ZZ*NODEWISE       *260201*0900*U*00401*000000007*0*P*>~GS*{group}*WMS*NODEWISE*20260201*0900*7*X*004010~ST*{kind}*0001~"
    tail = "SE*{count}*0001~GE*1*7~IEA*1*000000007~"
    ship = ["W06*F*doc*20260201*S1", "LX*1", "W12*CC*12*12*0*EA**VN*s1", "N9*LI*t0001", "W03*12"]
    take = ["W17*F*20260202*R1*doc*S1", "W07*12*EA**VN*s1", "N9*LI*t0001", "W14*12"]
    for kind, group, body in (("945", "SW", ship), ("944", "RE", take)):
        path = tmp_path / f"{kind}.x12"
        path.write_text(head.format(group=group, kind=kind) + "".join(f"{s}~" for s in body) + tail.format(count=len(body) + 2))
        confirm(made, receipts.read_advices(path))
    assert states(made)["t0001"] == ("closed", 12)


def test_an_advice_that_names_nothing_is_refused(tmp_path: Path) -> None:
    for row in ("t1,shipped,1.5", "t1,lost,1", ",shipped,1"):
        (tmp_path / "x.csv").write_text(f"transfer_id,state,units\n{row}\n")
        with pytest.raises(DeliveryError, match="line 1 needs"):
            receipts.read_advices(tmp_path / "x.csv")
    made = opened(tmp_path / "d", [order(1)])
    assert "is proposed" in confirm(made, advice(tmp_path, [("t0001", "received", 5)])).problems[0]


@given(st.lists(st.tuples(st.sampled_from(["approved", "rejected", "issued", "shipped", "received", "closed", "cancelled"]), st.integers(0, 30)), max_size=12))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_no_order_of_events_leaves_the_state_machine(tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, int]]) -> None:
    made = opened(tmp_path_factory.mktemp("life"), [order(1)])
    with made.ops() as store:
        store.execute("begin immediate")
        for state, units in events:
            try:
                transfer_ledger.advance(store, "t0001", state, actor="x", reason="because", units=units)
            except TransferStateError:
                continue
        path = [row[0] for row in store.execute("select state from transfer_events order by event_sequence")]
    assert all(b in transfer_ledger.FOLLOWS[a] for a, b in itertools.pairwise(path))


# ------------------------------------------------------------------------------------- many at once, and sudden deaths
def _approver(folder: str, number: int) -> None:
    made = deployment(Path(folder))
    ids = [f"t{n:04d}" for n in range(1, 201)]
    for one in ids[number * 7 % 200 :] + ids[: number * 7 % 200]:
        try:
            decide(made, [one], "approved")
            handover.issue(made, [one], actor=str(number), today=TODAY)
        except TransferStateError:
            continue


def _sender(folder: str, _number: int) -> None:
    made = deployment(Path(folder))
    while True:
        outbox.send(made)
        time.sleep(0.01)


def storm(folder: Path, *, approvers: int, senders: int, kills: int) -> Deployment:
    """Approvers and senders at work, killed and started again so many times; then what waits is sent."""
    made = opened(folder, [order(n) for n in range(1, 201)])
    context = multiprocessing.get_context("fork")
    for number in range(-(-kills // (approvers + senders))):
        workers = [context.Process(target=_approver, args=(str(folder), number * approvers + i)) for i in range(approvers)]
        workers += [context.Process(target=_sender, args=(str(folder), i)) for i in range(senders)]
        for worker in workers:
            worker.start()
        time.sleep(0.35)
        for worker in workers:
            worker.kill()  # SIGKILL, unless it ended by itself
            worker.join()
    _approver(str(folder), 0)
    outbox.send(made)
    return made


def emitted(made: Deployment) -> list[str]:
    files = (made.settings.outbox / "machine/json").glob("*.json")
    return sorted(line["transfer_id"] for path in files for line in json.loads(path.read_text())["lines"])


def test_ten_approvers_and_four_senders_killed_in_the_act_emit_every_order_once(tmp_path: Path) -> None:
    made = storm(tmp_path, approvers=10, senders=4, kills=100)
    with made.ops() as store:
        approved_never_issued = [t.transfer_id for t in transfer_ledger.find(store, states=("approved",))]
        assert store.execute("pragma integrity_check").fetchone()[0] == "ok"
    if approved_never_issued:  # its approver died before it could issue
        handover.issue(made, approved_never_issued, actor="ann", today=TODAY)
        outbox.send(made)
    assert emitted(made) == [f"t{n:04d}" for n in range(1, 201)]
    with ops_store.open_store(made.settings.ops) as store:
        per_order = store.execute("select max(n) from (select count(*) n from transfer_events where state = 'issued' group by transfer_id)").fetchone()[0]  # fmt: skip
    assert per_order == 1
