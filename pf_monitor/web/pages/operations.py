"""Operational: rate, latency and errors near real time, model calls that were throttled, the serving processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from pf_monitor.views.operations import Operations, operations
from pf_monitor.web import over_time
from pf_monitor.web.asked import Asked
from pf_monitor.web.charts import Series, time_series
from pf_monitor.web.formats import BYTES, COUNT, DECIMAL, MILLISECONDS
from pf_monitor.web.over_time import column, times
from pf_monitor.web.page import Data, Page, Source
from pf_monitor.web.tables import Column, table
from pf_monitor.web.tiles import Tile

REFRESH_S: Final = 10
"""How often the page refreshes itself."""

ERRORS: Final = (
    Column("Error", "type", "text"),
    Column("Count", "errors", "count", bar=True),
    Column("Requests", "requests", "count"),
    Column("Latest message", "message", "long"),
    Column("Node", "node", "text", filter="node"),
    Column("Latest", "last_seen", "time"),
    Column("Request", "operation_Id", "request"),
)
NODES: Final = (
    Column("Node", "node", "text", filter="node"),
    Column("Flow", "flow", "text", filter="flow"),
    Column("Runs", "runs", "count"),
    Column("Failed", "failed", "count"),
    Column("p50", "p50_ms", "ms"),
    Column("p95", "p95_ms", "ms", bar=True),
)
_CALLS: Final = (
    Column("Model", "model", "text", filter="model"),
    Column("Calls", "calls", "count"),
    Column("Failed", "failed", "count"),
    Column("Throttled", "throttled", "count"),
    Column("Streamed", "streamed", "count"),
    Column("First token p95", "first_chunk_p95_ms", "ms"),
    Column("p50", "p50_ms", "ms"),
    Column("p95", "p95_ms", "ms", bar=True),
)


def collect(source: Source, asked: Asked) -> Data:
    """Return the view's data."""
    return operations(source, asked.scope)


def present(data: Operations, asked: Asked) -> Mapping[str, Any]:
    """Return tiles, charts and tables."""
    calls = [{**row, "first_chunk_p95_ms": _milliseconds(row["first_chunk_p95_s"])} for row in data["calls"]]
    return {
        "refresh": REFRESH_S,
        "tiles": _tiles(data),
        "drawn": drawn(data),
        "tables": [
            table("Errors", ERRORS, data["errors"], asked, empty="No exception in this time."),
            table("Latency by node", NODES, data["by_node"], asked, empty="No node ran in this time."),
            table("Model calls", _CALLS, calls, asked, empty="No model was called in this time."),
        ],
    }


def drawn(data: Operations) -> list[Markup]:
    """Draw the range over time."""
    scope, points = data["scope"], data["series"]
    found = [_rate(data), over_time.latency(scope, points), over_time.error_rate(scope, points), throttled(data)]
    if any(point["streamed"] for point in data["call_series"]):
        found.append(_first_token(data))
    if data["processes"]:
        found += [_processors(data), _memory(data)]
    return found


def _tiles(data: Operations) -> list[Tile]:
    now = data["now"]
    minutes = _minutes(data)
    return [
        Tile("rate", "Requests per minute", now["requests"] / minutes, "decimal", f"{now['requests']:,} requests"),
        Tile("error_rate", "Error rate", now["error_rate"], "share", f"{now['failed']:,} failed"),
        Tile("p50_ms", "Latency p50", now["p50_ms"], "ms"),
        Tile("p95_ms", "Latency p95", now["p95_ms"], "ms"),
        Tile("p99_ms", "Latency p99", now["p99_ms"], "ms"),
        Tile("throttled", "Calls throttled", data["throttled"], "count", f"of {now['model_calls']:,} model calls"),
    ]


def _minutes(data: Operations) -> float:
    span = over_time.moment(data["scope"]["until"]) - over_time.moment(data["scope"]["since"])
    return span.total_seconds() / 60


def _rate(data: Operations) -> Markup:
    minutes = data["scope"]["step_s"] / 60
    rates = [point["requests"] / minutes for point in data["series"]]
    series = [Series("requests per minute", rates, 1)]
    return time_series(
        "rate-chart", "Requests per minute", _times(data, data["series"]), series, unit=DECIMAL, form="bars"
    )


def throttled(data: Operations) -> Markup:
    """Draw how many model calls the provider throttled."""
    points = data["call_series"]
    series = [Series("throttled", column(points, "throttled"), 5)]
    return time_series(
        "throttled-chart", "Model calls throttled", _times(data, points), series, unit=COUNT, form="bars"
    )


def _first_token(data: Operations) -> Markup:
    points = data["call_series"]
    series = [
        Series(name, [_milliseconds(point[key]) for point in points], tone)  # type: ignore[literal-required]  # of those below
        for name, key, tone in (("p50", "first_chunk_p50_s", 1), ("p95", "first_chunk_p95_s", 2))
    ]
    return time_series("first-token-chart", "Time to first token", _times(data, points), series, unit=MILLISECONDS)


def _processors(data: Operations) -> Markup:
    points = data["processes"]
    series = [
        Series("average", [_cores(point["cpu_percent"]) for point in points], 1),
        Series("highest", [_cores(point["cpu_percent_max"]) for point in points], 2),
    ]
    return time_series("cpu-chart", "CPU cores busy", _times(data, points), series, unit=DECIMAL, note=_PROCESSES)


def _memory(data: Operations) -> Markup:
    points = data["processes"]
    series = [
        Series("average", column(points, "memory_bytes"), 1),
        Series("highest", column(points, "memory_bytes_max"), 2),
    ]
    return time_series("memory-chart", "Memory", _times(data, points), series, unit=BYTES, note=_PROCESSES)


_PROCESSES: Final = "Of one serving process; filters do not apply."


def _times(data: Operations, points: Sequence[Any]) -> Any:
    return times(data["scope"], points)


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _cores(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


PAGE: Final = Page(
    path="/operations", title="Operational", template="operations.html", collect=collect, present=present
)
