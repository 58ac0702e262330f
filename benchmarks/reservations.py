"""Reservations under load: fifty clients want the last units of a few SKUs for a minute, against the real service in a process of its own.

Belongs here: latencies and the count of what was sold. Does not: anything a test asserts.
"""

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from orchestration import availability, ops_store, transfer_ledger

SKUS, NODES, UNITS = 40, 6, 30


def _stocked(folder: Path) -> Path:
    path = folder / "settings.yaml"
    path.write_text(yaml.safe_dump({"currency": "EUR", "time_zone": "UTC", "data_dir": ".", "first_date": "2025-01-01", "feeds": {}}))
    stock = pd.DataFrame(
        [(f"s{k}", f"n{n}", UNITS, 0, 0, 0.1 * n) for k in range(SKUS) for n in range(NODES)],
        columns=["sku_id", "node_id", "on_hand_units", "reserved_units", "presentation_units", "unit_value"],
    )
    zones = pd.DataFrame([(f"n{n}", "r", 1.0 + n, 1) for n in range(NODES)], columns=["node_id", "region_id", "unit_cost", "delivery_days"])
    with ops_store.open_store(folder / "ops.sqlite") as store:
        availability.record_stock(store, stock, zones, as_of_date="2026-01-31", at=transfer_ledger.now())
    return path


def _client(port: int, number: int, until: float, said: list[tuple[int, float, int]]) -> None:
    rng = np.random.default_rng(number)
    line, turn = http.client.HTTPConnection("127.0.0.1", port, timeout=60), 0
    headers = {"Authorization": "Bearer bench", "Content-Type": "application/json"}
    while time.perf_counter() < until:
        turn += 1
        key = f"c{number}-{turn}"
        body = {"reservation_key": key, "order_id": key, "region_id": "r",
                "lines": [{"line_number": 1, "sku_id": f"s{rng.integers(SKUS)}", "units": int(rng.integers(1, 4))}]}  # fmt: skip
        start = time.perf_counter()
        line.request("POST", "/reservations", json.dumps(body), headers)
        answer = line.getresponse()
        held = json.loads(answer.read())
        said.append((answer.status, time.perf_counter() - start, sum(h["units"] for h in held) if answer.status == 201 else 0))
        if answer.status == 201 and rng.random() < 0.6:  # many change their mind, so that there is always a last unit to fight for
            line.request("DELETE", f"/reservations/{key}", headers=headers)
            line.getresponse().read()
            said.append((204, 0.0, -sum(h["units"] for h in held)))


def main(seconds: float = 60.0, clients: int = 50) -> None:
    """Print latencies, and whether more was sold than there was."""
    with tempfile.TemporaryDirectory() as folder:
        settings = _stocked(Path(folder))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        command = [str(Path(sys.executable).parent / "nodewise"), "serve", "api", "--settings", str(settings), "--port", str(port)]
        service = subprocess.Popen(command, env=os.environ | {"NODEWISE_API_TOKEN": "bench"})
        time.sleep(6)
        said: list[tuple[int, float, int]] = []
        until = time.perf_counter() + seconds
        threads = [threading.Thread(target=_client, args=(port, n, until, said)) for n in range(clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        service.terminate()
        service.wait()
        with ops_store.open_store(Path(folder) / "ops.sqlite") as store:
            held = store.execute("select coalesce(sum(units), 0) from reservations").fetchone()[0]
            most = store.execute("select max(n) from (select sum(units) n from reservations group by sku_id, node_id)").fetchone()[0]
    took = np.array([s for status, s, _ in said if status in (201, 409)])
    counts = {code: sum(status == code for status, *_ in said) for code in (201, 409)}
    low, mid, high = np.percentile(took, [50, 95, 99]) * 1000
    print(
        f"reservations: {clients} clients for {seconds:.0f} s: {len(took):,} asked ({len(took) / seconds:,.0f} a second), {counts[201]:,} held, {counts[409]:,} refused"
    )
    print(f"  latency p50 {low:.0f} ms, p95 {mid:.0f} ms, p99 {high:.0f} ms, worst {took.max() * 1000:.0f} ms")
    print(
        f"  held at the end {held:,} of {SKUS * NODES * UNITS:,} units, clients count {sum(u for *_, u in said):,}; most of one SKU-node {most} of {UNITS}"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    main(parser.parse_args().seconds)
