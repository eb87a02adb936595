"""Tiles: a number in large type, how it has changed, and its course."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pf_monitor.views.numbers import Numbers, Point
from pf_monitor.web.changes import Change, Good, change
from pf_monitor.web.formats import COUNT, TOKENS, Number
from pf_monitor.web.over_time import column


class Tile(NamedTuple):
    """A tile.

    Attributes:
        key: Its id on the page.
        title: What the number is.
        value: The number.
        unit: Its unit.
        detail: What is written below it.
        change: How it differs from the period before.
        spark: Its course.
    """

    key: str
    title: str
    value: Number | None
    unit: str
    detail: str = ""
    change: Change | None = None
    spark: Sequence[float | None] = ()


class _Kind(NamedTuple):
    key: str
    title: str
    unit: str
    good: Good
    course: str


_KINDS = (
    _Kind("requests", "Requests", "count", "neither", "requests"),
    _Kind("error_rate", "Error rate", "share", "less", "failed"),
    _Kind("total_tokens", "Tokens", "tokens", "neither", "prompt_tokens"),
    _Kind("cost_usd", "Cost", "usd", "neither", "cost_usd"),
    _Kind("p50_ms", "Latency p50", "ms", "less", "p50_ms"),
    _Kind("p95_ms", "Latency p95", "ms", "less", "p95_ms"),
    _Kind("p99_ms", "Latency p99", "ms", "less", "p99_ms"),
    _Kind("model_calls", "Model calls", "count", "neither", "model_calls"),
)


def number_tiles(now: Numbers, before: Numbers, points: Sequence[Point], than: str) -> list[Tile]:
    """Return the tiles of the numbers that sum a range up.

    Args:
        now: The range.
        before: The period before.
        points: The range over time.
        than: What the period before is called.
    """
    return [
        Tile(
            kind.key,
            kind.title,
            now[kind.key],  # type: ignore[literal-required]  # a field of Numbers
            kind.unit,
            _detail(kind.key, now),
            change(
                now[kind.key],  # type: ignore[literal-required]  # a field of Numbers
                before[kind.key],  # type: ignore[literal-required]  # a field of Numbers
                good=kind.good,
                than=than,
                points=kind.unit == "share",
            ),
            _course(kind, points),
        )
        for kind in _KINDS
    ]


def _course(kind: _Kind, points: Sequence[Point]) -> list[float | None]:
    if kind.key == "total_tokens":
        return [point["prompt_tokens"] + point["completion_tokens"] for point in points]
    return column(points, kind.course)


def _detail(key: str, now: Numbers) -> str:
    match key:
        case "error_rate":
            return f"{COUNT.exact(now['failed'])} failed"
        case "total_tokens":
            return f"{TOKENS.short(now['prompt_tokens'])} prompt, {TOKENS.short(now['completion_tokens'])} completion"
        case "cost_usd":
            return _unpriced(now)
        case "model_calls":
            return f"{COUNT.exact(now['failed_calls'])} failed, {COUNT.exact(now['estimated_calls'])} estimated"
        case _:
            return ""


def _unpriced(now: Numbers) -> str:
    """How many calls the cost is without."""
    missing = now["model_calls"] - now["priced_calls"]
    if not missing:
        return "all calls priced" if now["model_calls"] else ""
    return f"without {COUNT.exact(missing)} calls of unknown price"
