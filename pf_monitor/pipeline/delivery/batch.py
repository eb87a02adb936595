"""A batch: items of telemetry that are sent in one request, as a file that can grow."""

from __future__ import annotations

import gzip
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

Item = dict[str, Any]
"""An envelope of Application Insights."""

MOST_BYTES = 1 << 20
"""Of one request, before it is compressed. The service takes more; a smaller one is sooner sent again."""

_LEVEL = 5
"""Of 9: the last tenth of the size costs half of the time."""

_GZIP = 31
"""To zlib: what is read is in gzip's format."""

_OPERATION = "ai.operation.id"


@dataclass(slots=True, eq=False)
class Batch:
    """What is sent in one request, on disk or, where there is none, in memory.

    It is a row of portions, each a JSON list of items, compressed by itself. So one that nobody sends yet can take
    more, and one whose writer was killed can be read up to there.

    Attributes:
        name: Its place among the others: names sort by time.
        at: When it was begun, in seconds since 1970.
        number: Which portion of those that this process has put in it began with; 0 for one that was taken over.
        path: Its file, or None.
        body: What is in it, where it has no file.
        size: Bytes, compressed.
        plain_size: Bytes of what this process has put in, before they were compressed.
        portions: How many it is made of; 0 where that is not known.
        number_of_items: How many items these hold; likewise.
        unclear: How often it was answered in a way that says neither yes nor no.
    """

    name: str
    at: float
    number: int = 0
    path: Path | None = None
    body: bytes = b""
    size: int = 0
    plain_size: int = 0
    portions: int = 0
    number_of_items: int = 0
    unclear: int = 0

    def read(self) -> bytes:
        """Return what is in it.

        Raises:
            OSError: When the file cannot be read.
        """
        return self.path.read_bytes() if self.path is not None else self.body


@dataclass(frozen=True, slots=True)
class Shipment:
    """A batch on its way: nobody may touch it but who sends it.

    Attributes:
        batch: Which.
        body: What is sent: one compressed JSON list.
        number: How many items are in it.
    """

    batch: Batch
    body: bytes
    number: int

    def items(self) -> list[Item]:
        """Return what is in it, which nobody needs to know as long as all goes well."""
        return unpack(self.body)[0]


def parse(text: bytes) -> list[Item]:
    """Return the items of a JSON list.

    Raises:
        ValueError: When it is no list of items.
    """
    try:
        items = orjson.loads(text)
    except orjson.JSONDecodeError:
        items = _mended(text)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("not a list of items")
    return items


class Text(NamedTuple):
    """Some items as one JSON list.

    Attributes:
        number: How many.
        text: The list.
    """

    number: int
    text: bytes


def texts(items: Sequence[Item]) -> Iterator[Text]:
    """Yield items as JSON lists that a request may hold; a single item is one."""
    try:
        text = orjson.dumps(items)
    except TypeError:  # lone surrogates, for which the service would refuse the whole batch
        text = orjson.dumps(_mended(json.dumps(items)))
    if len(items) <= 1 or len(text) <= MOST_BYTES:
        yield Text(len(items), text)
        return
    middle = len(items) // 2
    yield from texts(items[:middle])
    yield from texts(items[middle:])


def joined(some: Iterable[Text]) -> Iterator[Text]:
    """Join JSON lists, in their order, to as few as requests may hold."""
    number, size = 0, 0
    members: list[bytes] = []
    for text in some:
        if members and size + len(text.text) > MOST_BYTES:
            yield Text(number, b"[" + b",".join(members) + b"]")
            number, size, members = 0, 0, []
        number += text.number
        size += len(text.text)
        members.append(text.text[1:-1])
    if members:
        yield Text(number, b"[" + b",".join(members) + b"]")


def pack(text: bytes) -> bytes:
    """Return a JSON list as a portion."""
    return gzip.compress(text, _LEVEL, mtime=0)


def unpack(body: bytes) -> tuple[list[Item], bool]:
    """Read what is in a batch.

    Args:
        body: A row of portions. If the writer of the last one was interrupted, that one is left out.

    Returns:
        The items, and whether the body is one portion as a whole, and so can be sent as it is.

    Raises:
        ValueError: When it is no row of portions.
    """
    items: list[Item] = []
    portions, left = 0, body
    while left:
        reader = zlib.decompressobj(_GZIP)
        try:
            text = reader.decompress(left)
        except zlib.error as error:
            raise ValueError(f"not compressed: {error}") from error
        if not reader.eof:
            return items, False
        items += parse(text)
        portions, left = portions + 1, reader.unused_data
    return items, portions == 1


def trace_of(item: Item) -> str | None:
    """Return the trace that an item belongs to; None for metrics, which belong to none."""
    tags = item.get("tags")
    trace = tags.get(_OPERATION) if isinstance(tags, dict) else None
    return trace if isinstance(trace, str) else None


def traces_of(items: Sequence[Item]) -> frozenset[str]:
    """Return the traces of items."""
    return frozenset(trace for item in items if (trace := trace_of(item)) is not None)


def _mended(text: str | bytes) -> Any:
    """Read JSON with NaN and lone surrogates, for which the service would refuse the whole batch."""
    lenient = json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8", "replace")
    return json.loads(lenient, parse_constant=lambda _: None)
