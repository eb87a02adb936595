"""The numbers that several pages show: a range in one row, and over time."""

from __future__ import annotations

from typing import TypedDict, cast

from pf_monitor.views.scope import Scope
from pf_monitor.views.source import Source, ask
from pf_monitor.views.timeline import filled


class Numbers(TypedDict):
    """A range in one row. Latencies are milliseconds; what has no value (no requests, no known price) is None.

    Attributes:
        requests: Flow runs.
        error_rate: The share of requests that failed, 0 to 1.
        priced_calls: Model calls whose price is known; `cost_usd` is theirs.
        estimated_calls: Model calls whose tokens were estimated.
        estimated_tokens: The tokens of these, a part of `total_tokens`.
    """

    requests: int
    failed: int
    error_rate: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    model_calls: int
    failed_calls: int
    priced_calls: int
    estimated_calls: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    estimated_tokens: int
    cost_usd: float | None


class Point(TypedDict):
    """One bin of a range. A bin in which nothing happened has zero counts and no latencies and cost.

    Attributes:
        t: When it begins, ISO-8601 in UTC; it is `scope.step_s` long.
    """

    t: str
    requests: int
    failed: int
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    model_calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


_EMPTY: Point = {
    "t": "",
    "requests": 0,
    "failed": 0,
    "p50_ms": None,
    "p95_ms": None,
    "p99_ms": None,
    "model_calls": 0,
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "cost_usd": None,
}


def numbers(source: Source, scope: Scope) -> Numbers:
    """Return a range in one row."""
    return cast(Numbers, ask(source, "summary", scope)[0])


def series(source: Source, scope: Scope) -> list[Point]:
    """Return a range over time, without holes."""
    return [cast(Point, one) for one in filled(ask(source, "series", scope, step=scope.step), scope, _EMPTY)]
