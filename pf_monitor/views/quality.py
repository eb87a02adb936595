"""Generation quality: what monitors say, scores with their intervals, how many requests have one, the worst answers."""

from __future__ import annotations

from itertools import groupby
from typing import TypedDict, cast

from pf_monitor.views.numbers import requests
from pf_monitor.views.scope import Scope, ScopeData
from pf_monitor.views.source import Record, Source, ask, at_once
from pf_monitor.views.statistics import of_average, wilson
from pf_monitor.views.timeline import filled


class Scores(TypedDict):
    """What was judged by one metric. Rates are 0 to 1; None where there is nothing to judge by.

    Attributes:
        judged: Scores given.
        passed: Those with the verdict `pass`.
        failed: Those with the verdict `fail`: the violations.
        pass_low: The lower end of the 95 % interval of `pass_rate` (Wilson); `pass_high` the upper.
        average_low: The lower end of the 95 % interval of `average` (normal approximation); `average_high` the upper.
    """

    judged: int
    passed: int
    failed: int
    pass_rate: float | None
    pass_low: float | None
    pass_high: float | None
    violation_rate: float | None
    average: float | None
    average_low: float | None
    average_high: float | None


class MetricScores(Scores):
    """The scores of a metric in the whole range.

    Attributes:
        judged_runs: Flow runs of the range that have a score by this metric.
        coverage: Their share of all flow runs; None where there are none.
    """

    metric: str
    judged_runs: int
    coverage: float | None


class ScorePoint(Scores):
    """The scores of one bin, which begins at `t`."""

    t: str


class MetricSeries(TypedDict):
    """The scores of a metric over time, without holes."""

    metric: str
    points: list[ScorePoint]


class ScoreBucket(TypedDict):
    """Scores of at least `bucket`, and less than `bucket + width`."""

    metric: str
    bucket: float
    width: float
    scores: int


class BadAnswer(TypedDict):
    """An answer with a bad score, and what the judge says of it."""

    timestamp: str
    metric: str
    score: float | None
    label: str
    explanation: str
    evaluator: str
    operation_Id: str
    flow: str
    question: str
    answer: str


class Verdict(TypedDict):
    """What the latest run of a monitor says of a threshold.

    Attributes:
        timestamp: When it said so.
        flow: Whose runs it judges; empty where it judges those of all flows.
        metric: Such as `groundedness`, or `tokens`.
        measure: What is held against the threshold: `pass rate`, `average score`, `total tokens`, `tokens of a group`.
        verdict: `pass`, `fail`, `inconclusive`, `no data`, or `watched` where there is no threshold.
        value: Of the measure; None where nothing was judged. Rates are 0 to 1.
        low: The lower end of the 95 % interval of a pass rate; `high` the upper.
        threshold: At least so much passes; of tokens, at most so many.
        judged: Judged answers, or flow runs whose tokens were counted.
        more_rows: How many more judged answers would settle an inconclusive verdict.
        window_start: The beginning of the time that it looked at; `window_end` its end.
        ending: `complete`, or why the run ended before.
        evaluator: Judge and prompt with their versions.
    """

    timestamp: str
    monitor: str
    flow: str
    metric: str
    measure: str
    verdict: str
    value: float | None
    low: float | None
    high: float | None
    threshold: float | None
    judged: int | None
    more_rows: int | None
    window_start: str | None
    window_end: str | None
    ending: str
    evaluator: str


class Quality(TypedDict):
    """The page's data. Without any score, `metrics` and all that follows is empty.

    Attributes:
        runs: Flow runs of the range.
        verdicts: Of each monitor's latest run in the 30 days before the range's end. Of the filters only the flow's
            narrows them: a verdict is about all that its monitor looked at.
    """

    scope: ScopeData
    runs: int
    verdicts: list[Verdict]
    metrics: list[MetricScores]
    series: list[MetricSeries]
    histogram: list[ScoreBucket]
    worst: list[BadAnswer]


_EMPTY: Record = {"judged": 0, "passed": 0, "failed": 0, "pass_rate": None, "average": None, "deviation": None}


def quality(source: Source, scope: Scope) -> Quality:
    """Return what the page of quality shows."""
    with at_once() as asking:
        found = asking.submit(ask, source, "quality_summary", scope)
        asked = asking.submit(requests, source, scope)
        said = asking.submit(ask, source, "quality_verdicts", scope)
        summary = found.result()
        if summary:
            judged = asking.submit(ask, source, "coverage", scope)
            points = asking.submit(ask, source, "quality_series", scope, step=scope.step)
            buckets = asking.submit(ask, source, "score_histogram", scope)
            worst = asking.submit(ask, source, "worst_answers", scope)
    runs = asked.result()
    verdicts = [cast(Verdict, row) for row in said.result()]
    if not summary:
        return Quality(
            scope=scope.as_json(), runs=runs, verdicts=verdicts, metrics=[], series=[], histogram=[], worst=[]
        )
    judged_runs = {row["metric"]: row["judged_runs"] for row in judged.result()}
    return Quality(
        scope=scope.as_json(),
        runs=runs,
        verdicts=verdicts,
        metrics=[_metric(row, judged_runs.get(row["metric"], 0), runs) for row in summary],
        series=_series(points.result(), scope),
        histogram=[cast(ScoreBucket, row) for row in buckets.result()],
        worst=[_bad(row) for row in worst.result()],
    )


def _metric(row: Record, judged_runs: int, runs: int) -> MetricScores:
    coverage = judged_runs / runs if runs else None
    return MetricScores(metric=row["metric"], judged_runs=judged_runs, coverage=coverage, **_scores(row))


def _series(rows: list[Record], scope: Scope) -> list[MetricSeries]:
    return [
        MetricSeries(
            metric=metric, points=[ScorePoint(t=row["t"], **_scores(row)) for row in filled(of_metric, scope, _EMPTY)]
        )
        for metric, of_metric in groupby(rows, key=lambda row: str(row["metric"]))
    ]


def _scores(row: Record) -> Scores:
    with_verdict = row["passed"] + row["failed"]
    passes = wilson(row["passed"], with_verdict) or (None, None)
    average = of_average(row["average"], row["deviation"], row.get("scored", 0)) or (None, None)
    return Scores(
        judged=row["judged"],
        passed=row["passed"],
        failed=row["failed"],
        pass_rate=row["pass_rate"],
        pass_low=passes[0],
        pass_high=passes[1],
        violation_rate=row["failed"] / with_verdict if with_verdict else None,
        average=row["average"],
        average_low=average[0],
        average_high=average[1],
    )


def _bad(row: Record) -> BadAnswer:
    return cast(
        BadAnswer, {name: row[name] or "" if name != "score" else row[name] for name in BadAnswer.__annotations__}
    )
