"""Whether a delivered file is whole and safe to read, before anybody reads a line of it.

Belongs here: one pass over the bytes (hash, caps, last line, forbidden bytes) and the manifest a sender may put beside a file.
Does not: what the lines say (`landing.py`). A file is never followed through a link and never unpacked beyond its caps.
"""

import gzip
import hashlib
import io
import json
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from orchestration.settings import FeedSettings

_CHUNK = 1 << 20
MANIFEST_SUFFIX = ".manifest.json"
SEGMENTED = (".x12", ".edi")  # these say themselves where they end


class DeliveryError(ValueError):
    """A delivered file cannot be read as its feed; the whole file is set aside."""


@dataclass(frozen=True)
class Inspected:
    """What one pass over the bytes found."""

    sha256: str
    file_bytes: int
    is_verified: bool
    manifest_rows: int | None

    def check_rows(self, lines: int) -> None:
        """Hold the number of lines read against the manifest.

        Raises
        ------
        DeliveryError
            They differ.
        """
        if self.manifest_rows is not None and lines != self.manifest_rows:
            raise DeliveryError(f"its manifest says {self.manifest_rows} rows, the file has {lines}; send both again")


def plain_suffix(path: Path) -> str:
    """Suffix without the packing: `.csv` for `a.csv.gz`."""
    suffixes = path.suffixes
    return suffixes[-2] if suffixes and suffixes[-1] in (".gz", ".zst") and len(suffixes) > 1 else path.suffix


def manifest_path(path: Path) -> Path:
    """Where a sender puts the manifest of a file: beside it, its name and `.manifest.json`."""
    return path.with_name(path.name + MANIFEST_SUFFIX)


def file_hash(path: Path) -> str:
    """SHA-256 of the bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def inspect(path: Path, feed: FeedSettings) -> Inspected:
    """Read a file once and say what it is.

    Raises
    ------
    DeliveryError
        It is larger than its feed allows, unpacks to too much, holds NUL bytes, ends in the middle of a line, or is not what its
        manifest says.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise DeliveryError("not a regular file")
        size = os.fstat(stream.fileno()).st_size
        if size > feed.max_file_bytes:
            raise DeliveryError(f"{size:,} bytes are more than feeds.*.max_file_bytes allows ({feed.max_file_bytes:,}); split the file")
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    rows = _manifest(path, digest, size)
    if plain_suffix(path) != ".parquet":
        _check_text(path, feed, size, has_lines=plain_suffix(path) not in SEGMENTED)
    return Inspected(digest, size, is_verified=manifest_path(path).exists(), manifest_rows=rows)


def _manifest(path: Path, digest: str, size: int) -> int | None:
    """Hold the bytes against the manifest beside the file; returns the rows it promises."""
    beside = manifest_path(path)
    if not beside.exists():
        return None
    try:
        said = json.loads(beside.read_text(encoding="utf-8"))
        wrong = [f"{name} {said[name]}" for name, found in (("bytes", size), ("sha256", digest)) if said.get(name, found) != found]
        rows = said.get("rows")
    except (ValueError, AttributeError, OSError) as error:
        raise DeliveryError(f"{beside.name} is not a JSON object with rows, bytes and sha256; send both again") from error
    if wrong or not {"sha256", "bytes", "rows"} & set(said) or not isinstance(rows, int | None):
        raise DeliveryError(
            f"its manifest says {', '.join(wrong) or 'nothing'}, the file has bytes {size}, sha256 {digest}; send both again"
        )
    return rows


def open_unpacked(path: Path) -> IO[bytes]:
    """The bytes of a file, unpacked where its suffix says it is packed."""
    if path.suffix == ".gz":
        return gzip.open(path, "rb")
    if path.suffix == ".zst":
        import pyarrow as pa

        return io.BufferedReader(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"), _CHUNK)  # type: ignore[arg-type]
    return path.open("rb")


def _chunks(path: Path, most: int) -> Iterator[bytes]:
    total = 0
    with open_unpacked(path) as stream:
        while chunk := stream.read(_CHUNK):
            total += len(chunk)
            if total > most:
                raise DeliveryError(
                    f"it unpacks to more than {most:,} bytes; raise feeds.*.max_expansion_ratio or max_expanded_bytes if that is right"
                )
            yield chunk


def _check_text(path: Path, feed: FeedSettings, size: int, *, has_lines: bool) -> None:
    """Refuse bombs, binary files, endless lines, and files whose last line has no end: they were cut."""
    packed = path.suffix in (".gz", ".zst")
    most = min(feed.max_expanded_bytes, max(size * feed.max_expansion_ratio, _CHUNK)) if packed else feed.max_expanded_bytes
    wide = feed.encoding == "utf-16"
    since_newline, last = 0, b""
    for chunk in _chunks(path, most):
        if not wide and b"\0" in chunk:
            raise DeliveryError(f"it holds NUL bytes; it is no {feed.encoding} text, declare feeds.*.encoding or send it again")
        first = chunk.find(b"\n")
        since_newline = since_newline + len(chunk) if first < 0 else len(chunk) - chunk.rfind(b"\n") - 1
        if has_lines and since_newline > _CHUNK:
            raise DeliveryError(f"a line is longer than {_CHUNK:,} bytes; the file is damaged or no text")
        last = (last + chunk[-4:])[-4:]
    if has_lines and last and not last.rstrip(b"\0").endswith((b"\n", b"\r")):
        raise DeliveryError("its last line has no end, so it may have been cut; send it whole, with a newline at the end")
