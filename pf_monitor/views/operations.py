"""Operations: rate, latency and errors of requests, model calls that were throttled, the processes that serve."""

from __future__ import annotations

from typing import TypedDict, cast

from pf_monitor.views.numbers import Numbers, Point, numbers, series
from pf_monitor.views.scope import Scope, ScopeData
from pf_monitor.views.source import Source, ask, at_once
from pf_monitor.views.timeline import filled
from pf_monitor.views.tokens import NodeRow, nodes


class CallPoint(TypedDict):
    """The model calls of one bin, which begins at `t`; times to the first chunk of streams in seconds."""

    t: str
    throttled: int
    streamed: int
    first_chunk_p50_s: float | None
    first_chunk_p95_s: float | None


class CallHealth(TypedDict):
    """The calls of one model: of `calls`, how many failed, and how many of these the provider throttled."""

    model: str
    calls: int
    failed: int
    throttled: int
    streamed: int
    first_chunk_p50_s: float | None
    first_chunk_p95_s: float | None
    p50_ms: float | None
    p95_ms: float | None


class ErrorRow(TypedDict):
    """Exceptions of one type: how many, in how many requests, and the latest of them."""

    type: str
    errors: int
    requests: int
    last_seen: str
    message: str
    operation_Id: str
    flow: str
    node: str


class ProcessPoint(TypedDict):
    """The monitored processes in one bin, which begins at `t`: averages and maxima. CPU of 100 is one core."""

    t: str
    cpu_percent: float | None
    cpu_percent_max: float | None
    memory_bytes: float | None
    memory_bytes_max: float | None


class Operations(TypedDict):
    """The page's data. The rate of requests is `requests` of a point of `series`, divided by `scope.step_s`."""

    scope: ScopeData
    now: Numbers
    throttled: int
    series: list[Point]
    calls: list[CallHealth]
    call_series: list[CallPoint]
    errors: list[ErrorRow]
    by_node: list[NodeRow]
    processes: list[ProcessPoint]


_NO_CALLS = {"throttled": 0, "streamed": 0, "first_chunk_p50_s": None, "first_chunk_p95_s": None}
_NO_PROCESS = {"cpu_percent": None, "cpu_percent_max": None, "memory_bytes": None, "memory_bytes_max": None}


def operations(source: Source, scope: Scope) -> Operations:
    """Return what the page of operations shows."""
    with at_once() as asking:
        by_node = asking.submit(nodes, source, scope)
        now = asking.submit(numbers, source, scope)
        points = asking.submit(series, source, scope)
        health = asking.submit(ask, source, "call_health", scope)
        call_points = asking.submit(ask, source, "call_series", scope, step=scope.step)
        errors = asking.submit(ask, source, "errors_by_type", scope)
        process_points = asking.submit(ask, source, "processes", scope, step=scope.step)
    calls = [cast(CallHealth, row) for row in health.result()]
    call_series = filled(call_points.result(), scope, _NO_CALLS)
    processes = process_points.result()
    return Operations(
        scope=scope.as_json(),
        now=now.result(),
        throttled=sum(row["throttled"] for row in calls),
        series=points.result(),
        calls=calls,
        call_series=[cast(CallPoint, one) for one in call_series],
        errors=[cast(ErrorRow, row) for row in errors.result()],
        by_node=by_node.result(),
        processes=[cast(ProcessPoint, one) for one in filled(processes, scope, _NO_PROCESS)] if processes else [],
    )
