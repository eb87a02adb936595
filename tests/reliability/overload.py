"""More requests than their telemetry can be prepared beside them: what they feel of it, and what is counted."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import psutil
from opentelemetry.sdk.metrics.export import MetricExporter, MetricExportResult, MetricsData

import pf_monitor
from pf_monitor import runtime
from pf_monitor.local import connection_string
from pf_monitor.model import names
from pf_monitor.pipeline.delivery.batch import trace_of, unpack
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.pipeline.transport import spool_folder
from pf_monitor.settings import Settings

_NOBODY = connection_string(9)
"""The port of a protocol that nobody speaks any more: everything ends on disk, where it can be counted."""

MODEL_S = 0.1
"""What a request waits for, as for a model, in seconds."""

NODES = 20
CLIENTS = 50
_FAILING = 47
"""One request of so many fails."""


@dataclass(frozen=True)
class Outcome:
    """What a load has led to.

    Attributes:
        requests: How many were made.
        items: Steps of theirs, one a flow and one a node.
        sent: Items that were sent.
        shed: Items that were counted as given up.
        errors: Requests that failed.
        errors_sent: Those of them that were sent.
        cut: Requests that were sent in part, but for those with an error.
        counted: What the metric of requests says.
        p50_s: Latency of a request, in seconds.
        p99_s: Likewise.
        memory_mb: What the process has grown by, in MB.
    """

    requests: int
    items: int
    sent: int
    shed: int
    errors: int
    errors_sent: int
    cut: int
    counted: int
    p50_s: float
    p99_s: float
    memory_mb: float


class _ToCount(ApplicationInsights):
    """Keeps the metrics instead of sending them."""

    def __init__(self, resource: str) -> None:
        super().__init__(resource)
        self.flow_requests = 0

    def metric_exporter(self) -> MetricExporter:
        sink = self

        class Counting(MetricExporter):
            def export(self, metrics_data: MetricsData, *_: Any, **__: Any) -> MetricExportResult:
                sink.flow_requests = sum(
                    point.value
                    for resource in metrics_data.resource_metrics
                    for scope in resource.scope_metrics
                    for metric in scope.metrics
                    if metric.name == names.FLOW_REQUEST
                    for point in metric.data.data_points
                )
                return MetricExportResult.SUCCESS

            def shutdown(self, *_: Any, **__: Any) -> None:
                pass

            def force_flush(self, timeout_millis: float = 0) -> bool:
                return True

        return Counting()


@pf_monitor.node
def step(question: str) -> str:
    """Do next to nothing."""
    return question


@pf_monitor.flow
def busy(question: str, number: int) -> str:
    """Wait as for a model, and take many steps."""
    time.sleep(MODEL_S)
    for _ in range(NODES):
        step(question)
    if number % _FAILING == 0:
        raise RuntimeError(question)
    return question


def offer(seconds: float, clients: int = CLIENTS) -> Outcome:
    """Offer a load to a flow with the monitor on.

    Args:
        seconds: How long.
        clients: How many ask at a time.
    """
    sink = _ToCount(_NOBODY)
    runtime.use(PipelineRecorder(Settings(enabled=True, service_name="overload"), sink))
    busy("What is imported at the first request?", 1)
    runtime.flush(60)
    before = psutil.Process().memory_info().rss
    latencies, errors = _ask(seconds, clients)
    memory = psutil.Process().memory_info().rss - before
    runtime.stop(60)
    items = [item for path in spool_folder(_NOBODY).rglob("*.batch") for item in unpack(path.read_bytes())[0]]
    rows = [item for item in items if item["data"]["baseType"] in ("RequestData", "RemoteDependencyData")]
    flows = [item for item in rows if item["data"]["baseType"] == "RequestData"]
    failed = {trace_of(item) for item in flows if not item["data"]["baseData"]["success"]}
    of_trace = Counter(trace_of(item) for item in rows)
    return Outcome(
        requests=len(latencies),
        items=len(latencies) * (NODES + 1),
        sent=len(rows) - (NODES + 1),
        shed=sum(sink.losses.counted().values()),
        errors=errors,
        errors_sent=len(failed),
        cut=sum(number != NODES + 1 for trace, number in of_trace.items() if trace not in failed),
        counted=sink.flow_requests - 1,
        p50_s=_quantile(latencies, 0.5),
        p99_s=_quantile(latencies, 0.99),
        memory_mb=memory / 1e6,
    )


def unmonitored(seconds: float, clients: int = CLIENTS) -> tuple[int, float, float]:
    """Offer the same load with the monitor off; return the number of requests and two latencies in seconds."""
    runtime.stop()
    latencies, _ = _ask(seconds, clients)
    return len(latencies), _quantile(latencies, 0.5), _quantile(latencies, 0.99)


def _ask(seconds: float, clients: int) -> tuple[list[float], int]:
    until = time.monotonic() + seconds
    latencies: list[float] = []
    errors: list[str] = []

    def ask(client: int) -> None:
        number = client
        while time.monotonic() < until:
            begun = time.perf_counter()
            number += clients
            try:
                busy("What is too much?", number)
            except RuntimeError as error:
                errors.append(str(error))
            latencies.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=ask, args=(client,)) for client in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return latencies, len(errors)


def _quantile(numbers: list[float], share: float) -> float:
    return sorted(numbers)[min(len(numbers) - 1, int(len(numbers) * share))]
