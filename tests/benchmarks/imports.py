"""How long it takes until the monitor is there."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

from measuring import ROOT, Figure, answer, in_child
from servers import server

PROCESSES = 7


def benchmark(_: dict[str, Any]) -> Iterator[Figure]:
    """Yield the least time of several fresh processes each."""
    opentelemetry = least("imports", "opentelemetry.sdk.trace")
    yield Figure("import opentelemetry.sdk.trace", opentelemetry * 1e3, "ms", 1.0)
    ours = least("imports", "pf_monitor")
    yield Figure("import pf_monitor", ours * 1e3, "ms", ours / opentelemetry)
    decorated = least("decorates")
    yield Figure("import and decorate, not enabled", decorated * 1e3, "ms", decorated / opentelemetry)
    with server("ingestion") as port:
        first = least("calls_first", port)
    yield Figure("the first decorated call, enabled: starts the monitor", first * 1e3, "ms", first / opentelemetry)
    exporter = least("imports", "azure.monitor.opentelemetry.exporter")
    yield Figure("import azure.monitor.opentelemetry.exporter", exporter * 1e3, "ms", exporter / opentelemetry)


def least(case: str, *arguments: object) -> float:
    return min(in_child(__file__, case, *arguments) for _ in range(PROCESSES))


def _forget_ourselves() -> None:
    """Where the package is installed its import hooks are there from the start of the process."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "pf_monitor"]:
        del sys.modules[name]
    sys.path.insert(0, str(ROOT))


def imports(name: str) -> float:
    _forget_ourselves()
    begun = time.perf_counter()
    __import__(name)
    return time.perf_counter() - begun


def decorates() -> float:
    _forget_ourselves()
    begun = time.perf_counter()
    import pf_monitor

    pf_monitor.flow(lambda question: question)
    return time.perf_counter() - begun


def calls_first(port: str) -> float:
    import monitors

    import pf_monitor

    @pf_monitor.flow
    def flow(question: str) -> str:
        return question

    begun = time.perf_counter()
    monitors.switch(monitors.to_port(port))
    flow("q")
    return time.perf_counter() - begun


if __name__ == "__main__":
    answer({"imports": imports, "decorates": decorates, "calls_first": calls_first})
