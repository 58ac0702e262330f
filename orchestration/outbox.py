"""Sending the documents that wait in the outbox, each once, whoever sends and whatever dies meanwhile.

Belongs here: files and HTTP calls, and what is remembered of them. Does not: which documents there are (`handover.py`), their text (`documents.py`).

A file is written beside its place and linked into it under the document's key: a second sender finds it there. A call carries the key as
`Idempotency-Key`, and only one sender at a time holds a document (a file lock, freed when the process ends).
"""

import fcntl
import http.client
import json
import os
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from orchestration import documents, transfer_ledger
from orchestration.deployment import Deployment
from orchestration.documents import Document
from orchestration.settings import HandOverSettings

HTTP = "http"


@dataclass(frozen=True)
class Sent:
    """What one round of sending came to."""

    sent: list[tuple[str, str]]
    problems: list[str]


def waiting(store: sqlite3.Connection, channels: tuple[str, ...]) -> list[Document]:
    """Documents that some channel has not had yet, oldest first."""
    if not channels:
        return []
    rows = store.execute(
        f"""select document, document_key, order_kind, coalesce(origin_node_id, ''), destination_node_id, mode, ship_date, lines, queued_at from outbox o
            where (select count(*) from outbox_sent s where s.document_key = o.document_key and s.channel in ({", ".join("?" * len(channels))})) < ?
            order by document""",
        (*channels, len(channels)),
    )
    return [Document(*row[:7], json.loads(row[7]), row[8]) for row in rows]


def channels_of(settings: HandOverSettings) -> dict[str, Callable[[Document], list[tuple[str, str]]]]:
    """Files that each channel writes for a document, as (name below the outbox, text)."""

    def x12(document: Document) -> list[tuple[str, str]]:
        if document.order_kind == "supplier_order":
            return []
        ids = (settings.sender_id, settings.receiver_id)
        return [
            (f"machine/x12/{document.key}.940", documents.as_940(document, *ids)),
            (f"machine/x12/{document.key}.943", documents.as_943(document, *ids)),
        ]

    known = {
        "x12": x12,
        "csv": lambda document: [(f"machine/csv/{document.key}.csv", documents.as_machine_csv(document))],
        "json": lambda document: [(f"machine/json/{document.key}.json", documents.as_json(document))],
        "people": lambda document: [(f"people/{document.key}.csv", documents.as_human_csv(document))],
    }
    return {name: known[name] for name in settings.formats}


def send(deployment: Deployment) -> Sent:
    """Send what waits; a channel that fails is tried again next time, and its problem is kept."""
    settings = deployment.settings.hand_over
    files = channels_of(settings)
    channels = (*files, *((HTTP,) if settings.http_url else ()))
    with deployment.ops() as store:
        queue = waiting(store, channels)
    sent: list[tuple[str, str]] = []
    problems: list[str] = []
    for document in queue:
        with _held(deployment.settings.outbox, document.key) as is_ours:
            if not is_ours:
                continue
            with deployment.ops() as store:
                had = {row[0] for row in store.execute("select channel from outbox_sent where document_key = ?", (document.key,))}
            for channel in channels:
                if channel in had:
                    continue
                try:
                    detail = _post(settings, document) if channel == HTTP else _write(deployment.settings.outbox, files[channel](document))
                except (OSError, http.client.HTTPException) as error:  # a URLError is an OSError
                    problems.append(f"{document.key} by {channel}: {error}")
                    _remember(deployment, "outbox_attempts", (document.key, channel, transfer_ledger.now(), str(error)[:500]))
                    continue
                _remember(deployment, "outbox_sent", (document.key, channel, transfer_ledger.now(), detail))
                sent.append((document.key, channel))
    return Sent(sent, problems)


def _remember(deployment: Deployment, table: str, row: tuple[str, ...]) -> None:
    with deployment.ops() as store:
        store.execute(f"insert or ignore into {table} values (?, ?, ?, ?)", row)


@contextmanager
def _held(folder: Path, key: str) -> Iterator[bool]:
    """Whether this process alone may send the document now."""
    locks = folder / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / key).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _write(folder: Path, files: list[tuple[str, str]]) -> str:
    """Put files in place, whole and once; one that is there with the same text is done already."""
    for name, text in files:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        with part.open("w", encoding="utf-8", newline="") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        try:
            os.link(part, path)
        except FileExistsError:
            if path.read_text(encoding="utf-8") != text:
                raise OSError(f"{path} is there with another text; it is left as it is") from None
        finally:
            part.unlink()
    return ", ".join(name for name, _ in files) or "nothing to write"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Followed, a POST would become a GET without the document, and the token would go to another host: it is a failure instead."""

    def redirect_request(self, *_: object) -> None:
        """Say no."""


_HERE_ONLY = urllib.request.build_opener(_NoRedirect)


def _post(settings: HandOverSettings, document: Document) -> str:
    headers = {"Content-Type": "application/json", "Idempotency-Key": document.key}
    token = os.environ.get(settings.http_token_variable, "") if settings.http_token_variable else ""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(str(settings.http_url), data=documents.as_json(document).encode(), headers=headers, method="POST")
    with _HERE_ONLY.open(request, timeout=settings.http_timeout_seconds) as answer:
        return f"{answer.status}"
