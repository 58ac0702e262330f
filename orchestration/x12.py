"""X12 documents as a table: one row for each quantity that a 852, 846, 944 or 945 reports.

Belongs here: walking the segments and carrying what stands above a quantity down to it. Does not: tokenising (`pyx12`), which
element is which contract column (the mapping files). Columns are named by segment and element (`XQ02`), by segment and
qualifier where one says what follows (`LIN@UP`, `N1@ST`), and `line`, `store`, `quantity`.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from pyx12.errors import X12Error
from pyx12.x12file import X12Reader

from orchestration.delivered_file import DeliveryError, open_unpacked

_LOOPS = {"852": "LIN", "846": "LIN", "944": "W07", "945": "W12"}  # the segment that begins a line
_QUANTITY = {"ZA": 1, "QTY": 1, "W07": 0, "W12": 2}  # where a segment has its quantity
_QUALIFIED = {"N1": [(1, 4)], "LIN": [(n, n + 1) for n in range(2, 30, 2)], "CTP": [(2, 3)], "N9": [(1, 2)]}
_QUALIFIED |= {"W07": [(n, n + 1) for n in range(4, 20)], "W12": [(n, n + 1) for n in range(7, 23)], "W01": [(4, 5)]}


def as_csv(path: Path, wanted: set[str]) -> bytes:
    """The document as a CSV that the ordinary reader takes; elements that are wanted and that no segment has are empty.

    Raises
    ------
    DeliveryError
        It is no X12 document, of no set that is known, or its control counts are wrong.
    """
    with open_unpacked(path) as stream:
        text = io.TextIOWrapper(stream, encoding="latin-1", newline="")
        try:
            rows = list(_rows(X12Reader(text)))
        except (X12Error, AttributeError, IndexError, TypeError, ValueError) as error:
            raise DeliveryError(f"not an X12 document that can be read: {error}") from error
    names = sorted({name for row in rows for name in row} | wanted)
    if not rows:
        raise DeliveryError(f"the document reports no quantity; sets that are read are {', '.join(_LOOPS)}")
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def _rows(reader: X12Reader) -> Iterator[dict[str, str]]:
    envelope: dict[str, str] = {}
    header: dict[str, str] = {}
    line: dict[str, str] = {}
    reported: list[dict[str, str]] = []  # quantities of the line; what follows them in it, a price say, belongs to them too
    loop, number = "", 0
    for segment in reader:
        _refuse(reader, "its control segments do not add up")
        tag = segment.get_seg_id()
        elements = [segment.get_value(f"{tag}{n:02d}") or "" for n in range(1, len(segment) + 1)]
        if tag in (loop, "SE"):
            yield from ({**header, **line, **quantity} for quantity in reported)
            line, reported = {}, []
        if tag == "ISA":
            envelope = _named(tag, elements)
        elif tag == "ST":
            if elements[0] not in _LOOPS:
                raise DeliveryError(f"transaction set {elements[0]} is not one of {', '.join(_LOOPS)}")
            header, loop, number = {**envelope, **_named(tag, elements)}, _LOOPS[elements[0]], 0
        elif line or tag == loop:
            line |= _named(tag, elements)
            for store, quantity in _quantities(tag, elements):
                number += 1  # noqa: SIM113  (it runs on through the whole document)
                reported.append({**line, "line": str(number), "quantity": quantity, "store": store or header.get("N1@ST", "")})
        else:
            header |= _named(tag, elements)
    reader.cleanup()
    _refuse(reader, "it ends before its control segments say so")


def _refuse(reader: X12Reader, what: str) -> None:
    wrong = [f"{code} {text}" for _, code, text, *_ in reader.pop_errors()]
    if wrong:
        raise DeliveryError(f"{what}: {'; '.join(wrong[:3])}")


def _named(tag: str, elements: list[str]) -> dict[str, str]:
    """Elements by position, and by the qualifier that stands before them."""
    named = {f"{tag}{n:02d}": value for n, value in enumerate(elements, start=1)}
    for qualifier, value in _QUALIFIED.get(tag, []):
        if value <= len(elements) and elements[qualifier - 1].isalnum() and len(elements[qualifier - 1]) <= 3 and elements[value - 1]:
            named.setdefault(f"{tag}@{elements[qualifier - 1]}", elements[value - 1])
    return named


def _quantities(tag: str, elements: list[str]) -> list[tuple[str, str]]:
    """(store, quantity) pairs of a segment; a ZA without a quantity is followed by its SDQ."""
    if tag == "SDQ":
        return [(elements[n], elements[n + 1]) for n in range(2, len(elements) - 1, 2) if elements[n]]
    at = _QUANTITY.get(tag)
    return [("", elements[at])] if at is not None and len(elements) > at and elements[at] else []
