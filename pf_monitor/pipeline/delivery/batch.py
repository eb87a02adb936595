"""A batch: items of telemetry as they are sent, in one request."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Item = dict[str, Any]
"""An envelope of Application Insights."""

MOST_BYTES = 1 << 20
"""Of one request, before it is compressed. The service takes more; a smaller one is sooner sent again."""

_WORTHWHILE = 1_024
"""Bytes below which compressing is not worth it."""

_LEVEL = 5
"""Of 9: the last tenth of the size costs half of the time."""

_GZIP = b"\x1f\x8b"
_OPERATION = "ai.operation.id"


@dataclass(slots=True, eq=False)
class Batch:
    """What is sent in one request, on disk or, where there is none, in memory.

    Attributes:
        name: Its place among the others: names sort by time.
        at: When it was put into the spool, in seconds since 1970.
        size: Bytes, compressed.
        number: Which it is of those that this process has put in; 0 for one that was taken over.
        path: Its file, or None.
        body: What is sent, where it has no file.
        traces: The traces that have items in it; None where that has not been looked at.
        sending: Whether it is on its way, so that nobody may touch it.
        unclear: How often it was answered in a way that says neither yes nor no.
    """

    name: str
    at: float
    size: int
    number: int = 0
    path: Path | None = None
    body: bytes | None = None
    traces: frozenset[str] | None = None
    sending: bool = False
    unclear: int = 0

    def read(self) -> bytes:
        """Return what is sent.

        Raises:
            OSError: When the file cannot be read.
        """
        if self.path is not None:
            return self.path.read_bytes()
        return self.body or b""


def parse(body: bytes) -> list[Item]:
    """Return the items of a body.

    Raises:
        ValueError: When it is no list of items.
    """
    plain = gzip.decompress(body) if is_compressed(body) else body
    try:
        items = orjson.loads(plain)
    except orjson.JSONDecodeError:
        items = _mended(plain)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("not a list of items")
    return items


def pack(items: Sequence[Item]) -> bytes:
    """Return a body of items, compressed where that is worth it."""
    plain = orjson.dumps(items)
    return gzip.compress(plain, _LEVEL, mtime=0) if len(plain) >= _WORTHWHILE else plain


def is_compressed(body: bytes) -> bool:
    """Return whether a body is compressed."""
    return body.startswith(_GZIP)


def parts(items: Sequence[Item], most_bytes: int = MOST_BYTES) -> Iterator[Sequence[Item]]:
    """Yield items in portions that a request may hold; a single item is a portion, however large."""
    if len(items) <= 1 or len(orjson.dumps(items)) <= most_bytes:
        yield items
        return
    middle = len(items) // 2
    yield from parts(items[:middle], most_bytes)
    yield from parts(items[middle:], most_bytes)


def trace_of(item: Item) -> str | None:
    """Return the trace that an item belongs to; None for metrics, which belong to none."""
    tags = item.get("tags")
    trace = tags.get(_OPERATION) if isinstance(tags, dict) else None
    return trace if isinstance(trace, str) else None


def traces_of(items: Sequence[Item]) -> frozenset[str]:
    """Return the traces of items."""
    return frozenset(trace for item in items if (trace := trace_of(item)) is not None)


def _mended(plain: bytes) -> Any:
    """Read JSON with NaN and lone surrogates, for which the service would refuse the whole batch."""
    lenient = json.dumps(json.loads(plain), ensure_ascii=False).encode("utf-8", "replace")
    return json.loads(lenient, parse_constant=lambda _: None)
