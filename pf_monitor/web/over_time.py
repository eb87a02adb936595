"""The charts of a range over time that several pages show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from markupsafe import Markup

from pf_monitor.views.numbers import Point, SumsPoint
from pf_monitor.views.scope import ScopeData
from pf_monitor.web.charts import Series, Times, regular, time_series
from pf_monitor.web.formats import COUNT, DOLLARS, MILLISECONDS, SHARE, TOKENS, Unit

Points = Sequence[Mapping[str, Any]]


def times(scope: ScopeData, points: Points) -> Times:
    """Return the times of a view's bins."""
    starts = [moment(point["t"]) for point in points]
    return regular(moment(scope["since"]), moment(scope["until"]), starts)


def moment(iso: str) -> datetime:
    """Read a time of a view."""
    return datetime.fromisoformat(iso).astimezone(UTC)


def column(points: Points, key: str) -> list[float | None]:
    """Return one number of each bin."""
    return [point[key] for point in points]


def requests(scope: ScopeData, points: Sequence[SumsPoint]) -> Markup:
    """Draw how many requests there were, the failed ones on top."""
    succeeded = [point["requests"] - point["failed"] for point in points]
    return _chart(
        "requests-chart",
        "Requests",
        scope,
        points,
        [Series("succeeded", succeeded, 1), Series("failed", column(points, "failed"), 5)],
        unit=COUNT,
        form="bars",
    )


def latency(scope: ScopeData, points: Sequence[Point]) -> Markup:
    """Draw how long requests took."""
    series = [Series(name, column(points, f"{name}_ms"), tone) for name, tone in (("p50", 1), ("p95", 2), ("p99", 4))]
    return _chart("latency-chart", "Latency", scope, points, series, unit=MILLISECONDS)


def tokens(scope: ScopeData, points: Sequence[SumsPoint]) -> Markup:
    """Draw how many tokens were spent, those of completions on top."""
    series = [
        Series("prompt", column(points, "prompt_tokens"), 1),
        Series("completion", column(points, "completion_tokens"), 2),
    ]
    return _chart("tokens-chart", "Tokens", scope, points, series, unit=TOKENS, form="bars")


def cost(scope: ScopeData, points: Sequence[SumsPoint]) -> Markup:
    """Draw what that cost."""
    series = [Series("cost", column(points, "cost_usd"), 3)]
    return _chart("cost-chart", "Cost", scope, points, series, unit=DOLLARS, form="bars")


def error_rate(scope: ScopeData, points: Sequence[SumsPoint]) -> Markup:
    """Draw the share of requests that failed; a bin without requests has none."""
    shares = [point["failed"] / point["requests"] if point["requests"] else None for point in points]
    return _chart("errors-chart", "Error rate", scope, points, [Series("failed", shares, 5)], unit=SHARE)


def _chart(
    key: str,
    title: str,
    scope: ScopeData,
    points: Points,
    series: Sequence[Series],
    *,
    unit: Unit,
    form: Literal["lines", "bars"] = "lines",
) -> Markup:
    return time_series(key, title, times(scope, points), series, unit=unit, form=form)
