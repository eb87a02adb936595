"""A request through promptflow's server: four nodes, two model calls; CPU on its path, and in the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from measuring import Figure
from servers import server
from serving import MONITOR, PROMPTFLOW, UNMONITORED, serve

REQUESTS = 150
ROUNDS = 3
TARGET_MS = 0.5
TARGET_RATIO = 0.25


def benchmark(_: dict[str, Any]) -> Iterator[Figure]:
    """Yield what the monitor adds to a request, and what promptflow's own tracing and export add."""
    least: dict[str, tuple[float, float]] = {}
    with server("model") as model, server("ingestion") as telemetry:
        for _round in range(ROUNDS):
            for tracer in (UNMONITORED, MONITOR, PROMPTFLOW):
                path, whole = serve(tracer, "four_nodes", model, telemetry, REQUESTS)
                before = least.get(tracer, (path, whole))
                least[tracer] = (min(path, before[0]), min(whole, before[1]))
    path, whole = least[UNMONITORED]
    own_path, own_whole = least[MONITOR][0] - path, least[MONITOR][1] - whole
    their_path, their_whole = least[PROMPTFLOW][0] - path, least[PROMPTFLOW][1] - whole
    yield Figure("an unmonitored request, its own path", path, "ms")
    yield Figure("promptflow's tracing and export: added to the path", their_path, "ms", 1.0)
    yield Figure("pf_monitor: added to the path", own_path, "ms", target=TARGET_MS)
    yield Figure("an unmonitored request, whole process", whole, "ms")
    yield Figure("promptflow's tracing and export: added in all", their_whole, "ms", 1.0)
    yield Figure("pf_monitor: added in all", own_whole, "ms", own_whole / their_whole, TARGET_RATIO)
