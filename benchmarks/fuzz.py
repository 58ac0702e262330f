"""Ten thousand damaged files: nothing crashes, every line is accounted for, no cut or altered file passes for a whole one.

    python -m benchmarks.fuzz --files 10000 --seed 1

Structure-aware: files are cut at every byte, flipped, re-columned, re-dialected, spliced, packed and cut again, half of them
beside a manifest of the whole. Belongs here: damaging files and the three promises. Does not: named faults (`demo/faults.py`).
"""

import argparse
import collections
import gzip
import hashlib
import io
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from orchestration import landing, ops_store, raw_tables
from orchestration.delivered_file import manifest_path
from orchestration.settings import Settings
from orchestration.warehouse import open_warehouse

_COLUMNS = ("receipt_id", "line_number", "sold_at", "node_id", "sku_id", "sold_units", "unit_price")


@dataclass(frozen=True)
class Damaged:
    """A file as it was delivered, and what was done to it."""

    name: str
    content: bytes
    whole: bytes
    how: str
    has_manifest: bool


def whole_files(rng: np.random.Generator) -> dict[str, bytes]:
    """The same lines as CSV, packed CSV, JSON Lines and Parquet."""
    n = int(rng.integers(2, 9))
    rows = pd.DataFrame(
        {
            "receipt_id": [f"r{int(rng.integers(1_000_000))}" for _ in range(n)],
            "line_number": [str(i + 1) for i in range(n)],
            "sold_at": [f"2026-01-{1 + i % 28:02d}T{i % 24:02d}:00:00Z" for i in range(n)],
            "node_id": rng.choice(["north", "Köln, Mitte", 'a "b"'], n),
            "sku_id": [f"{int(rng.integers(99_999)):05d}" for _ in range(n)],
            "sold_units": [str(int(v)) for v in rng.integers(0, 300, n)],
            "unit_price": [f"{v:.2f}" for v in rng.uniform(0, 90, n)],
        }
    )
    csv = rows.to_csv(index=False, lineterminator="\n").encode()
    parquet = io.BytesIO()
    rows.to_parquet(parquet, index=False)
    return {
        ".csv": csv,
        ".csv.gz": gzip.compress(csv, mtime=0),
        ".jsonl": rows.to_json(orient="records", lines=True).encode(),
        ".parquet": parquet.getvalue(),
    }


def _cut(whole: bytes, rng: np.random.Generator) -> bytes:
    return whole[: int(rng.integers(1, len(whole)))]


def _flip(whole: bytes, rng: np.random.Generator) -> bytes:
    content = bytearray(whole)
    for _ in range(int(rng.integers(1, 4))):
        content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    return bytes(content)


def _insert(whole: bytes, rng: np.random.Generator) -> bytes:
    at = int(rng.integers(len(whole)))
    return whole[:at] + rng.bytes(int(rng.integers(1, 40))) + whole[at:]


def _splice(whole: bytes, rng: np.random.Generator) -> bytes:
    a, b = sorted(int(v) for v in rng.integers(len(whole), size=2))
    return whole[:a] + whole[b:] + whole[a:b]


def _columns(whole: bytes, rng: np.random.Generator) -> bytes:
    lines = [line.split(b",") for line in whole.splitlines()]
    order = rng.permutation(len(_COLUMNS))[: int(rng.integers(1, len(_COLUMNS) + 1))]
    return b"".join(b",".join(cells[i] for i in order if i < len(cells)) + b"\n" for cells in lines)


def _dialect(whole: bytes, rng: np.random.Generator) -> bytes:
    change: list[Callable[[bytes], bytes]] = [
        lambda b: b.replace(b",", b";"), lambda b: b.replace(b"\n", b"\r\n"), lambda b: b.replace(b"\n", b"\r"), lambda b: b"\xef\xbb\xbf" + b,
        lambda b: b.replace(b'"', b"'"), lambda b: b.replace(b".", b","), lambda b: b.decode(errors="replace").encode("utf-16"),
        lambda b: b.decode(errors="replace").encode("latin-1", errors="replace"), lambda b: b.replace(b"\n", b"\n\n"), lambda b: b.replace(b"r", b"\0", 1),
    ]  # fmt: skip
    return change[int(rng.integers(len(change)))](whole)


_DAMAGE = {"cut": _cut, "flip": _flip, "insert": _insert, "splice": _splice, "columns": _columns, "dialect": _dialect}


def damaged_files(count: int, seed: int) -> list[Damaged]:
    """Seeded damaged files, and every prefix of one CSV."""
    rng = np.random.default_rng(seed)
    whole = whole_files(rng)[".csv"]
    found = [Damaged(f"prefix{n}.csv", whole[:n], whole, "cut", False) for n in range(1, len(whole))][:count]
    while len(found) < count:
        for suffix, content in whole_files(rng).items():
            how = str(rng.choice(list(_DAMAGE)))
            damaged = _DAMAGE[how](content, rng)
            if damaged != content and len(found) < count:
                found.append(Damaged(f"f{len(found)}{suffix}", damaged, content, how, bool(rng.integers(2))))
    return found


def run(count: int, seed: int, folder: Path) -> tuple[collections.Counter, list[str]]:
    """Deliver the damaged files; returns counts by damage and verdict, and every broken promise."""
    settings = Settings(currency="EUR", time_zone="UTC", data_dir=folder, first_date="2026-01-01", feeds={"pos_sales": {}})
    files = {file.name: file for file in damaged_files(count, seed)}
    inbox = settings.inbox / "pos_sales"
    inbox.mkdir(parents=True)
    for file in files.values():
        (inbox / file.name).write_bytes(file.content)
        if file.has_manifest:
            said = {"bytes": len(file.whole), "sha256": hashlib.sha256(file.whole).hexdigest()}
            manifest_path(inbox / file.name).write_text(json.dumps(said))
    landing.land_inbox(settings, settle_seconds=0)
    with ops_store.open_store(settings.ops) as store:
        ledger = ops_store.deliveries(store)
    with open_warehouse(settings.warehouse) as warehouse:
        raw_tables.create_tables(warehouse)
        raw_tables.load_feed(warehouse, settings, "pos_sales", ledger)
        broken = raw_tables.unaccounted_files(warehouse, ledger)
        lines = dict(warehouse.execute("select status, sum(lines)::int from raw.file_lines group by all").fetchall())
    broken += [f"{name} is not in the ledger" for name in files.keys() - {d.file_name for d in ledger}]
    for delivery in ledger:
        file = files[delivery.file_name]
        if delivery.status == "landed" and file.has_manifest:
            broken.append(f"{file.name} ({file.how}) passed although its manifest says otherwise")
        if delivery.status == "landed" and delivery.is_verified:
            broken.append(f"{file.name} ({file.how}) is called verified")
        if delivery.status == "landed" and file.how == "cut" and not file.content.endswith(b"\n"):
            broken.append(f"{file.name} was cut in the middle of a line and passed")
    counts = collections.Counter((files[d.file_name].how, d.status) for d in ledger)
    counts.update({("lines", status): count for status, count in lines.items()})
    return counts, broken


def main() -> None:
    """Print the counts; exit 1 on a broken promise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        counts, broken = run(arguments.files, arguments.seed, Path(folder))
    for (how, status), count in sorted(counts.items()):
        print(f"{how:<10} {status:<12} {count:>8,}")
    print(f"{arguments.files:,} files in {time.perf_counter() - start:.1f} s, {len(broken)} broken promises")
    for said in broken[:20]:
        print("  " + said)
    raise SystemExit(1 if broken else 0)


if __name__ == "__main__":
    main()
