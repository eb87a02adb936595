"""A request through promptflow's server: four nodes, two model calls; CPU on its path, and in the whole process."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from measuring import Figure
from servers import server
from serving import MONITOR, NOT_ENABLED, PROMPTFLOW, UNMONITORED, serve

REQUESTS = 200
TURNS = 240
ROUNDS = 5
TARGET_MS = 0.5
TARGET_RATIO = 0.25
_PATH, _WHOLE = 0, 1


def benchmark(_: dict[str, Any]) -> Iterator[Figure | str]:
    """Yield what the monitor adds to a request, and what promptflow's own tracing and export add.

    What it adds to the path, which is little, is measured within one process, where every other request is monitored.
    How much it is differs between processes by a tenth of a millisecond and more: the median of several counts. The
    rest is what each process adds to the unmonitored one of the same round, in the median of the rounds: within minutes
    a shared machine becomes slower and faster again by more than what is looked for.
    """
    tracers = (UNMONITORED, NOT_ENABLED, MONITOR, PROMPTFLOW)
    with server("model") as model, server("ingestion") as telemetry:
        turns = [serve(MONITOR, "four_nodes", model, telemetry, TURNS, "take_turns") for _round in range(ROUNDS)]
        rounds = [
            {tracer: serve(tracer, "four_nodes", model, telemetry, REQUESTS) for tracer in tracers}
            for _round in range(ROUNDS)
        ]

    def added(tracer: str, which: int) -> float:
        return statistics.median(timed[tracer][which] - timed[UNMONITORED][which] for timed in rounds)

    yield Figure("an unmonitored request, its own path", statistics.median(off for off, _ in turns), "ms")
    yield Figure("promptflow's tracing and export: added to the path", added(PROMPTFLOW, _PATH), "ms")
    yield Figure("pf_monitor installed and not enabled: added to the path", added(NOT_ENABLED, _PATH), "ms")
    ours_path = [more for _, more in turns]
    yield Figure("pf_monitor: added to the path", statistics.median(ours_path), "ms", target=TARGET_MS)
    yield f"Added to the path by process: {', '.join(f'{more:.2f}' for more in sorted(ours_path))} ms."
    theirs, ours = added(PROMPTFLOW, _WHOLE), added(MONITOR, _WHOLE)
    yield Figure("promptflow's tracing and export: added in all", theirs, "ms", 1.0)
    yield Figure("pf_monitor: added in all", ours, "ms", ours / theirs, TARGET_RATIO)
