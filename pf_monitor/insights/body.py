"""The body of an ingestion request: the telemetry items in it, and where it stops being readable.

SDKs send a JSON array (Python, Node), or one JSON object a line (.NET, Java, older Node), compressed or not. What of a
damaged body is whole is kept: a sender that was killed half way through has sent good items first.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, NamedTuple

import orjson

MAX_BODY_BYTES: Final = 64 * 1024 * 1024
"""The most that a request may hold, compressed and expanded. The Python exporter's largest batch, 512 items of 64 KB,
is half of it."""

MAX_HELD_BYTES: Final = 2 * MAX_BODY_BYTES
"""The most that all requests together may hold, from their first byte until their items are on disk."""

MAX_ITEMS: Final = 100_000
"""The most items in a request."""

_MAX_VALUES: Final = 8_000_000
"""The most values in a request: an empty object takes two bytes of JSON, and sixty-four in memory."""

_MAX_DRAINED_BYTES: Final = 1024 * 1024 * 1024


class BodyTooLargeError(Exception):
    """The body is larger than is taken, or has more in it; the message says which."""


class OverloadedError(Exception):
    """The requests that are being taken hold as much as they may."""


class BodyEncodingError(Exception):
    """The body cannot be decompressed."""


class Unreadable(NamedTuple):
    """An item that is not JSON, and why."""

    reason: str


class Room:
    """What requests may hold together; used from one thread.

    Args:
        size: Bytes of their expanded bodies.
    """

    def __init__(self, size: int) -> None:
        self._left = size

    @contextmanager
    def share(self) -> Iterator[Share]:
        """Give what one request takes of it, within."""
        share = Share(self)
        try:
            yield share
        finally:
            self._left += share.size

    def take(self, size: int) -> None:
        """Take some of what is left.

        Raises:
            OverloadedError: If that is not so much.
        """
        if size > self._left:
            raise OverloadedError
        self._left -= size


class Share:
    """What one request holds of a room."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.size = 0

    def take(self, size: int) -> None:
        """Hold more; see `Room.take`."""
        self._room.take(size)
        self.size += size


async def read_body(chunks: AsyncIterator[bytes], encoding: str, declared_length: int | None, share: Share) -> bytes:
    """Read and decompress a body, never holding more than is taken.

    Args:
        chunks: The body as it arrives.
        encoding: The Content-Encoding.
        declared_length: The Content-Length, if there is one.
        share: What it takes of the room for all bodies.

    Raises:
        BodyTooLargeError: If it is larger than `MAX_BODY_BYTES`. What is left of it has been read and thrown away then,
            since a client that is still sending would miss the answer.
        BodyEncodingError: If it is not compressed as it says.
        OverloadedError: If there is no room for it.
    """
    too_large = f"The body is larger than {MAX_BODY_BYTES} bytes"
    if declared_length is not None and declared_length > MAX_BODY_BYTES:
        await _drain(chunks)
        raise BodyTooLargeError(too_large)
    expand = _decompressor(encoding)
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        part = expand(chunk, MAX_BODY_BYTES - size + 1)
        size += len(part)
        if size > MAX_BODY_BYTES:
            parts.clear()
            await _drain(chunks)
            raise BodyTooLargeError(too_large)
        share.take(len(part))
        parts.append(part)
    return b"".join(parts)


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    left = _MAX_DRAINED_BYTES
    async for chunk in chunks:
        left -= len(chunk)
        if left < 0:
            return


def _decompressor(encoding: str) -> Any:
    """A function of a chunk and the most bytes it may expand to."""
    match encoding.strip().lower():
        case "" | "identity":
            return lambda chunk, _: chunk
        case "gzip" | "deflate":
            expander = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)  # 32: tells gzip from zlib by itself

            def expand(chunk: bytes, limit: int) -> bytes:
                try:
                    return expander.decompress(chunk, limit)
                except zlib.error as error:
                    raise BodyEncodingError(f"The body is not {encoding}: {error}") from None

            return expand
        case other:
            raise BodyEncodingError(f"Content-Encoding '{other}' is not supported; use gzip")


def parse_items(body: bytes) -> list[Any]:
    """Return the items of a body, with an `Unreadable` in the place of each that is not JSON.

    Args:
        body: A JSON array of items, one item, or one item a line.

    Raises:
        BodyTooLargeError: If it has more items than `MAX_ITEMS`, or more in them than can be kept in memory.
    """
    if len(body) > _MAX_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > _MAX_VALUES:
        raise BodyTooLargeError(f"The body has more than {_MAX_VALUES} values")
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return _bounded(_salvage(body.decode("utf-8", errors="replace")))
    return _bounded(parsed) if isinstance(parsed, list) else [parsed]


def _bounded(items: Iterable[Any]) -> list[Any]:
    bounded = list(islice(items, MAX_ITEMS + 1))
    if len(bounded) > MAX_ITEMS:
        raise BodyTooLargeError(f"The body has more than {MAX_ITEMS} items")
    return bounded


def _salvage(text: str) -> Iterator[Any]:
    text = text.strip().removeprefix("\ufeff")
    if text.startswith("["):
        return _salvage_array(text)
    return (_salvage_line(line[0]) for line in _LINE.finditer(text) if line[0].strip())


_LINE = re.compile(r"[^\r\n]+")


def _salvage_line(line: str) -> Any:
    try:
        return _well_formed(_DECODER.decode(line))
    except (ValueError, RecursionError) as error:
        return Unreadable(_reason(error))


_SEPARATOR = re.compile(r"[\s,]*")


def _salvage_array(text: str) -> Iterator[Any]:
    """The items before the place where an array breaks off, and that place as an unreadable item."""
    position = _skip(text, 1)
    while position < len(text) and text[position] != "]":
        try:
            item, position = _DECODER.raw_decode(text, position)
            item = _well_formed(item)
        except (ValueError, RecursionError) as error:
            yield Unreadable(_reason(error))
            return
        yield item
        position = _skip(text, position)
    if position >= len(text):
        yield Unreadable("The array is not closed: the body was cut off")


def _skip(text: str, position: int) -> int:
    match = _SEPARATOR.match(text, position)
    return match.end() if match else position


_DECODER = json.JSONDecoder(parse_constant=lambda _: None)
"""Python's own parser: it reads NaN, which the Python exporter sends and JSON does not have; here it counts as null."""


def _well_formed(value: Any) -> Any:
    """Replace lone surrogates, which JSON's escapes can spell and UTF-8 cannot."""
    match value:
        case str():
            return value.encode("utf-8", errors="replace").decode()
        case list():
            return [_well_formed(one) for one in value]
        case dict():
            return {_well_formed(key): _well_formed(one) for key, one in value.items()}
        case _:
            return value


def _reason(error: Exception) -> str:
    return "The item is nested too deeply" if isinstance(error, RecursionError) else f"The item is not JSON: {error}"
