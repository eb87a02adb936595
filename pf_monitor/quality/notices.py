"""What people are told after a run: that a threshold failed, that something drifted, that there is nothing to judge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pf_monitor.quality.monitor import Monitor
from pf_monitor.quality.report import DriftReport, Ending, MetricReport, RunReport, ShareReport, TokenReport, Verdict


class Notice(NamedTuple):
    """One message.

    Attributes:
        title: One line.
        body: Plain text.
        is_failure: Whether a threshold failed, or the run did; otherwise it is a warning.
    """

    title: str
    body: str
    is_failure: bool


def notices(monitor: Monitor, report: RunReport) -> list[Notice]:
    """Return what there is to tell; nothing where no signal has its alerts enabled."""
    enabled = {signal.name for signal in monitor.signals if signal.alert_enabled}
    if not enabled:
        return []
    found = [*_of_the_run(report)]
    for metric in report.metrics:
        if metric.signal in enabled:
            found += _of_metric(monitor, report, metric)
    for tokens in report.tokens:
        if tokens.signal in enabled and tokens.verdict is Verdict.FAIL:
            found.append(_of_tokens(report, tokens))
    return found


def _of_the_run(report: RunReport) -> Iterator[Notice]:
    notes = "\n".join(report.notes)
    if report.ending is Ending.FAILED:
        yield Notice(f"{report.monitor}: the run could not be finished", notes, is_failure=True)
    elif any(one.verdict is Verdict.NO_DATA and not one.rows for one in report.metrics):
        body = f"There is no flow run from {report.window_start} to {report.window_end}."
        yield Notice(f"{report.monitor}: no data", body, is_failure=False)
    drifted = [one for one in report.drift if one.drifted]
    if drifted:
        lines = [said_drift(one) for one in drifted]
        title = f"{report.monitor}: drift of {', '.join(one.quantity for one in drifted)}"
        yield Notice(title, "\n".join([*lines, notes]), is_failure=False)


def _of_metric(monitor: Monitor, report: RunReport, metric: MetricReport) -> Iterator[Notice]:
    verdicts = {metric.verdict, metric.average_score_verdict}
    failed = Verdict.FAIL in verdicts
    if not failed and not (monitor.alerts.on_inconclusive and Verdict.INCONCLUSIVE in verdicts):
        return
    rate = said_rate(metric)
    title = f"{report.monitor}: {metric.metric} {'fails' if failed else 'is inconclusive'}, pass rate {rate}"
    lines = [
        f"Pass rate {rate}; at least {_percent(metric.pass_rate_threshold)} is wanted.",
        f"{metric.judged} of {metric.sampled} sampled rows judged, {metric.violations} of them below "
        f"{metric.acceptable_score:g}; {metric.unscorable} unscorable, {metric.failed} failed, {metric.unjudged} left "
        f"unjudged. The window has {metric.rows} rows.",
        f"Judged by {metric.evaluator}.",
    ]
    if metric.average_score is not None:
        lines.append(f"Average score {metric.average_score:.2f}.")
    lines += [
        f"\n{number}. score {one.score:g}, operation {one.operation_id}\nQuestion: {one.question}\n"
        f"Answer: {one.answer}\nJudge: {one.explanation}"
        for number, one in enumerate(metric.worst, 1)
    ]
    yield Notice(title, "\n".join(lines), is_failure=failed)


def _of_tokens(report: RunReport, tokens: TokenReport) -> Notice:
    over = tokens.per_group_threshold
    groups = [f"{name}: {total:,}" for name, total in tokens.groups.items() if over and total > over]
    body = f"{tokens.total_tokens:,} tokens in {tokens.runs:,} runs, which is {tokens.rate:.0%} of the window's."
    return Notice(f"{report.monitor}: more tokens than allowed", "\n".join([body, *groups]), is_failure=True)


def said_rate(metric: MetricReport) -> str:
    """Return a pass rate with its interval."""
    if metric.pass_rate is None:
        return "unknown"
    return f"{_percent(metric.pass_rate)} [{_percent(metric.pass_rate_low)}, {_percent(metric.pass_rate_high)}]"


def said_drift(drift: DriftReport) -> str:
    """Return how something differs from the baseline: numbers, and of categories those that changed most.

    Nothing that anybody has said is in it, only the languages' codes and the topics' numbers.
    """
    if drift.shares:
        what = "; ".join(
            f"{one.category} {_percent(one.before)} before, {_percent(one.now)} now" for one in most_changed(drift)
        )
        effect = f"{drift.effect or 0:.2f}"
    else:
        what = f"{drift.before or 0:,.2f} before, {drift.now or 0:,.2f} now"
        effect = f"{drift.effect or 0:+.2f}"
    return f"{drift.quantity}: {what}, {drift.effect_name} {effect}, p = {drift.p_value or 0:.2g} corrected"


def most_changed(drift: DriftReport) -> list[ShareReport]:
    """Return the two categories that have grown most and the two that have shrunk most, as far as there are any."""
    grown = [one for one in drift.shares if one.now > one.before][:2]
    shrunk = [one for one in drift.shares if one.now < one.before][:2]
    return grown + shrunk or list(drift.shares[:1])


def _percent(share: float | None) -> str:
    return "nothing" if share is None else f"{share:.1%}"
