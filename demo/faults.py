"""Bad days for the demo company: every way in which a delivery goes wrong, as a switch.

Belongs here: damaging files of an inbox that `feeds.py` wrote. Does not: what the product makes of it. Each fault says what should
become of it: ``refused`` (the whole file is set aside and a gate says so), ``quarantined`` (lines are, with a reason), ``harmless`` (the
tables come out the same), ``left`` (the file is not touched), ``missing`` (a day is not there, and is not zero).
"""

import gzip
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

_MANIFEST = ".manifest.json"
_HEAD = "ReceiptNo,Line,Timestamp,Store,Item,Qty,Price\n"


@dataclass(frozen=True)
class Fault:
    """One way in which a delivery goes wrong."""

    name: str
    outcome: str
    about: str
    apply: Callable[[Path, Path], None]


def apply_faults(inbox: Path, names: list[str], *, day: str) -> None:
    """Let the named faults befall the deliveries of ``day`` (ISO) in an inbox.

    Raises
    ------
    ValueError
        A name is no fault.
    """
    unknown = [name for name in names if name not in FAULTS]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no such fault; faults are {', '.join(FAULTS)}")
    for name in names:
        FAULTS[name].apply(inbox, inbox / "pos_sales" / f"pos_sales_{day}.csv")


def _said(path: Path) -> None:
    """A damaged file comes without a manifest, unless the fault is that it does not match."""
    path.with_name(path.name + _MANIFEST).unlink(missing_ok=True)


def _rewritten(change: Callable[[bytes], bytes], suffix: str = "") -> Callable[[Path, Path], None]:
    def apply(inbox: Path, file: Path) -> None:
        content = file.read_bytes()
        _said(file)
        file.unlink()
        file.with_name(file.name + suffix).write_bytes(change(content))

    return apply


def _added(name: str, line: str) -> Callable[[Path, Path], None]:
    """A further file of the same system with one odd line."""

    def apply(inbox: Path, file: Path) -> None:
        day = file.stem.removeprefix("pos_sales_")
        (file.parent / f"pos_sales_{name}.csv").write_text(_HEAD + line.format(day=day, name=name) + "\n", encoding="utf-8")

    return apply


def _duplicate(inbox: Path, file: Path) -> None:
    (file.parent / f"again_{file.name}").write_bytes(file.read_bytes())


def _line_twice(inbox: Path, file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    (file.parent / f"overlap_{file.name}").write_bytes(b"".join([lines[0], *lines[1 : len(lines) // 2]]))


def _late(inbox: Path, file: Path) -> None:
    kept = inbox.parent / "late"
    kept.mkdir(exist_ok=True)
    for path in (file, file.with_name(file.name + _MANIFEST)):
        path.replace(kept / path.name)


def _growing(inbox: Path, file: Path) -> None:
    (file.parent / f".{file.name}.part").write_bytes(file.read_bytes()[:100])
    path = file.parent / f"tomorrow_{file.name}"
    path.write_bytes(file.read_bytes()[:100])
    os.utime(path, (time.time() + 3600, time.time() + 3600))


def _truncated(inbox: Path, file: Path) -> None:
    _said(file)
    file.write_bytes(file.read_bytes()[:-4])


def _cut_despite_manifest(inbox: Path, file: Path) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[:-1]))


def _outage(inbox: Path, file: Path) -> None:
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    _said(file)
    file.write_text("".join(line for line in lines if ",STORE-BERLIN," not in line), encoding="utf-8")


def _bitrot(inbox: Path, file: Path) -> None:
    path = sorted((inbox / "inventory_snapshots").glob("*.parquet"))[-1]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def _bomb(inbox: Path, file: Path) -> None:
    (file.parent / "bomb.csv.gz").write_bytes(gzip.compress(_HEAD.encode() + b"0" * 99 + b"\n" * 200_000_000, compresslevel=1))


def _attack_names(inbox: Path, file: Path) -> None:
    for name in ("a'); drop table raw.pos_sales; --.csv", "g*.csv", "-rf.csv", "x\ny.csv"):
        (file.parent / name).write_bytes(file.read_bytes())
    (file.parent / "passwd.csv").symlink_to("/etc/passwd")


def _columns(change: Callable[[list[str]], list[str]]) -> Callable[[bytes], bytes]:
    """Change the cells of every line; receipts of the demo have no quoted commas."""

    def rewrite(content: bytes) -> bytes:
        return "".join(",".join(change(line.split(","))) + "\n" for line in content.decode().splitlines()).encode()

    return rewrite


def _semicolons(content: bytes) -> bytes:
    lines = [line.split(",") for line in content.decode().splitlines()]
    price = lines[0].index("Price")
    return "".join(";".join(c.replace(".", ",") if n == price else c for n, c in enumerate(cells)) + "\n" for cells in lines).encode()


_LINE = "X-{name},1,{day}T10:00:00Z,STORE-BERLIN,01001,1,2.0"
FAULTS: dict[str, Fault] = {
    fault.name: fault
    for fault in (
        Fault("duplicate", "harmless", "the same bytes again under another name", _duplicate),
        Fault("overlap", "harmless", "half of the lines again in a further file", _line_twice),
        Fault("late", "missing", "the file comes another day; it waits in late/", _late),
        Fault("growing", "left", "a temporary file, and one that is still being written", _growing),
        Fault("truncated", "refused", "cut in the last field, no manifest", _truncated),
        Fault("cut_despite_manifest", "refused", "cut at a line's end, beside a manifest of the whole", _cut_despite_manifest),
        Fault("renamed_column", "refused", "Qty is called Quantity", _rewritten(lambda b: b.replace(b"Qty", b"Quantity", 1))),
        Fault("missing_column", "refused", "no column Store", _rewritten(_columns(lambda c: c[:3] + c[4:]))),
        Fault("swapped_columns", "harmless", "the columns in another order", _rewritten(_columns(lambda c: c[::-1]))),
        Fault("added_column", "harmless", "a further column nobody asked for", _rewritten(_columns(lambda c: [*c, "note"]))),
        Fault("bom", "harmless", "a byte order mark", _rewritten(lambda b: b"\xef\xbb\xbf" + b)),
        Fault("crlf", "harmless", "Windows line ends", _rewritten(lambda b: b.replace(b"\n", b"\r\n"))),
        Fault("utf16", "refused", "UTF-16 that nobody declared", _rewritten(lambda b: b.decode().encode("utf-16"))),
        Fault("nul", "refused", "NUL bytes", _rewritten(lambda b: b.replace(b",STORE-", b",\0STORE-", 3))),
        Fault("semicolons", "refused", "semicolons and decimal commas that nobody declared", _rewritten(_semicolons)),
        Fault("damaged_gzip", "refused", "a packed file cut in the middle", _rewritten(lambda b: gzip.compress(b)[:-20], ".gz")),
        Fault("bitrot", "refused", "one flipped bit in a Parquet file with a manifest", _bitrot),
        Fault("bomb", "refused", "a small packed file of 200 MB", _bomb),
        Fault("attack_names", "left", "names that are SQL, patterns and options, and a link out of the inbox", _attack_names),
        Fault(
            "latin1",
            "quarantined",
            "one line in Latin-1",
            _rewritten(lambda b: b + b"X1,1,2026-01-01T10:00:00Z,STORE-K\xd6LN,01001,1,2.0,x\n"),
        ),
        Fault("negative", "quarantined", "a negative sale", _added("negative", _LINE.replace(",1,2.0", ",-1,2.0"))),
        Fault("huge", "quarantined", "a sale of a billion", _added("huge", _LINE.replace(",1,2.0", ",1000000000,2.0"))),
        Fault("fraction", "quarantined", "one and a half units", _added("fraction", _LINE.replace(",1,2.0", ",1.5,2.0"))),
        Fault("nan", "quarantined", "a price that is no number", _added("nan", _LINE.replace("2.0", "nan"))),
        Fault("future", "quarantined", "a sale of the year 2099", _added("future", _LINE.replace("{day}", "2099-01-01"))),
        Fault("unknown_sku", "held", "a SKU that no master names", _added("unknown_sku", _LINE.replace("01001", "99999"))),
        Fault(
            "unknown_node", "held", "a node that no master names", _added("unknown_node", _LINE.replace("STORE-BERLIN", "STORE-ATLANTIS"))
        ),
        Fault(
            "formula", "held", "a SKU that a spreadsheet would execute", _added("formula", _LINE.replace("01001", '"=HYPERLINK(""x"")"'))
        ),
        Fault("sql_value", "held", "a SKU that is SQL", _added("sql_value", _LINE.replace("01001", "'; drop table raw.pos_sales; --"))),
        Fault(
            "dst",
            "accepted",
            "a sale in the hour that the clock skips",
            _added("dst", "X2,1,2026-03-29T01:30:00Z,STORE-BERLIN,01001,1,2.0"),
        ),
        Fault("outage", "missing", "one store is not in the file of the day", _outage),
    )
}
