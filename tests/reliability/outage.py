"""The endpoint is away while requests go on; then it is back, and nothing new comes."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil
from local_rows import ask

import pf_monitor
from pf_monitor import runtime
from pf_monitor.insights.server import running
from pf_monitor.local import connection_string
from pf_monitor.pipeline.delivery.sender import Patience
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.pipeline.transport import spool_folder
from pf_monitor.settings import Settings

ITEMS = 3
"""Of each request: the flow, a retrieval, a node."""

_BETWEEN = 200
"""Requests between two moments at which the worker may catch up: those of an hour come within seconds here."""

_LONGEST_S = 300
_LOOK_S = 0.05


@dataclass(frozen=True)
class Outcome:
    """What became of the requests.

    Attributes:
        recorded: Items that were recorded while the endpoint was away.
        lost: Those of them that have not arrived.
        twice: Those that have arrived more than once.
        dropped: How many were given up, by reason.
        drained_s: How long after the endpoint was back the last of them was acknowledged, in seconds.
        disk_mb: What had waited on disk, in MB.
        memory_mb: What the process had grown by meanwhile, in MB.
    """

    recorded: int
    lost: int
    twice: int
    dropped: dict[str, int]
    drained_s: float
    disk_mb: float
    memory_mb: float


def endure(directory: Path, requests: int, hours: float = 1.0, patience: Patience | None = None) -> Outcome:
    """Record requests while nobody listens, then let somebody listen.

    Args:
        directory: For the store.
        requests: How many.
        hours: The simulated time that they take.
        patience: How long the sender waits for what; as ever unless given.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clock = _Clock(hours * 3600 / requests)
    sink = ApplicationInsights(connection_string(port), patience=patience, clock=clock)
    recorder = PipelineRecorder(Settings(enabled=True, service_name="outage"), sink)
    runtime.use(recorder)
    before = psutil.Process().memory_info().rss
    try:
        recorded = _record(recorder, requests, clock)
        waiting = list(spool_folder(connection_string(port)).rglob("*.batch"))
        disk = sum(path.stat().st_size for path in waiting)
        memory = psutil.Process().memory_info().rss - before
        with running(directory, port):
            drained_s = _drained(port)
            arrived = _arrived(port)
    finally:
        runtime.stop(_LONGEST_S)
    return Outcome(
        recorded=recorded,
        lost=recorded - len(arrived),
        twice=sum(number > 1 for number in arrived.values()),
        dropped=sink.losses.counted(),
        drained_s=drained_s,
        disk_mb=disk / 1e6,
        memory_mb=memory / 1e6,
    )


class _Clock:
    """The wall clock, running ahead."""

    def __init__(self, step_s: float) -> None:
        self._now = time.time()
        self._step_s = step_s

    def __call__(self) -> float:
        return self._now

    def tick(self) -> None:
        self._now += self._step_s


def _record(recorder: PipelineRecorder, requests: int, clock: _Clock) -> int:
    @pf_monitor.retrieval
    def retrieve(question: str) -> list[str]:
        return [f"{question} The Larkspur 2 weighs 2 kg and comes with a bag of its own. " * 5]

    @pf_monitor.node
    def ask(question: str, documents: list[str]) -> str:
        pf_monitor.record_usage("gpt-4o-mini", input_tokens=812, output_tokens=64, provider="openai")
        return f"It weighs 2 kg, as {documents[0]} says."

    @pf_monitor.flow
    def chat(question: str) -> dict[str, str]:
        pf_monitor.set_correlation(session=question)
        return {"answer": ask(question, retrieve(question))}

    for number in range(1, requests + 1):
        chat(f"How heavy is the tent number {number}?")
        clock.tick()
        if number % _BETWEEN == 0:
            recorder._worker.flush(_LONGEST_S)
    recorder._worker.flush(_LONGEST_S)
    return requests * ITEMS


def _drained(port: int) -> float:
    """Wait until nothing waits any more; the sender comes to it by itself."""
    begun, folder, pause = time.monotonic(), spool_folder(connection_string(port)), threading.Event()
    while any(folder.rglob("*.batch")):
        assert time.monotonic() - begun < _LONGEST_S, "not drained"
        pause.wait(_LOOK_S)
    return time.monotonic() - begun


def _arrived(port: int) -> Counter[str]:
    query = (
        "union requests, (dependencies | where customDimensions['pf_monitor.kind'] != 'llm') "
        "| summarize number = count() by id"
    )
    return Counter({row["id"]: row["number"] for row in ask(port, query, timeout_s=_LONGEST_S)})
