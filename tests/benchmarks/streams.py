"""What a streamed answer of 500 chunks costs more with the monitor, read with the real openai client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

from measuring import Contestant, Figure, added, answer, in_child
from servers import CHUNKS, server

PAIRS = 400
TARGET_US = 2.0


def benchmark(_: dict[str, Any]) -> Iterator[Figure | str]:
    """Yield what is added to each chunk and to each item."""
    errors: list[float] = []

    def measured(case: str, *arguments: str) -> tuple[float, float]:
        base, more, error = (seconds * 1e6 for seconds in in_child(__file__, case, *arguments))
        errors.append(error)
        return base, more

    with server("stream") as port:
        for case, client in (("sync", "OpenAI"), ("asynchronous", "AsyncOpenAI")):
            for usage, asked in (("usage", "usage asked for"), ("", "usage not asked for")):
                base, more = measured(case, str(port), usage)
                yield Figure(f"{client}, {asked}: a chunk, unmonitored", base, "µs")
                yield Figure(f"{client}, {asked}: added to a chunk", more, "µs", target=TARGET_US)
    for case, title in (("generator", "generator"), ("async_generator", "async generator")):
        _base, more = measured(case)
        yield Figure(f"decorated {title} of {CHUNKS} items: added to an item", more, "µs", target=TARGET_US)
    yield f"Added is the median of {PAIRS} pairs; its standard error is {max(errors):.2f} µs at most."


def on_and_off(work: Contestant) -> tuple[float, float, float]:
    """Return the seconds that a chunk takes without the monitor, how many more with it, and their standard error."""
    import monitors

    recorder = monitors.to_nowhere()

    def switched(to: Any) -> Contestant:
        def run(number: int) -> None:
            monitors.switch(to)
            work.run(number)

        return Contestant(run, lambda: recorder.flush(30))

    found = added(switched(None), switched(recorder), PAIRS)
    return found.base / CHUNKS, found.added / CHUNKS, found.error / CHUNKS


MESSAGES: list[Any] = [{"role": "user", "content": "Say many words."}]


def options(usage: str) -> dict[str, Any]:
    asked = {"stream_options": {"include_usage": True}} if usage else {}
    return {"model": "gpt-4o", "messages": MESSAGES, "stream": True, **asked}


def sync(port: str, usage: str) -> tuple[float, float, float]:
    import openai

    import pf_monitor  # noqa: F401 - its import hooks make the client recorded

    client = openai.OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")

    def run(number: int) -> None:
        for _ in range(number):
            chunks = client.chat.completions.create(**options(usage))
            assert sum(1 for _ in chunks) == CHUNKS + bool(usage)

    return on_and_off(Contestant(run))


def asynchronous(port: str, usage: str) -> tuple[float, float, float]:
    import openai

    import pf_monitor  # noqa: F401 - likewise

    client = openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none")
    loop = asyncio.new_event_loop()

    async def streams(number: int) -> None:
        for _ in range(number):
            chunks = await client.chat.completions.create(**options(usage))
            assert len([chunk async for chunk in chunks]) == CHUNKS + bool(usage)

    return on_and_off(Contestant(lambda number: loop.run_until_complete(streams(number))))


def generator() -> tuple[float, float, float]:
    import pf_monitor

    @pf_monitor.flow
    def flow(question: str) -> Iterator[str]:
        for _ in range(CHUNKS):
            yield " word"

    def run(number: int) -> None:
        for _ in range(number):
            assert sum(1 for _ in flow("q")) == CHUNKS

    return on_and_off(Contestant(run))


def async_generator() -> tuple[float, float, float]:
    import pf_monitor

    loop = asyncio.new_event_loop()

    @pf_monitor.flow
    async def flow(question: str) -> Any:
        for _ in range(CHUNKS):
            yield " word"

    async def streams(number: int) -> None:
        for _ in range(number):
            assert len([item async for item in flow("q")]) == CHUNKS

    return on_and_off(Contestant(lambda number: loop.run_until_complete(streams(number))))


if __name__ == "__main__":
    answer({"sync": sync, "asynchronous": asynchronous, "generator": generator, "async_generator": async_generator})
