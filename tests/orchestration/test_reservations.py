"""Units held for orders: the last one is sold once, whoever asks and however many ask at once."""

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration import availability, reservations, transfer_ledger
from orchestration.deployment import Deployment
from orchestration.reservations import Line, NotEnoughError, ReservationError
from orchestration.rules import routing_rules
from orchestration.settings import RoutingSettings, load_settings
from tests.orchestration.test_governance import DAY, ZONES, deployment, order, stock

ROUTING = RoutingSettings()


def stocked(folder: Path, there: dict[tuple[str, str], int], **columns: object) -> Deployment:
    made = deployment(folder)
    with made.ops() as store:
        availability.record_stock(store, stock(there, **columns), ZONES, as_of_date=DAY, at=transfer_ledger.now())
    return made


def reserve(made: Deployment, key: str, units: int, sku: str = "s", routing: RoutingSettings = ROUTING) -> list[reservations.Hold]:
    with made.ops() as store:
        return reservations.reserve(store, key=key, order_id=key, region_id="r", lines=[Line(1, sku, units)], settings=routing, rules=routing_rules(routing))  # fmt: skip


def free(made: Deployment, sku: str = "s") -> dict[str, int]:
    with made.ops() as store:
        return {a.node_id: a.available_units for a in availability.available(store, sku)}


def test_units_are_held_at_the_best_node_and_the_same_key_holds_them_once(tmp_path: Path) -> None:
    made = stocked(tmp_path, {("s", "hub"): 9, ("s", "shop"): 2})
    assert [(h.node_id, h.units) for h in reserve(made, "o1", 2)] == [("shop", 2)]
    assert [(h.node_id, h.units) for h in reserve(made, "o1", 2)] == [("shop", 2)]
    assert free(made) == {"hub": 9, "shop": 0}
    assert [(h.node_id, h.units) for h in reserve(made, "o2", 3)] == [("hub", 3)]


def test_what_is_not_there_is_refused_whole(tmp_path: Path) -> None:
    made = stocked(tmp_path, {("s", "hub"): 2, ("s", "shop"): 1})
    with pytest.raises(NotEnoughError, match="1 of s"):
        reserve(made, "o1", 4)
    assert free(made) == {"hub": 2, "shop": 1}


def test_rows_of_a_closed_order_sum_to_zero_and_shipped_units_stay_gone(tmp_path: Path) -> None:
    made = stocked(tmp_path, {("s", "hub"): 9})
    reserve(made, "o1", 2)
    reserve(made, "o2", 3)
    with made.ops() as store:
        reservations.ship(store, "o1", shipment_key="p1")
        reservations.ship(store, "o1", shipment_key="p1")
        reservations.release(store, "o2")
        sums = store.execute("select order_id, sum(units), count(*) from reservations group by 1 order by 1").fetchall()
        with pytest.raises(ReservationError, match="nothing is held"):
            reservations.release(store, "o2")
    assert sums == [("o1", 0, 2), ("o2", 0, 2)]
    assert free(made) == {"hub": 7}  # what left for o1 is not there until the next count says so


def test_a_hold_that_nobody_confirms_is_free_again(tmp_path: Path) -> None:
    made = stocked(tmp_path, {("s", "hub"): 2})
    reserve(made, "o1", 1)
    reserve(made, "o2", 1)
    with made.ops() as store:
        reservations.confirm(store, "o2")
        store.execute("update reservations set expires_at = '2020-01-01T00:00:00.000+00:00' where expires_at is not null")
        store.commit()
    assert [h.units for h in reserve(made, "o3", 1)] == [1]
    with pytest.raises(NotEnoughError):
        reserve(made, "o4", 1)


def test_a_transfer_carries_what_is_held_at_its_origin(tmp_path: Path) -> None:
    made = stocked(tmp_path, {("s1", "hub"): 14, ("s1", "shop"): 0})
    with made.ops() as store:
        transfer_ledger.record_plan(store, pd.DataFrame([order(1)]), as_of_date=DAY)
        transfer_ledger.decide(store, ["t0001"], "approved", actor="ann")
    assert free(made, "s1") == {"hub": 2, "shop": 0}
    assert [h.node_id for h in reserve(made, "o1", 2, "s1")] == ["hub"]
    with made.ops() as store:
        moved = reservations.move_with(store, "o1", "t0001")
        with pytest.raises(ReservationError, match="carries nothing"):
            reservations.move_with(store, "o1", "t0001")
    assert [(h.node_id, h.units) for h in moved] == [("shop", 2)]
    assert free(made, "s1") == {"hub": 2, "shop": -2}


@given(st.lists(st.tuples(st.sampled_from(["reserve", "ship", "release", "confirm"]), st.integers(1, 5), st.integers(1, 6)), max_size=25))
@settings(max_examples=60, deadline=None)
def test_no_history_of_orders_sells_a_unit_twice(tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int, int]]) -> None:
    made = stocked(tmp_path_factory.mktemp("orders"), {("s", "hub"): 7, ("s", "shop"): 4})
    for act, number, units in acts:
        key = f"o{number}"
        try:
            if act == "reserve":
                reserve(made, key, units)
                continue
            with made.ops() as store:
                {"ship": lambda s, k: reservations.ship(s, k, shipment_key=k), "release": reservations.release, "confirm": reservations.confirm}[act](store, key)  # fmt: skip
        except ReservationError:
            continue
        finally:
            assert all(units >= 0 for units in free(made).values())
    with made.ops() as store:
        gone = store.execute("select coalesce(-sum(units), 0) from reservations where reason = 'shipped'").fetchone()[0]
        held = store.execute("select coalesce(sum(units), 0) from reservations").fetchone()[0]
    assert sum(free(made).values()) + held + gone == 11


# --------------------------------------------------------------------------------------------------------- over HTTP
class Service:
    """The real service in a process of its own."""

    def __init__(self, made: Deployment, folder: Path) -> None:
        path = folder / "settings.yaml"
        path.write_text(yaml.safe_dump({"currency": "EUR", "time_zone": "UTC", "data_dir": ".", "first_date": "2025-01-01", "feeds": {}}))
        assert load_settings(path).ops == made.settings.ops
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        command = [str(Path(sys.executable).parent / "nodewise"), "serve", "api", "--settings", str(path), "--port", str(self.port)]
        self.process = subprocess.Popen(command, env=os.environ | {"NODEWISE_API_TOKEN": "secret"})
        for _ in range(200):
            try:
                self.call("GET", "/health")
                return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the service did not start")

    def call(self, method: str, path: str, body: object = None, token: str = "secret", line: http.client.HTTPConnection | None = None) -> tuple[int, object]:  # fmt: skip
        line = line or http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        line.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = line.getresponse()
        return answer.status, json.loads(answer.read() or b"null")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[Service, Deployment]]:
    made = stocked(tmp_path, {("s", "hub"): 40, ("s", "shop"): 25, ("t", "hub"): 5})
    running = Service(made, tmp_path)
    yield running, made
    running.process.terminate()
    running.process.wait(timeout=20)


def asked(key: str, units: int, sku: str = "s") -> dict:
    return {"reservation_key": key, "order_id": key, "region_id": "r", "lines": [{"line_number": 1, "sku_id": sku, "units": units}]}


def test_the_service_wants_its_token_and_says_what_is_wrong(service: tuple[Service, Deployment]) -> None:
    api, _ = service
    assert api.call("GET", "/availability?sku_id=s", token="guess")[0] == 401
    assert api.call("POST", "/reservations", asked("o", 99))[0] == 409
    assert api.call("POST", "/reservations", asked("o", 0))[0] == 422
    assert api.call("DELETE", "/reservations/never")[0] == 422
    status, nodes = api.call(
        "POST", "/routes", {"order_id": "o", "region_id": "r", "lines": [{"line_number": 1, "sku_id": "s", "units": 3}]}
    )
    assert (status, {n["node_id"]: n["routed_units"] for n in nodes["nodes"]}) == (200, {"hub": 0, "shop": 3})


def test_fifty_clients_that_want_the_last_units_get_each_of_them_once(service: tuple[Service, Deployment]) -> None:
    api, made = service
    sold: list[int] = []
    seconds: list[float] = []

    def client(number: int) -> None:
        line = http.client.HTTPConnection("127.0.0.1", api.port, timeout=30)
        for turn in range(6):
            start = time.perf_counter()
            status, held = api.call("POST", "/reservations", asked(f"c{number}-{turn}", 1 + number % 2), line=line)
            seconds.append(time.perf_counter() - start)
            assert status in (201, 409)
            if status == 201:
                sold.append(sum(hold["units"] for hold in held))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(sold) == 65
    assert sum(free(made).values()) == 0
    assert len(seconds) == 300
