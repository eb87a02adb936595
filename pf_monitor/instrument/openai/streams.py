"""Watch a streamed answer while the caller reads it, without becoming visible to the caller.

The caller keeps the client's own stream object. Only the iterator inside it is replaced, and its `close`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pf_monitor import notices
from pf_monitor.model.kinds import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from pf_monitor.instrument.openai.call import Call


def watch_stream(call: Call, stream: Any) -> None:
    """Watch an `openai.Stream`, or end the call here when it is something else."""
    inner = getattr(stream, "_iterator", None)
    if inner is None:
        _say_unknown(stream)
        call.end(Outcome.OK)
        return
    stream._iterator = _watched(call, inner)
    close = stream.close

    def close_and_end() -> None:
        try:
            close()
        finally:
            call.end(Outcome.ABANDONED)

    stream.close = close_and_end


def watch_async_stream(call: Call, stream: Any) -> None:
    """Watch an `openai.AsyncStream`, or end the call here when it is something else."""
    inner = getattr(stream, "_iterator", None)
    if inner is None:
        _say_unknown(stream)
        call.end(Outcome.OK)
        return
    stream._iterator = _watched_async(call, inner)
    close: Callable[[], Any] = stream.close

    async def close_and_end() -> None:
        try:
            await close()
        finally:
            call.end(Outcome.ABANDONED)

    stream.close = close_and_end


def _watched(call: Call, chunks: Iterator[Any]) -> Iterator[Any]:
    try:
        for chunk in chunks:
            _take(call, chunk)
            yield chunk
    except BaseException as error:
        call.failed(error)
        raise
    call.end(Outcome.OK)


async def _watched_async(call: Call, chunks: AsyncIterator[Any]) -> AsyncIterator[Any]:
    try:
        async for chunk in chunks:
            _take(call, chunk)
            yield chunk
    except BaseException as error:
        call.failed(error)
        raise
    call.end(Outcome.OK)


def _take(call: Call, chunk: Any) -> None:
    try:
        call.first_chunk()
        call.exchange.take_chunk(chunk)
    except Exception as error:  # noqa: BLE001 - never into the caller
        notices.say_once("openai-chunk", "pf_monitor could not read a streamed chunk: %r", error)


def _say_unknown(stream: Any) -> None:
    notices.say_once(
        "openai-stream",
        "pf_monitor does not know the inside of this openai version's %s; tokens of its streams are missing.",
        type(stream).__name__,
    )
