"""One run of a monitor: reads the window, samples, judges, writes back, and leaves a report, whatever happens."""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Final

from pf_monitor.quality.anchors import Anchor, accuracy, compare_anchors, prefix, read_anchors
from pf_monitor.quality.categories import NOTICEABLE_V
from pf_monitor.quality.drift import FALSE_ALARMS_A_MONTH, FEWEST, NOTICEABLE, Drift, Measures, compare, look_level
from pf_monitor.quality.figures import SHOWN, azure_metrics, metric_report, overall, token_report
from pf_monitor.quality.judging.budget import Purse
from pf_monitor.quality.judging.judge import Bench, Scored, Session
from pf_monitor.quality.judging.ledger import Ledger, OpenRun, Spent, State
from pf_monitor.quality.judging.server import JudgeError, JudgeServer
from pf_monitor.quality.judging.shares import take_over
from pf_monitor.quality.monitor import (
    BaselineKind,
    Metric,
    Monitor,
    QualitySignal,
    Sampling,
    Strata,
    TokenSignal,
)
from pf_monitor.quality.reading import FlowRun, Reader, SourceLostError, Window
from pf_monitor.quality.report import (
    Bill,
    DriftReport,
    Ending,
    MetricReport,
    RunReport,
    ShareReport,
    TokenReport,
    Verdict,
)
from pf_monitor.quality.sampling import Drawn, draw
from pf_monitor.quality.statistics import JudgeAccuracy
from pf_monitor.quality.verdicts import verdict_events
from pf_monitor.quality.words import Categories, categories_of, read_words
from pf_monitor.quality.writing import AT_ONCE, Writer

OnProgress = Callable[[str, int, int], None]
"""Is told what is being done, how much of it is done, and of how much."""

_LOOKS_A_MONTH: Final = 30
"""Looks that drift is corrected for, at least: a monitor runs about once a day."""


def run(
    monitor: Monitor,
    reader: Reader,
    data: Path,
    writer: Writer | None,
    *,
    now: datetime | None = None,
    source_name: str = "",
    on_progress: OnProgress = lambda *_: None,
    engine: Callable[..., Bench] = Bench,
) -> RunReport:
    """Run a monitor once. Ctrl-C ends it with a report too.

    Args:
        monitor: The monitor.
        reader: Where flow runs are found.
        data: The data folder: the ledger and the reports are in it.
        writer: Where scores and aggregates are written; None leaves that to a later run.
        now: The time that the window is reckoned from; now, unless a run was interrupted, whose time is kept.
        source_name: What the report says that it read.
        on_progress: Is told how far it is.
        engine: Makes what judges: the class `Bench`, or what is called as it is.

    Returns:
        The report. A store or a judge that is lost ends the run with what there is; `ending` and `notes` say so.

    Raises:
        LedgerError: The ledger cannot be used.
        PromptError: A metric's prompt or function cannot be used.
        JudgeError: The judge is not set up.
    """
    with Ledger.open(data / "monitors") as ledger:
        take_over(ledger)
        end = now or datetime.now(UTC)
        longest = max(signal.window.size + signal.window.offset for signal in monitor.signals)
        opened = ledger.begin(monitor.name, (end - longest, end))
        work = _Run(monitor, reader, ledger, opened, writer, on_progress, engine)
        report = asyncio.run(work.report(source_name))
        if report.ending in {Ending.COMPLETE, Ending.OUT_OF_BUDGET}:
            ledger.end(opened.id)
        return report


@dataclass(frozen=True, slots=True)
class _Sample:
    """What of a window is judged."""

    window: Window
    runs: Sequence[FlowRun]
    drawn: Sequence[Drawn[FlowRun]]


class _Run:
    def __init__(
        self,
        monitor: Monitor,
        reader: Reader,
        ledger: Ledger,
        opened: OpenRun,
        writer: Writer | None,
        on_progress: OnProgress,
        engine: Callable[..., Bench],
    ) -> None:
        self._monitor = monitor
        self._reader = reader
        self._ledger = ledger
        self._opened = opened
        self._writer = writer
        self._on_progress = on_progress
        self._engine = engine
        self._now = opened.window[1]
        self._session = Session()
        self._samples: dict[str, _Sample] = {}
        self._scored: dict[str, dict[str, list[Scored]]] = {}
        self._tokens: list[TokenReport] = []
        self._drift: list[DriftReport] = []
        self._anchors: list[Anchor] = []
        self._anchor_scores: dict[str, dict[str, float]] = {}
        self._unwritten = 0
        self._notes: list[str] = []

    async def report(self, source_name: str) -> RunReport:
        """Do the run and say what came out."""
        ending = Ending.COMPLETE
        if self._opened.is_resumed:
            self._notes.append(f"This takes up the run of {_said(self._opened.started)}, which was interrupted.")
        judge = JudgeServer(self._monitor.judge)
        spent = self._ledger.spent(self._monitor.name, run_id=self._opened.id)
        purse = Purse(self._monitor.budget, spent, self._spent_today())
        bench = self._engine(
            judge, self._ledger, purse, self._monitor.name, self._opened.id, self._monitor.judge.concurrency
        )
        for signal in self._monitor.quality_signals:
            bench.prepare(signal.metrics)
        if self._monitor.baseline.anchors is not None and self._monitor.quality_signals:
            self._anchors = read_anchors(self._monitor.baseline.anchors, self._monitor.quality_signals[0].columns)
        if self._monitor.quality_signals and not judge.knows_price() and self._has_price_limit():
            raise JudgeError(
                f"The price of {self._monitor.judge.model} is not on the price list, so that a budget in US dollars "
                "cannot be kept: set pf_monitor.judge.input_usd_per_million and .output_usd_per_million"
            )
        try:
            await self._work(judge, bench)
        except SourceLostError as error:
            ending = Ending.FAILED
            self._notes.append(f"{error}. What was judged until then is kept.")
        except asyncio.CancelledError:
            ending = Ending.STOPPED
            self._notes.append("The run was stopped. The next run takes it up; what was judged is kept.")
        ending = self._judging_ended(ending)
        self._notes += self._reader.notes()
        metrics = self._metric_reports()
        used = purse.run
        report = RunReport(
            monitor=self._monitor.name,
            run_id=self._opened.id,
            started=self._opened.started.isoformat(),
            ended=datetime.now(UTC).isoformat(),
            window_start=self._opened.window[0].isoformat(),
            window_end=self._opened.window[1].isoformat(),
            verdict=overall(metrics, self._tokens),
            ending=ending,
            source=source_name,
            judge=judge.name if self._monitor.quality_signals else "",
            metrics=tuple(metrics),
            tokens=tuple(self._tokens),
            drift=tuple(self._drift),
            bill=Bill(used.calls, used.prompt_tokens, used.completion_tokens, used.usd),
        )
        self._write_aggregates(report)
        return replace(report, notes=tuple(self._notes))

    async def _work(self, judge: JudgeServer, bench: Bench) -> None:
        for signal in self._monitor.signals:
            self._samples[signal.name] = self._sample(signal)
        for tokens in self._monitor.token_signals:
            self._count(tokens)
        if self._monitor.quality_signals:
            async with judge:
                await self._judge_anchors(bench)
                for signal in self._monitor.quality_signals:
                    await self._judge(signal, bench)
        self._compare_judge()
        self._compare(bench)

    # Reading.

    def _sample(self, signal: QualitySignal | TokenSignal) -> _Sample:
        self._on_progress("Reading flow runs", 0, 1)
        window = signal.window.at(self._now)
        runs = self._reader.runs(window)
        drawn = draw(runs, lambda run: run.trace_id, signal.sampling, _stratum(signal.sampling))
        self._on_progress("Reading flow runs", 1, 1)
        return _Sample(window, runs, drawn)

    def _count(self, signal: TokenSignal) -> None:
        sample = self._samples[signal.name]
        counted = {one.row.trace_id for one in sample.drawn}
        calls = (call for call in self._reader.calls(sample.window) if call["operation_Id"] in counted)
        rate = len(sample.drawn) / len(sample.runs) if sample.runs else signal.sampling.rate
        self._tokens.append(token_report(signal, len(sample.drawn), rate, calls))

    # Judging.

    async def _judge(self, signal: QualitySignal, bench: Bench) -> None:
        sample = self._samples[signal.name]
        by_metric = self._scored[signal.name] = defaultdict(list)
        total, done = len(sample.drawn) * len(signal.metrics), 0
        self._on_progress("Judging", 0, total)

        def advance() -> None:
            nonlocal done
            done += 1
            self._on_progress("Judging", done, total)

        for start in range(0, len(sample.drawn), bench.rows_at_once):
            chunk = sample.drawn[start : start + bench.rows_at_once]
            rows = self._reader.rows(
                sample.window, [one.row for one in chunk], [one.weight for one in chunk], signal.columns
            )
            session = replace(self._session, scored=[])
            try:
                await bench.judge(rows, signal.metrics, session, advance)
            finally:
                self._session = session
                self._write(session.scored)
                for one in session.scored:
                    by_metric[one.metric.name].append(_slim(one))

    async def _judge_anchors(self, bench: Bench) -> None:
        """Judge the anchors first: they are few, and without them the rest says less."""
        metrics = list({one.name: one for signal in self._monitor.quality_signals for one in signal.metrics}.values())
        rows = [anchor.row(self._opened.id) for anchor in self._anchors]
        total = len(rows) * len(metrics)
        done = itertools.count(1)
        if rows:
            await bench.judge(rows, metrics, self._session, lambda: self._on_progress("Anchors", next(done), total))
        for metric in metrics if rows else ():
            self._anchor_scores[metric.name] = self._ledger.scores(prefix(self._opened.id), metric.name)

    def _judging_ended(self, ending: Ending) -> Ending:
        session = self._session
        if session.repeated:
            self._notes.append(
                f"{session.repeated} judgements were under way when a run was interrupted, and were asked for again; "
                "the provider may bill both."
            )
        if session.known:
            self._notes.append(f"{session.known} judgements were known from earlier runs and cost nothing.")
        if session.out_of_budget is not None:
            self._notes.append(f"The budget of {session.out_of_budget} is used up; the rest is left unjudged.")
            ending = Ending.OUT_OF_BUDGET if ending is Ending.COMPLETE else ending
        if session.gave_up is not None:
            self._notes.append(session.gave_up)
            ending = Ending.FAILED
        return ending

    def _metric_reports(self) -> list[MetricReport]:
        reports = []
        for signal in self._monitor.quality_signals:
            sample = self._samples.get(signal.name)
            rows, sampled = (len(sample.runs), len(sample.drawn)) if sample else (0, 0)
            scored = self._scored.get(signal.name, {})
            reports += [
                metric_report(signal, metric, scored.get(metric.name, ()), rows, sampled, self._accuracy(metric))
                for metric in signal.metrics
            ]
        if any(report.verdict is Verdict.INCONCLUSIVE for report in reports):
            self._notes.append(
                "Inconclusive: the 95 % interval of the pass rate holds the threshold. More judged rows settle it: a "
                "higher sampling rate, or a longer window."
            )
        return reports

    def _accuracy(self, metric: Metric) -> JudgeAccuracy | None:
        scores = self._anchor_scores.get(metric.name, {})
        return accuracy(self._anchors, metric.name, scores, metric.acceptable_score)

    def _spent_today(self) -> Spent:
        return self._ledger.spent(
            self._monitor.name, since=datetime.combine(datetime.now(UTC).date(), time(0), tzinfo=UTC)
        )

    def _has_price_limit(self) -> bool:
        return self._monitor.budget.run_usd is not None or self._monitor.budget.day_usd is not None

    # Writing back.

    def _write(self, scored: Sequence[Scored]) -> None:
        new = [
            one
            for one in scored
            if one.judgement and one.key and one.judgement.state is State.JUDGED and not one.judgement.is_written
        ]
        for start in range(0, len(new), AT_ONCE):
            some = new[start : start + AT_ONCE]
            if self._writer is not None and self._send(self._writer, some):
                self._ledger.mark_written(one.key for one in some if one.key)
            else:
                self._unwritten += len(some)

    def _send(self, writer: Writer, scored: Sequence[Scored]) -> bool:
        if self._opened.is_resumed:
            scored = writer.missing(scored, self._opened.started)
        return not scored or writer.write_scores(scored)

    def _write_aggregates(self, report: RunReport) -> None:
        if self._unwritten:
            self._notes.append(
                f"{self._unwritten} scores could not be written beside their runs; the ledger keeps them, and the next "
                "run over the same window writes them."
            )
        if self._writer is None:
            return
        if (values := azure_metrics(report)) and not self._writer.write_metrics(values):
            self._notes.append("The aggregates could not be written as metrics; they are in this report.")
        windows = {name: sample.window for name, sample in self._samples.items()}
        verdicts = verdict_events(self._monitor, report, windows)
        if verdicts and not self._writer.write_verdicts(verdicts):
            self._notes.append("The verdicts could not be written as events; they are in this report.")

    # Comparing.

    def _compare(self, bench: Bench) -> None:
        """Compare the window with the baseline: what the runs were like, and the scores that the baseline has."""
        baseline = self._monitor.baseline
        signal = next(iter([*self._monitor.quality_signals, *self._monitor.signals]))
        now = self._samples[signal.name]
        before = self._baseline_window(now.window)
        if before is None:
            return
        self._on_progress("Reading the baseline", 0, 1)
        runs = self._reader.runs(before)
        self._on_progress("Reading the baseline", 1, 1)
        values_now, values_before = _numbers(now.runs), _numbers(runs)
        if isinstance(signal, QualitySignal):
            drawn = draw(runs, lambda run: run.trace_id, signal.sampling, _stratum(signal.sampling))
            for metric in signal.metrics:
                scores = [bench.known_score(f"{one.row.trace_id}/{one.row.span_id}", metric) for one in drawn]
                values_before[metric.name] = [score for score in scores if score is not None]
                values_now[metric.name] = [
                    one.judgement.score
                    for one in self._scored[signal.name][metric.name]
                    if one.judgement is not None and one.judgement.score is not None
                ]
        said = self._compare_words(signal, now, before, runs)
        looks = self._looks()
        found = compare(Measures(values_now, said.now), Measures(values_before, said.before), look_level(looks))
        self._drift += [_drift_report(one, said) for one in found]
        if not found:
            which = "previous" if baseline.kind is BaselineKind.PREVIOUS else "baseline"
            self._notes.append(f"There is nothing to compare with: the {which} window has too few runs.")
            return
        self._notes.append(
            f"A difference counts where chance would bring it in fewer than {FALSE_ALARMS_A_MONTH:.0%} of months, "
            f"at {looks} runs a month, and where it is large enough to notice (|delta| of at least {NOTICEABLE}, "
            f"V of at least {NOTICEABLE_V})."
        )
        if said.missing:
            self._notes.append(said.missing)

    def _compare_words(
        self, signal: QualitySignal | TokenSignal, now: _Sample, before: Window, runs: Sequence[FlowRun]
    ) -> Categories:
        """Read what was said in both windows; a monitor that only counts tokens reads no words."""
        if not isinstance(signal, QualitySignal) or min(len(now.runs), len(runs)) < FEWEST:
            return Categories()
        self._on_progress("Reading words to compare", 0, 2)
        words_now = read_words(self._reader, now.window, now.runs, signal.columns, signal.sampling.seed)
        self._on_progress("Reading words to compare", 1, 2)
        words_before = read_words(self._reader, before, runs, signal.columns, signal.sampling.seed)
        self._on_progress("Reading words to compare", 2, 2)
        return categories_of(words_now, words_before, FEWEST)

    def _compare_judge(self) -> None:
        """Say whether the judge has changed: whether the anchors score otherwise than in the run before."""
        before = self._ledger.run_before(self._monitor.name, self._opened.id)
        if before is None:
            return
        level = look_level(self._looks())
        for metric, scores in self._anchor_scores.items():
            change = compare_anchors(scores, self._ledger.scores(prefix(before), metric))
            if change is None:
                continue
            p = min(1.0, change.p * len(self._anchor_scores))  # corrected for their number (Bonferroni)
            is_drift = p <= level
            values = (change.before, change.now, change.shift, "shift", p)
            self._drift.append(DriftReport(f"judge of {metric}", is_drift, *values))
            if is_drift:
                self._notes.append(
                    f"The judge of {metric} has changed: it scores the {change.pairs} anchors {change.now:.2f} on "
                    f"average, and {change.before:.2f} in the run before. Do not take that for a change of the flow."
                )

    def _looks(self) -> int:
        return max(_LOOKS_A_MONTH, self._ledger.runs_since(self._monitor.name, self._now - timedelta(days=30)))

    def _baseline_window(self, window: Window) -> Window | None:
        baseline = self._monitor.baseline
        match baseline.kind:
            case BaselineKind.PREVIOUS:
                return window[0] - (window[1] - window[0]), window[0]
            case BaselineKind.FIXED if baseline.start is not None and baseline.end is not None:
                return baseline.start, baseline.end
            case _:
                return None


def _drift_report(one: Drift, said: Categories) -> DriftReport:
    shares = tuple(
        ShareReport(
            share.category,
            share.before,
            share.now,
            tuple(text[:SHOWN] for text in said.examples.get(share.category, ())),
        )
        for share in one.shares
    )
    return DriftReport(
        one.measure, one.is_drift, one.mean_before, one.mean_now, one.effect, one.effect_name, one.adjusted_p, shares
    )


def _stratum(sampling: Sampling) -> Callable[[FlowRun], str]:
    match sampling.strata:
        case Strata.FLOW:
            return lambda run: run.flow
        case Strata.OUTCOME:
            return lambda run: run.outcome
        case Strata.NONE:
            return lambda _: ""


def _numbers(runs: Sequence[FlowRun]) -> dict[str, list[float]]:
    names: Mapping[str, None] = dict.fromkeys(name for run in runs for name in run.numbers)
    return {name: [run.numbers[name] for run in runs if name in run.numbers] for name in names}


def _slim(one: Scored) -> Scored:
    """The same with no more words than a report shows: the words of all rows would not fit into memory."""
    texts = {column: text[:SHOWN] for column, text in one.row.texts.items()}
    return replace(one, row=replace(one.row, texts=texts))


def _said(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
