"""Resident memory over 100,000 requests, each with two nodes and a reported usage, sent by the real exporter."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

from measuring import Figure, answer, in_child
from servers import server

FIRST = 10_000
ALL = 100_000
BETWEEN = 500
"""Requests between two flushes, so that none is dropped because it came faster than any real one would."""

TARGET_MB = 5.0


def benchmark(_: dict[str, Any]) -> Iterator[Figure]:
    """Yield the memory after the first tenth and after all, and what the rest added."""
    with server("ingestion") as port:
        early, late, dropped = in_child(__file__, "requests", port)
    yield Figure(f"resident memory after {FIRST:,} requests", early, "MB")
    yield Figure(f"resident memory after {ALL:,} requests", late, "MB")
    yield Figure(f"added by the last {ALL - FIRST:,}", late - early, "MB", target=TARGET_MB)
    yield Figure("items dropped", dropped, "items", target=0)


def requests(port: str) -> tuple[float, float, int]:
    import monitors
    import psutil

    import pf_monitor

    recorder = monitors.to_port(port)
    monitors.switch(recorder)

    @pf_monitor.retrieval
    def retrieve(question: str) -> list[str]:
        return [f"{question} It weighs 2 kg."]

    @pf_monitor.node
    def ask(question: str, documents: list[str]) -> str:
        pf_monitor.record_usage("gpt-4o-mini", input_tokens=812, output_tokens=64, provider="openai")
        return "2 kg"

    @pf_monitor.flow
    def chat(question: str) -> dict[str, str]:
        pf_monitor.set_correlation(session=question)
        return {"answer": ask(question, retrieve(question))}

    def resident() -> float:
        gc.collect()
        return psutil.Process().memory_info().rss / 1e6

    early = 0.0
    for number in range(1, ALL + 1):
        chat(f"How heavy is the tent number {number}?")
        if number % BETWEEN == 0:
            assert recorder.flush(60)
            urlopen(f"http://127.0.0.1:{port}/forget").read()  # the server need not remember
        if number == FIRST:
            early = resident()
    return early, resident(), recorder._worker.dropped


if __name__ == "__main__":
    answer({"requests": requests})
