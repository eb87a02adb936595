"""A process that serves a flow with promptflow's own server, and what it is told to be monitored by."""

from __future__ import annotations

import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import in_child

FLOW = Path(__file__).parent / "flow"
WARM_UP = 20

UNMONITORED, MONITOR, PROMPTFLOW = "unmonitored", "pf_monitor", "promptflow"


def serve(tracer: str, entry: str, model: int, telemetry: int, requests: int) -> Any:
    """Serve a flow in a process of its own and ask it.

    Args:
        tracer: One of `UNMONITORED`, `MONITOR` and `PROMPTFLOW`: promptflow's own tracing and export.
        entry: The flow's function.
        model: The port of the model.
        telemetry: The port where telemetry is sent.
        requests: How many, after those that warm up.

    Returns:
        Milliseconds of CPU a request on its own path, and in all.
    """
    from pf_monitor.local import connection_string

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / "flow"
        shutil.copytree(FLOW, place, ignore=shutil.ignore_patterns("__pycache__"))
        yaml = f"display_name: benchmark\nentry: steps:{entry}\nenvironment_variables:\n  NOTHING: here\n"
        environment = {
            "BENCHMARK_TRACER": tracer,
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
        return in_child(__file__, "ask", tracer, requests, telemetry, environment=environment)


# The measuring process.


def ask(tracer: str, requests: str, telemetry: str) -> tuple[float, float]:
    """Ask the flow again and again, by the server's own test client: each request runs on this thread."""
    from urllib.request import urlopen

    from promptflow.core._serving.app import create_app

    client = create_app().test_client()
    paths: list[float] = []

    def ask_once(number: int) -> None:
        begun = time.thread_time()
        response = client.post("/score", json={"question": f"How heavy is the tent number {number}?"})
        paths.append(time.thread_time() - begun)
        assert response.status_code == 200, response.text

    for number in range(WARM_UP):
        ask_once(number)
    _settle(tracer)
    urlopen(f"http://127.0.0.1:{telemetry}/forget").read()
    paths.clear()
    begun = time.process_time()
    for number in range(int(requests)):
        ask_once(number)
    _settle(tracer)
    whole = time.process_time() - begun
    return statistics.median(paths) * 1e3, whole / int(requests) * 1e3


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

    answer({"ask": ask})
