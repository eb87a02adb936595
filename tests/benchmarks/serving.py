"""A process that serves a flow with promptflow's own server, and what it is told to be monitored by."""

from __future__ import annotations

import gc
import itertools
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from measuring import in_child

FLOW = Path(__file__).parent / "flow"
WARM_UP = 20

UNMONITORED, NOT_ENABLED, MONITOR, PROMPTFLOW = "unmonitored", "not enabled", "pf_monitor", "promptflow"


def serve(tracer: str, entry: str, model: int, telemetry: int, requests: int, case: str = "ask") -> Any:
    """Serve a flow in a process of its own and ask it.

    Args:
        tracer: `UNMONITORED`, as if we were not installed; `NOT_ENABLED`; `MONITOR`; or `PROMPTFLOW`, its own tracing
            and export, again as if we were not installed.
        entry: The flow's function.
        model: The port of the model.
        telemetry: The port where telemetry is sent.
        requests: How many, after those that warm up.
        case: `ask`, or `take_turns`.

    Returns:
        What the case returns.
    """
    from pf_monitor.local import connection_string

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "flow"
        shutil.copytree(FLOW, place, ignore=shutil.ignore_patterns("__pycache__"))
        yaml = f"display_name: benchmark\nentry: steps:{entry}\nenvironment_variables:\n  NOTHING: here\n"
        environment = {
            "BENCHMARK_TRACER": MONITOR if tracer == NOT_ENABLED else tracer,
            "OPENAI_BASE_URL": f"http://127.0.0.1:{model}/v1",
            "OPENAI_API_KEY": "none",
            "OPENAI_MODEL": "stand-in",
            "PF_HOME_DIRECTORY": folder,
            "PROMPTFLOW_PROJECT_PATH": str(place),
            "TMPDIR": folder,
        }
        if tracer == MONITOR:
            yaml += "  PF_MONITOR_ENABLED: true\n"
            yaml += f"  APPLICATIONINSIGHTS_CONNECTION_STRING: {connection_string(telemetry)}\n"
        elif tracer == PROMPTFLOW:
            environment["PF_DISABLE_TRACING"] = "false"
            environment["APPLICATIONINSIGHTS_CONNECTION_STRING"] = connection_string(telemetry)
        (place / "flow.flex.yaml").write_text(yaml)
        return in_child(__file__, case, tracer, requests, telemetry, environment=environment)


# The measuring process.


def ask(tracer: str, requests: str, telemetry: str) -> tuple[float, float]:
    """Ask the flow again and again.

    Returns:
        Milliseconds of CPU a request on its own path, and in all.
    """
    if tracer in (UNMONITORED, PROMPTFLOW):
        sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "pf_monitor.import_hooks"]
    ask_once = _asker()
    _settle(tracer)
    gc.collect()  # whether it would have come at once or not is chance
    urlopen(f"http://127.0.0.1:{telemetry}/forget").read()
    begun = time.process_time()
    paths = [ask_once() for _ in range(int(requests))]
    _settle(tracer)
    whole = time.process_time() - begun
    return statistics.median(paths) * 1e3, whole / int(requests) * 1e3


def take_turns(_: str, requests: str, telemetry: str) -> tuple[float, float]:
    """Ask with the monitor and without it, in turns.

    Returns:
        Milliseconds of CPU that a request takes on its own path without it, and how many more it takes with it.
    """
    import monitors

    from pf_monitor import runtime

    ask_once = _asker()
    recorder = runtime.pipeline()
    reconsider = runtime.reconsider
    times: dict[bool, list[float]] = {False: [], True: []}
    for number in range(2 * int(requests)):
        on = number % 2 == 0
        monitors.switch(recorder if on else None)
        runtime.reconsider = reconsider if on else lambda place=None: None  # off stays off
        times[on].append(ask_once())
    off = statistics.median(times[False])
    return off * 1e3, (statistics.median(times[True]) - off) * 1e3


def _asker() -> Callable[[], float]:
    """Return what asks the flow by the server's own test client, on this thread, and tells the CPU time it took."""
    from promptflow.core._serving.app import create_app

    client = create_app().test_client()
    numbers = itertools.count(1)

    def ask_once() -> float:
        begun = time.thread_time()
        response = client.post("/score", json={"question": f"How heavy is the tent number {next(numbers)}?"})
        took = time.thread_time() - begun
        assert response.status_code == 200, response.text
        return took

    for _ in range(WARM_UP):
        ask_once()
    return ask_once


def _settle(tracer: str) -> None:
    """Wait until all telemetry has been sent."""
    if tracer == MONITOR:
        import pf_monitor

        assert pf_monitor.flush(60)
    elif tracer == PROMPTFLOW:
        from opentelemetry import _logs, metrics, trace

        for provider in (trace.get_tracer_provider(), metrics.get_meter_provider(), _logs.get_logger_provider()):
            provider.force_flush()


if __name__ == "__main__":
    from measuring import answer

    answer({"ask": ask, "take_turns": take_turns})
