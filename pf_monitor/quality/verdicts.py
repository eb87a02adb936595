"""What a run says of each threshold, as events beside the scores: the dashboard and the portal show the latest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pf_monitor.model import names
from pf_monitor.quality.monitor import Monitor
from pf_monitor.quality.reading import Window
from pf_monitor.quality.report import MetricReport, RunReport, TokenReport, Verdict

Attributes = Mapping[str, str | float]
_Known = dict[str, str | float | None]


def verdict_events(monitor: Monitor, report: RunReport, windows: Mapping[str, Window]) -> list[Attributes]:
    """Return the attributes of an event for each threshold, and for each metric that has none.

    Args:
        monitor: The monitor.
        report: What its run found.
        windows: The window of each signal, by its name, as far as it was read.
    """
    found = [event for one in report.metrics for event in _of_metric(one)]
    found += [event for one in report.tokens for event in _of_tokens(one)]
    return [
        _filled({**event, **_of_run(monitor, report, windows.get(str(event[names.VERDICT_SIGNAL])))}) for event in found
    ]


def _of_run(monitor: Monitor, report: RunReport, window: Window | None) -> _Known:
    start, end = (one.isoformat() for one in window) if window else (report.window_start, report.window_end)
    return {
        names.MONITOR: monitor.name,
        names.FLOW: monitor.target.flow,
        names.VERDICT_RUN: report.run_id,
        names.VERDICT_ENDING: report.ending.value,
        names.VERDICT_WINDOW_START: start,
        names.VERDICT_WINDOW_END: end,
    }


def _of_metric(one: MetricReport) -> Iterator[_Known]:
    shared: _Known = {
        names.VERDICT_SIGNAL: one.signal,
        names.EVALUATION_NAME: one.metric,
        names.VERDICT_ROWS: one.judged,
        names.EVALUATOR: one.evaluator,
    }
    yield shared | {
        names.VERDICT_MEASURE: "pass rate",
        names.VERDICT_LABEL: one.verdict.value,
        names.VERDICT_VALUE: one.pass_rate,
        names.VERDICT_LOW: one.pass_rate_low,
        names.VERDICT_HIGH: one.pass_rate_high,
        names.VERDICT_THRESHOLD: one.pass_rate_threshold,
        names.VERDICT_MORE_ROWS: one.more_rows,
    }
    if one.average_score_threshold is not None:
        yield shared | {
            names.VERDICT_MEASURE: "average score",
            names.VERDICT_LABEL: one.average_score_verdict.value,
            names.VERDICT_VALUE: one.average_score,
            names.VERDICT_THRESHOLD: one.average_score_threshold,
        }


def _of_tokens(one: TokenReport) -> Iterator[_Known]:
    limits = {
        "total tokens": (one.total_tokens, one.total_threshold),
        "tokens of a group": (max(one.groups.values(), default=0), one.per_group_threshold),
    }
    for measure, (tokens, limit) in limits.items():
        if limit is not None:
            kept = Verdict.PASS if tokens <= limit else Verdict.FAIL
            yield {
                names.VERDICT_SIGNAL: one.signal,
                names.EVALUATION_NAME: "tokens",
                names.VERDICT_ROWS: one.runs,
                names.VERDICT_MEASURE: measure,
                names.VERDICT_LABEL: (kept if one.runs else Verdict.NO_DATA).value,
                names.VERDICT_VALUE: tokens,
                names.VERDICT_THRESHOLD: limit,
            }


def _filled(attributes: Mapping[str, str | float | None]) -> Attributes:
    return {name: value for name, value in attributes.items() if value is not None}
