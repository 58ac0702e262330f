"""What a document looks like: X12 940 and 943, CSV and JSON for machines, and a CSV that people may open in a spreadsheet.

Belongs here: the text of a document. Does not: when it is sent, and to whom (`outbox.py`). Machine files hold what the other system shall read, as it
is; in the file for people a text that a spreadsheet would run as a formula starts with an apostrophe (OWASP, CSV injection).
"""

import csv
import datetime as dt
import io
import json
from dataclasses import dataclass

_FIELDS = ("transfer_id", "sku_id", "units", "arrival_date", "as_of_date")
_RUNS = ("=", "+", "-", "@", "\t", "\r", "\n")


@dataclass(frozen=True)
class Document:
    """A document of the outbox.

    Parameters
    ----------
    number : int
        Control number, unique in the deployment.
    key : str
        Idempotency key.
    order_kind, origin_node_id, destination_node_id, mode, ship_date, queued_at : str
        The origin of a supplier order is empty.
    lines : list of dict
        transfer_id, sku_id, units, arrival_date, as_of_date.
    """

    number: int
    key: str
    order_kind: str
    origin_node_id: str
    destination_node_id: str
    mode: str
    ship_date: str
    lines: list[dict]
    queued_at: str

    @property
    def units(self) -> int:
        """Of all lines."""
        return sum(line["units"] for line in self.lines)


def formula_safe(text: str) -> str:
    """The text as a spreadsheet shows it and does not run it.

    Examples
    --------
    >>> formula_safe("=1+1"), formula_safe("01024")
    ("'=1+1", '01024')
    """
    return f"'{text}" if text.startswith(_RUNS) else text


def as_json(document: Document) -> str:
    """One JSON document."""
    head = {name: getattr(document, name) for name in ("key", "order_kind", "origin_node_id", "destination_node_id", "mode", "ship_date")}
    return json.dumps(head | {"units": document.units, "lines": document.lines}, indent=1, sort_keys=True) + "\n"


def as_machine_csv(document: Document) -> str:
    """One row a line, values as they are."""
    return _csv(document, lambda text: text)


def as_human_csv(document: Document) -> str:
    """The same, safe to open in a spreadsheet."""
    return _csv(document, formula_safe)


def _csv(document: Document, shown: object) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    head = ("order_kind", "origin_node_id", "destination_node_id", "mode", "ship_date")
    writer.writerow(["document_key", *head, *_FIELDS])
    for line in document.lines:
        cells = [document.key, *(getattr(document, name) for name in head), *(line[name] for name in _FIELDS)]
        writer.writerow([shown(cell) if isinstance(cell, str) else cell for cell in cells])  # type: ignore[operator]
    return out.getvalue()


def as_940(document: Document, sender: str, receiver: str) -> str:
    """X12 940, warehouse shipping order, to the node that ships."""
    body = [
        f"W05*N*{_clean(document.key)}*{_clean(document.key)}",
        f"N1*SF*{_clean(document.origin_node_id)}*92*{_clean(document.origin_node_id)}",
        f"N1*ST*{_clean(document.destination_node_id)}*92*{_clean(document.destination_node_id)}",
        f"G62*10*{_day(document.ship_date)}",
        f"W66*M*M****{_clean(document.mode)[:35]}",
    ]
    for number, line in enumerate(document.lines, start=1):
        body += [f"LX*{number}", f"W01*{line['units']}*EA**VN*{_clean(line['sku_id'])}", f"N9*LI*{_clean(line['transfer_id'])}"]
    return _envelope(document, "940", "OW", [*body, f"W76*{document.units}"], sender, receiver)


def as_943(document: Document, sender: str, receiver: str) -> str:
    """X12 943, stock transfer shipment advice, to the node that receives."""
    body = [
        f"W06*N*{_clean(document.key)}*{_day(document.ship_date)}*{_clean(document.key)}",
        f"N1*SF*{_clean(document.origin_node_id)}*92*{_clean(document.origin_node_id)}",
        f"N1*ST*{_clean(document.destination_node_id)}*92*{_clean(document.destination_node_id)}",
        f"W27*M*{_clean(document.mode)[:4]}",
    ]
    for line in document.lines:
        body += [f"W04*{line['units']}*EA**VN*{_clean(line['sku_id'])}", f"N9*LI*{_clean(line['transfer_id'])}"]
    return _envelope(document, "943", "AR", [*body, f"W03*{document.units}"], sender, receiver)


def _clean(text: str) -> str:
    """Without the signs that separate elements and segments."""
    return "".join(" " if sign in "*~>^\r\n" else sign for sign in text)


def _day(iso: str) -> str:
    return iso.replace("-", "")


def _envelope(document: Document, kind: str, group: str, body: list[str], sender: str, receiver: str) -> str:
    moment = dt.datetime.fromisoformat(document.queued_at)
    number = f"{document.number % 1_000_000_000:09d}"
    segments = [
        f"ISA*00*          *00*          *ZZ*{sender:<15.15}*ZZ*{receiver:<15.15}*{moment:%y%m%d}*{moment:%H%M}*U*00401*{number}*0*P*>",
        f"GS*{group}*{sender}*{receiver}*{moment:%Y%m%d}*{moment:%H%M}*{document.number}*X*004010",
        f"ST*{kind}*0001",
        *body,
        f"SE*{len(body) + 2}*0001",
        f"GE*1*{document.number}",
        f"IEA*1*{number}",
    ]
    return "~\n".join(segments) + "~\n"
