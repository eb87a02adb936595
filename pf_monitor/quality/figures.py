"""What a run's scores and counts amount to: the parts of its report, and metrics under the names of Azure's monitor."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean, stdev
from typing import Final

from pf_monitor.quality.judging.judge import Scored
from pf_monitor.quality.judging.ledger import State
from pf_monitor.quality.monitor import Column, Metric, QualitySignal, TokenSignal
from pf_monitor.quality.report import MetricReport, RunReport, TokenReport, Verdict, WorstAnswer
from pf_monitor.quality.statistics import JudgeAccuracy, pass_rate, rows_needed, true_pass_rate, verdict
from pf_monitor.views.statistics import of_average

_WORST: Final = 3
SHOWN: Final = 500
"""Characters of a question or an answer that a report shows."""

_BADNESS: Final = (Verdict.FAIL, Verdict.NO_DATA, Verdict.INCONCLUSIVE, Verdict.PASS, Verdict.WATCHED)


def metric_report(
    signal: QualitySignal,
    metric: Metric,
    scored: Sequence[Scored],
    rows: int,
    sampled: int,
    judge_accuracy: JudgeAccuracy | None = None,
) -> MetricReport:
    """Return what a run found out about one metric.

    Args:
        signal: The signal that it belongs to.
        metric: The metric.
        scored: What came out for each row that was come to.
        rows: The rows of the window.
        sampled: Of them, those in the sample.
        judge_accuracy: How often the judge agrees with people, where that is known.
    """
    states = Counter(one.judgement.state for one in scored if one.judgement is not None)
    scores = [
        (one, one.judgement.score)
        for one in scored
        if one.judgement is not None and one.judgement.state is State.JUDGED and one.judgement.score is not None
    ]
    lost = [one.row.weight for one in scored if one.judgement and one.judgement.state in _LOST]
    found = pass_rate([(score >= metric.acceptable_score, one.row.weight) for one, score in scores], lost)
    values = [score for _, score in scores]
    average = fmean(values, [one.row.weight for one, _ in scores]) if values else None
    by_people = None if judge_accuracy is None else true_pass_rate(found, judge_accuracy)
    return MetricReport(
        signal=signal.name,
        metric=metric.name,
        verdict=Verdict.WATCHED if metric.pass_rate is None else verdict(found, metric.pass_rate),
        rows=rows,
        sampled=sampled,
        judged=len(scores),
        passed=sum(score >= metric.acceptable_score for score in values),
        unscorable=states[State.UNSCORABLE],
        failed=len(lost),
        unjudged=sampled - len(scores) - states[State.UNSCORABLE] - len(lost),
        pass_rate=found.rate,
        pass_rate_low=found.low,
        pass_rate_high=found.high,
        pass_rate_threshold=metric.pass_rate,
        more_rows=None if metric.pass_rate is None else rows_needed(found, metric.pass_rate) or None,
        acceptable_score=metric.acceptable_score,
        average_score=average,
        average_score_threshold=metric.average_score,
        average_score_verdict=_average_verdict(metric.average_score, values),
        distribution={f"{score:g}": count for score, count in sorted(Counter(values).items())},
        evaluator=next((one.evaluator for one, _ in scores), None),
        worst=tuple(_worst(one) for one, _ in sorted(scores, key=_by_badness)[:_WORST]),
        people_rate=by_people.rate if by_people else None,
        people_rate_low=by_people.low if by_people else None,
        people_rate_high=by_people.high if by_people else None,
    )


_LOST: Final = (State.FAILED, State.UNANSWERED)


def _average_verdict(threshold: float | None, values: Sequence[float]) -> Verdict:
    if threshold is None:
        return Verdict.WATCHED
    interval = of_average(fmean(values), stdev(values), len(values)) if len(values) > 1 else None
    if interval is None:
        return Verdict.INCONCLUSIVE if values else Verdict.NO_DATA
    if interval[0] >= threshold:
        return Verdict.PASS
    return Verdict.FAIL if interval[1] < threshold else Verdict.INCONCLUSIVE


def _by_badness(scored: tuple[Scored, float]) -> tuple[float, str]:
    one, score = scored
    return score, one.row.id


def _worst(one: Scored) -> WorstAnswer:
    assert one.judgement is not None and one.judgement.score is not None  # noqa: S101 - it is one of the scores
    return WorstAnswer(
        operation_id=one.row.trace_id,
        score=one.judgement.score,
        question=one.row.texts.get(Column.PROMPT, "")[:SHOWN] or None,
        answer=one.row.texts.get(Column.COMPLETION, "")[:SHOWN] or None,
        explanation=one.judgement.reason[:SHOWN] or None,
    )


def token_report(signal: TokenSignal, runs: int, rate: float, calls: Iterable[Mapping[str, object]]) -> TokenReport:
    """Return what a run found out about tokens.

    Args:
        signal: The signal.
        runs: The flow runs that are counted.
        rate: The share of the window's runs that this is.
        calls: Their tokens by node and model.
    """
    prompt = completion = 0
    groups: defaultdict[str, int] = defaultdict(int)
    for call in calls:
        asked, answered = (int(str(call[name] or 0)) for name in ("prompt_tokens", "completion_tokens"))
        prompt, completion = prompt + asked, completion + answered
        groups[f"{call['node'] or '-'} · {call['model'] or '-'}"] += asked + answered
    limits = [(prompt + completion, signal.total)] + [(total, signal.total_per_group) for total in groups.values()]
    held = [total <= limit for total, limit in limits if limit]
    outcome = Verdict.PASS if all(held) else Verdict.FAIL
    return TokenReport(
        signal=signal.name,
        verdict=Verdict.NO_DATA if not runs else outcome if held else Verdict.WATCHED,
        runs=runs,
        rate=rate,
        prompt_tokens=prompt,
        completion_tokens=completion,
        total_threshold=signal.total,
        groups=dict(sorted(groups.items())),
        per_group_threshold=signal.total_per_group,
    )


def overall(metrics: Iterable[MetricReport], tokens: Iterable[TokenReport]) -> Verdict:
    """Return the worst of all verdicts."""
    found = [one for report in metrics for one in (report.verdict, report.average_score_verdict)]
    found += [report.verdict for report in tokens]
    return min(found, key=_BADNESS.index, default=Verdict.NO_DATA)


def azure_metrics(report: RunReport) -> dict[str, float]:
    """Return the aggregates under the names that Azure's own monitor gives them."""
    values: dict[str, float | None] = {}
    for one in report.metrics:
        name = one.metric.title().replace("_", "").replace("-", "")
        values[f"Acceptable{name}ScorePerInstance"] = one.acceptable_score
        values[f"Aggregated{name}PassRate"] = one.pass_rate
        values[f"Average{name}Score"] = one.average_score
        values[f"{name}PassRateViolationCounts"] = float(one.violations) if one.judged else None
        if one.average_score_threshold is not None:
            values[f"{name}AverageScoreViolationCounts"] = float(one.average_score_verdict is Verdict.FAIL)
    for tokens in report.tokens:
        values["TotalTokenCount"] = float(tokens.total_tokens)
        values["PromptTokenCount"] = float(tokens.prompt_tokens)
        values["CompletionTokenCount"] = float(tokens.completion_tokens)
    return {name: value for name, value in values.items() if value is not None}
