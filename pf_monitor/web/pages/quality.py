"""Generation quality: verdicts, pass rates and scores with their intervals, how many have one, the worst answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from markupsafe import Markup

from pf_monitor.views.quality import MetricScores, MetricSeries, Quality, ScoreBucket, Verdict, quality
from pf_monitor.web.asked import Asked
from pf_monitor.web.charts import Bin, Series, histogram, time_series
from pf_monitor.web.formats import COUNT, DECIMAL, SHARE, TOKENS, shown
from pf_monitor.web.over_time import column, times
from pf_monitor.web.page import Data, Page, Source


def collect(source: Source, asked: Asked) -> Data:
    """Return the view's data."""
    return quality(source, asked.scope)


def present(data: Quality, _: Asked) -> Mapping[str, Any]:
    """Return the verdicts, and the charts of each metric."""
    return {
        "verdicts": said_verdicts(data),
        "metrics": [(row, charts_of(data, row, number)) for number, row in enumerate(data["metrics"])],
    }


_SIGNS: Final = {"pass": "✓", "fail": "✕", "inconclusive": "?", "no data": "◌"}
"""A shape for each verdict, so that it is not told by its colour alone."""

_UNITS: Final = {"pass rate": SHARE, "average score": DECIMAL, "total tokens": TOKENS, "tokens of a group": TOKENS}
_AT_MOST: Final = frozenset({"total tokens", "tokens of a group"})


def said_verdicts(data: Quality) -> list[tuple[Verdict, Mapping[str, str]]]:
    """Return each verdict with its sign, and its numbers as they are written."""
    return [(row, _said(row)) for row in data["verdicts"]]


def _said(row: Verdict) -> Mapping[str, str]:
    unit = _UNITS.get(row["measure"], DECIMAL)
    limit = "at most" if row["measure"] in _AT_MOST else "at least"
    return {
        "sign": _SIGNS.get(row["verdict"], "·"),
        "kind": row["verdict"] if row["verdict"] in {"pass", "fail"} else "",
        "value": shown(row["value"], unit),
        "interval": "" if row["low"] is None else f"{shown(row['low'], unit)} to {shown(row['high'], unit)}",
        "threshold": "none" if row["threshold"] is None else f"{limit} {shown(row['threshold'], unit)}",
    }


def charts_of(data: Quality, row: MetricScores, number: int) -> list[Markup]:
    """Draw one metric: its pass rate and average over time, and how its scores are distributed.

    Args:
        data: The page's.
        row: The metric.
        number: Its place, for the ids of its charts.
    """
    metric = row["metric"]
    drawn = []
    for series in data["series"]:
        if series["metric"] == metric:
            drawn += _over_time(data, series, row, number)
    buckets = [one for one in data["histogram"] if one["metric"] == metric]
    if buckets:
        bins = _bins(buckets)
        drawn.append(histogram(f"scores-{number}", f"{metric}: scores", bins, unit=DECIMAL))
    return drawn


def _over_time(data: Quality, series: MetricSeries, row: MetricScores, number: int) -> list[Markup]:
    points, metric = series["points"], row["metric"]
    when, drawn = times(data["scope"], points), []
    if row["pass_rate"] is not None:
        low, high = column(points, "pass_low"), column(points, "pass_high")
        rate = Series("pass rate", column(points, "pass_rate"), 1, low, high)
        title = f"{metric}: pass rate"
        drawn.append(time_series(f"rate-{number}", title, when, [rate], unit=SHARE, extent=(0, 1), note=_BAND))
        failed = Series("violations", column(points, "failed"), 5)
        title = f"{metric}: violations"
        drawn.append(time_series(f"violations-{number}", title, when, [failed], unit=COUNT, form="bars"))
    if row["average"] is not None:
        low, high = (_filled(points, end) for end in ("average_low", "average_high"))
        average = Series("average", column(points, "average"), 1, low, high)
        title = f"{metric}: average"
        drawn.append(time_series(f"average-{number}", title, when, [average], unit=DECIMAL, note=_BAND))
    return drawn


_BAND: Final = "The band is the 95 % interval."


def _filled(points: Sequence[Mapping[str, Any]], key: str) -> list[float | None]:
    """The ends of intervals; a lone score, which has none, is its own."""
    return [point["average"] if point[key] is None else point[key] for point in points]


def _bins(buckets: Sequence[ScoreBucket]) -> list[Bin]:
    """All buckets from the first that has scores to the last."""
    counts: defaultdict[int, int] = defaultdict(int)
    width = buckets[0]["width"]
    for one in buckets:
        counts[round(one["bucket"] / width)] += one["scores"]
    return [Bin(index * width, (index + 1) * width, counts[index]) for index in range(min(counts), max(counts) + 1)]


PAGE: Final = Page(
    path="/quality", title="Generation quality", template="quality.html", collect=collect, present=present
)
