"""The Overview: the numbers of a range beside those of the period before, and the range over time."""

from __future__ import annotations

from typing import TypedDict

from pf_monitor.views.numbers import Numbers, Point, numbers, series
from pf_monitor.views.scope import Scope, ScopeData
from pf_monitor.views.source import Source, ask, at_once


class PassRate(TypedDict):
    """How the answers did by one metric. Rates are 0 to 1; None where nothing was judged."""

    metric: str
    passed: int
    failed: int
    pass_rate: float | None
    pass_rate_before: float | None


class Overview(TypedDict):
    """The page's data. `before` is the period of the same length just before."""

    scope: ScopeData
    now: Numbers
    before: Numbers
    quality: list[PassRate]
    series: list[Point]


def overview(source: Source, scope: Scope) -> Overview:
    """Return what the Overview shows."""
    with at_once() as asking:
        now = asking.submit(numbers, source, scope)
        before = asking.submit(numbers, source, scope.before())
        points = asking.submit(series, source, scope)
        quality = asking.submit(_pass_rates, source, scope)
    return Overview(
        scope=scope.as_json(),
        now=now.result(),
        before=before.result(),
        quality=quality.result(),
        series=points.result(),
    )


def _pass_rates(source: Source, scope: Scope) -> list[PassRate]:
    now = ask(source, "quality_summary", scope)
    if not now:
        return []
    before = {row["metric"]: row["pass_rate"] for row in ask(source, "quality_summary", scope.before())}
    return [
        PassRate(
            metric=row["metric"],
            passed=row["passed"],
            failed=row["failed"],
            pass_rate=row["pass_rate"],
            pass_rate_before=before.get(row["metric"]),
        )
        for row in now
    ]
