"""The numbers that several pages show: a range in one row, and over time."""

from __future__ import annotations

from typing import TypedDict, cast

from pf_monitor.views.scope import Scope
from pf_monitor.views.source import Source, ask
from pf_monitor.views.timeline import filled


class Sums(TypedDict):
    """What a range comes to; what has no value (no requests, no known price) is None.

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
    model_calls: int
    failed_calls: int
    priced_calls: int
    estimated_calls: int
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    estimated_tokens: int
    cost_usd: float | None


class Numbers(Sums):
    """A range in one row, its latencies in milliseconds."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


class SumsPoint(TypedDict):
    """One bin of a range. A bin in which nothing happened has zero counts and no latencies and cost.

    Attributes:
        t: When it begins, ISO-8601 in UTC; it is `scope.step_s` long.
    """

    t: str
    requests: int
    failed: int
    model_calls: int
    prompt_tokens: int
    completion_tokens: int
    cost_usd: float | None


class Point(SumsPoint):
    """One bin of a range, with its latencies in milliseconds."""

    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None


_NO_SUMS: SumsPoint = {
    "t": "",
    "requests": 0,
    "failed": 0,
    "model_calls": 0,
    "prompt_tokens": 0,
    "completion_tokens": 0,
    "cost_usd": None,
}
_EMPTY: Point = {**_NO_SUMS, "p50_ms": None, "p95_ms": None, "p99_ms": None}


def numbers(source: Source, scope: Scope) -> Numbers:
    """Return a range in one row."""
    return cast(Numbers, ask(source, "summary", scope)[0])


def sums(source: Source, scope: Scope) -> Sums:
    """Return a range in one row, without its latencies."""
    return cast(Sums, ask(source, "summary", scope, Sums.__annotations__)[0])


def requests(source: Source, scope: Scope) -> int:
    """Return how many flow runs a range has."""
    return int(ask(source, "summary", scope, ("requests",))[0]["requests"])


def series(source: Source, scope: Scope) -> list[Point]:
    """Return a range over time, without holes."""
    return [cast(Point, one) for one in filled(ask(source, "series", scope, step=scope.step), scope, _EMPTY)]


def sums_series(source: Source, scope: Scope) -> list[SumsPoint]:
    """Return a range over time, without holes and latencies."""
    found = ask(source, "series", scope, SumsPoint.__annotations__, step=scope.step)
    return [cast(SumsPoint, one) for one in filled(found, scope, _NO_SUMS)]
