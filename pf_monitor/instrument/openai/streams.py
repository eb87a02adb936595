"""Watch an answer on its way from the socket to the caller, who reads it in whatever way the client offers.

A streamed answer, or one that the caller reads raw, is watched as bytes: below the client's own decoding, so that
`Stream`, `.stream()` helpers, `with_raw_response` and `with_streaming_response` are all the same. On the caller's path
almost nothing is done: bytes are passed on and kept; only when they have all come is the answer put together.

Where the provider was asked for a usage chunk that the caller did not ask for, that chunk is taken out again.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import orjson

from pf_monitor.instrument.openai.answer import JSON, Format
from pf_monitor.model.kinds import Outcome

if TYPE_CHECKING:
    from datetime import timedelta

    from pf_monitor.instrument.openai.call import Call
    from pf_monitor.instrument.openai.operations import Exchange

_MOST_BYTES = 4_000_000
"""Kept of one answer; beyond, only the latest that may hold the usage."""

_LATE_EVENTS = 8
"""How many events from the end the usage is looked for in."""

_TAIL_BYTES = 64
"""How near its end a stream of chat completions says that it is over."""

_NO_USAGE = b',"usage":null'

_END = b"}\n\n"
_LAST_WITHOUT_USAGE = _NO_USAGE + _END

_HANDS_ON = ("BoundSyncStream", "BoundAsyncStream")
"""Classes of httpx and httpx2."""


class Recording:
    """The bytes of one answer.

    Args:
        call: Whose answer it is.
        is_stream: Whether it comes as server-sent events; else it is one JSON document.
        hides_usage: Whether the caller shall not see the usage chunk.

    Attributes:
        kept: What has come.
        cut: How an event ends of which only this has to be cut; empty where nothing is hidden.
        is_plain: Whether something has come, and nothing of it is held back.
    """

    __slots__ = ("_call", "_complete", "_is_stream", "_late", "_rest", "cut", "is_plain", "kept")

    def __init__(self, call: Call, *, is_stream: bool, hides_usage: bool) -> None:
        self._call = call
        self._is_stream = is_stream
        self.kept = bytearray()  # copied: keeping each piece would have the next one made where the cache is cold
        self._late: deque[bytes] = deque(maxlen=_LATE_EVENTS)
        self._rest = b""
        self._complete = False
        self.cut = _LAST_WITHOUT_USAGE if hides_usage else b""
        self.is_plain = False

    def take(self, data: bytes) -> bytes:
        """Take bytes from the socket, and return those that the caller shall see."""
        kept = self.kept
        if not kept:
            self._call.first_chunk()
            self.is_plain = True
        if len(kept) < _MOST_BYTES:
            kept += data
        else:
            self._take_beyond(data)
        if not self.cut:
            return data
        if data.endswith(b"\n\n") and not self._rest:  # whole events, as they mostly come
            plain = data.replace(_NO_USAGE, b"")
            if b'"usage"' not in plain:
                return plain
        return self._without_usage(data)

    def _take_beyond(self, data: bytes) -> None:
        """Look at what is no longer kept: the usage comes late, and with some providers in every chunk."""
        if b'"usage"' in data:
            self._late.append(data)
        self._complete = self._complete or _is_complete(data)

    def rest(self) -> bytes:
        """Return what was held back because its event was not complete; at the end of the stream."""
        rest, self._rest = self._rest, b""
        return rest

    def end(self, error: BaseException | None = None, *, exhausted: bool = False) -> None:
        """End the call: whole, failed, or left before the end. Further calls are ignored."""
        call = self._call
        if call.step.ended:
            return
        answer = b"".join((self.kept, *self._late))
        self.kept.clear()
        self._late.clear()
        is_complete = self._complete or _is_complete(answer)
        form = _EVENTS if self._is_stream or not answer else JSON
        if error is not None and not is_complete:
            call.failed(error, form, answer)
        else:
            call.end(Outcome.OK if exhausted or is_complete else Outcome.ABANDONED, form, answer)

    def _without_usage(self, data: bytes) -> bytes:
        """Return the complete events so far, without the usage that the caller did not ask for."""
        data = self._rest + data
        cut = max(data.rfind(b"\n\n") + 2, data.rfind(b"\r\n\r\n") + 4)
        if cut < 4:  # not one event is complete
            cut = 0
        self._rest = data[cut:]
        self.is_plain = not self._rest
        if not cut:
            return b""
        ready = data[:cut]
        if b'"usage"' not in ready:
            return ready
        separator = b"\r\n\r\n" if b"\r\n\r\n" in ready else b"\n\n"
        return separator.join(shown for event in ready.split(separator) if (shown := _without_usage(event)) is not None)


def _is_complete(answer: bytes) -> bool:
    """Whether a stream has told its end. In a text, JSON would escape the quotes, and something would follow."""
    return answer[-_TAIL_BYTES:].rstrip().endswith(b"[DONE]") or b'"response.completed"' in answer


def _read_header(exchange: Exchange, answer: bytes) -> None:
    """Read the first event, and those at the end that tell of usage."""
    answer = _with_plain_lines(answer)
    end = answer.find(b"\n\n")
    first = answer if end < 0 else answer[:end]
    late = answer.rsplit(b"\n\n", _LATE_EVENTS)[1:]
    late = [event for event in late if b'"usage"' in event.replace(_NO_USAGE, b"")]
    for event in (first, *late):
        if (data := _data(event)) is not None:
            exchange.take_header(data)


def _read_all(exchange: Exchange, answer: bytes) -> None:
    for event in _with_plain_lines(answer).split(b"\n\n"):
        if (data := _data(event)) is not None:
            exchange.take_chunk(data)


_EVENTS = Format(_read_header, _read_all)
"""The bytes of server-sent events; of none at all too."""


def _with_plain_lines(answer: bytes) -> bytes:
    # JSON has no carriage return: it is the end of a line.
    return answer.replace(b"\r\n", b"\n") if b"\r" in answer else answer


def _without_usage(event: bytes) -> bytes | None:
    """Return an event as it would have been without `include_usage`; None for one that would not have been."""
    plain = event.replace(_NO_USAGE, b"").replace(b', "usage": null', b"")
    if b'"usage"' not in plain:
        return plain
    chunk = _data(plain)
    if not isinstance(chunk, dict) or "usage" not in chunk:
        return plain
    if not chunk.get("choices"):
        return None if chunk["usage"] is not None else plain
    del chunk["usage"]
    return b"data: " + orjson.dumps(chunk)


def _data(event: bytes) -> Any:
    """Return the JSON of a server-sent event, or None when it has none."""
    lines = [line[5:].lstrip() for line in event.splitlines() if line.startswith(b"data:")]
    data = b"\n".join(lines)
    if not data.startswith(b"{"):
        return None
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return None


def watch(response: Any, recording: Recording) -> None:
    """Put a recording between an HTTP response's socket and whoever reads it.

    Args:
        response: A response of httpx (or httpx2, which newer clients use) that has not been read.
        recording: Takes the bytes.
    """
    httpx = sys.modules[type(response).__module__.partition(".")[0]]
    stream = response.stream
    is_sync = hasattr(stream, "__iter__")
    make = _watched_stream(httpx.SyncByteStream) if is_sync else _watched_async_stream(httpx.AsyncByteStream)
    response.stream = make(stream, recording)


def _source(stream: Any) -> Any:
    """Return what gives the bytes of a response's stream.

    httpx's own stream only hands them on, and notes when it was closed. Reading what is beneath it instead makes ours
    one of two layers, not of three; it is still closed through httpx's.
    """
    return getattr(stream, "_stream", stream) if type(stream).__name__ in _HANDS_ON else stream


@cache
def _watched_stream(base: Any) -> Callable[[Any, Recording], Any]:
    """Return the class of watched streams for one edition of httpx, which insists on its own base class."""

    class WatchedStream(base):  # type: ignore[misc]  # known when it runs
        def __init__(self, stream: Any, recording: Recording) -> None:
            self._stream = stream
            self._recording = recording

        def __iter__(self) -> Iterator[bytes]:
            recording = self._recording
            take, kept, cut = recording.take, recording.kept, recording.cut
            try:
                for data in _source(self._stream):
                    event = data.removesuffix(cut)
                    if event is not data and b"\n" not in event and recording.is_plain and len(kept) < _MOST_BYTES:
                        kept += data  # one event, as nearly all come: to call `take` for it would take twice as long
                        yield event + _END
                    elif shown := take(data):
                        yield shown
                if rest := recording.rest():
                    yield rest
            except GeneratorExit:
                recording.end()
                raise
            except BaseException as error:
                recording.end(error)
                raise
            recording.end(exhausted=True)

        @property
        def elapsed(self) -> timedelta | None:
            return getattr(self._stream, "elapsed", None)

        def close(self) -> None:
            try:
                self._stream.close()
            finally:
                self._recording.end()

        def __del__(self) -> None:
            self._recording.end()

    return WatchedStream


@cache
def _watched_async_stream(base: Any) -> Callable[[Any, Recording], Any]:
    """Return the asynchronous twin of `_watched_stream`."""

    class WatchedAsyncStream(base):  # type: ignore[misc]  # known when it runs
        def __init__(self, stream: Any, recording: Recording) -> None:
            self._stream = stream
            self._recording = recording

        async def __aiter__(self) -> AsyncIterator[bytes]:
            recording = self._recording
            take, kept, cut = recording.take, recording.kept, recording.cut
            source = _source(self._stream).__aiter__()
            try:
                async for data in source:
                    event = data.removesuffix(cut)
                    if event is not data and b"\n" not in event and recording.is_plain and len(kept) < _MOST_BYTES:
                        kept += data  # likewise
                        yield event + _END
                    elif shown := take(data):
                        yield shown
                if rest := recording.rest():
                    yield rest
            except GeneratorExit:
                recording.end()
                raise
            except BaseException as error:
                recording.end(error)
                raise
            finally:
                if isinstance(source, AsyncGenerator):  # else it would be left to the event loop
                    await source.aclose()
            recording.end(exhausted=True)

        @property
        def elapsed(self) -> timedelta | None:
            return getattr(self._stream, "elapsed", None)

        async def aclose(self) -> None:
            try:
                await self._stream.aclose()
            finally:
                self._recording.end()

        def __del__(self) -> None:
            self._recording.end()

    return WatchedAsyncStream
