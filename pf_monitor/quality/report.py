"""What a run of a monitor leaves: a JSON file, which `history` and the dashboard read."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

FORMAT: Final = 1
"""Raised when a report can no longer be read as before; a reader refuses what is newer than itself."""

_MOST_BYTES: Final = 20_000_000


class ReportError(Exception):
    """A report cannot be read; the message names the file and says what to do."""


class Verdict(StrEnum):
    """What a run says of a threshold, or of all of them together."""

    PASS = "pass"  # noqa: S105 - not a password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    NO_DATA = "no data"
    WATCHED = "watched"
    """There is no threshold."""


class Ending(StrEnum):
    """How a run ended."""

    COMPLETE = "complete"
    OUT_OF_BUDGET = "out of budget"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class WorstAnswer:
    """An answer that an alert shows."""

    operation_id: str
    score: float
    question: str | None = None
    answer: str | None = None
    explanation: str | None = None


@dataclass(frozen=True, slots=True)
class MetricReport:
    """What a run found out about one metric.

    Attributes:
        signal: The signal that it belongs to.
        metric: Its name.
        verdict: Against the threshold of the pass rate.
        rows: The rows in the window.
        sampled: Of them, those in the sample.
        judged: Of them, those with a score.
        passed: Of them, those with an acceptable score.
        unscorable: Sampled rows without a required input.
        failed: Sampled rows of which the judge gave no readable score.
        unjudged: Sampled rows that the budget left out, or that a stopped run did not come to.
        pass_rate: `passed / judged`, 0 to 1; None when nothing was judged.
        pass_rate_low: The lower end of its 95 % Wilson interval.
        pass_rate_high: The upper end.
        pass_rate_threshold: What it is held against.
        more_rows: How many more judged rows would settle an inconclusive verdict; None when it is settled.
        acceptable_score: The score from which an answer passes.
        average_score: Of the judged rows.
        average_score_threshold: What it is held against; None when there is no such limit.
        average_score_verdict: Against that limit.
        distribution: The number of judged rows by score, as text such as `"4"`.
        evaluator: Name and version of judge and prompt.
        worst: The worst answers, worst first.
        people_rate: The pass rate that people would have found, by how often the judge agrees with the labels of the
            anchors; None without labels.
        people_rate_low: The lower end of its 95 % interval.
        people_rate_high: The upper end.
    """

    signal: str
    metric: str
    verdict: Verdict
    rows: int = 0
    sampled: int = 0
    judged: int = 0
    passed: int = 0
    unscorable: int = 0
    failed: int = 0
    unjudged: int = 0
    pass_rate: float | None = None
    pass_rate_low: float | None = None
    pass_rate_high: float | None = None
    pass_rate_threshold: float | None = None
    more_rows: int | None = None
    acceptable_score: float | None = None
    average_score: float | None = None
    average_score_threshold: float | None = None
    average_score_verdict: Verdict = Verdict.WATCHED
    distribution: Mapping[str, int] = field(default_factory=dict)
    evaluator: str | None = None
    worst: tuple[WorstAnswer, ...] = ()
    people_rate: float | None = None
    people_rate_low: float | None = None
    people_rate_high: float | None = None

    @property
    def violations(self) -> int:
        """The judged rows below the acceptable score."""
        return self.judged - self.passed

    @property
    def coverage(self) -> float | None:
        """The share of the sampled rows that has a score."""
        return self.judged / self.sampled if self.sampled else None


@dataclass(frozen=True, slots=True)
class TokenReport:
    """What a run found out about tokens.

    Attributes:
        signal: The signal that it belongs to.
        verdict: Against the limits.
        runs: The flow runs that were counted.
        rate: The share of the window's runs that this is.
        prompt_tokens: Of the counted runs.
        completion_tokens: Of the counted runs.
        total_threshold: What the total is held against.
        groups: The total tokens of each group, a model of a node.
        per_group_threshold: What each is held against.
    """

    signal: str
    verdict: Verdict
    runs: int = 0
    rate: float = 1.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_threshold: float | None = None
    groups: Mapping[str, int] = field(default_factory=dict)
    per_group_threshold: float | None = None

    @property
    def total_tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class ShareReport:
    """How often a category, such as a language or a topic, occurs.

    Attributes:
        category: The ISO 639 code of a language, `topic 1`, or `other` for what is too rare to be compared alone.
        before: Its share of the rows in the baseline window, 0 to 1.
        now: Its share in this one.
        examples: Of a topic, questions that are typical for it.
    """

    category: str
    before: float
    now: float
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftReport:
    """How one quantity, or the shares of categories, differ from the baseline window.

    Attributes:
        quantity: Such as `groundedness`, `total_tokens`, `latency_ms`, `question_length`, `question_topic`.
        drifted: Whether the difference stands after the correction for looking many times.
        before: The quantity's average in the baseline window; None for categories.
        now: Its average in this one; likewise.
        effect: The size of the difference.
        effect_name: What measure of size that is.
        p_value: Corrected for looking many times.
        shares: Of categories, the share of each, the largest change first.
    """

    quantity: str
    drifted: bool
    before: float | None = None
    now: float | None = None
    effect: float | None = None
    effect_name: str | None = None
    p_value: float | None = None
    shares: tuple[ShareReport, ...] = ()


@dataclass(frozen=True, slots=True)
class Bill:
    """What judging used in a run."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = None


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run of a monitor leaves.

    Attributes:
        monitor: The monitor's name.
        run_id: Letters, digits and `-`, unique for the monitor.
        started: When it began, ISO 8601 in UTC.
        ended: When it ended, likewise.
        window_start: The beginning of the time that it looked at, likewise.
        window_end: The end of that time.
        verdict: The worst of all verdicts.
        ending: How it ended.
        source: What it read, such as `http://127.0.0.1:4319`.
        engine: `local` or `spark`.
        judge: The judge's name; it says so when it is the stand-in.
        metrics: One for each metric of each signal.
        tokens: One for each token signal.
        drift: One for each quantity that was compared with the baseline.
        bill: What judging used.
        notes: What a reader should know, in whole sentences.
    """

    monitor: str
    run_id: str
    started: str
    ended: str
    window_start: str
    window_end: str
    verdict: Verdict
    ending: Ending = Ending.COMPLETE
    source: str = ""
    engine: str = "local"
    judge: str = ""
    metrics: tuple[MetricReport, ...] = ()
    tokens: tuple[TokenReport, ...] = ()
    drift: tuple[DriftReport, ...] = ()
    bill: Bill = Bill()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"format": FORMAT, **dataclasses.asdict(self)}


def folder_of(data: Path, monitor: str) -> Path:
    """Return where a monitor leaves its reports.

    Args:
        data: The data folder of the commands.
        monitor: The monitor's name.
    """
    return data / "monitors" / monitor


def write(report: RunReport, data: Path) -> Path:
    """Write a report, wholly or not at all, and return its path.

    Args:
        report: The report.
        data: The data folder of the commands.

    Raises:
        OSError: It cannot be written.
    """
    folder = folder_of(data, report.monitor)
    folder.mkdir(parents=True, exist_ok=True)
    stamp = report.started[:19].translate(str.maketrans("", "", "-:"))
    path = folder / f"{stamp}-{report.run_id}.json"
    unfinished = path.with_suffix(".part")
    unfinished.write_text(json.dumps(report.to_json(), ensure_ascii=False, indent=1), encoding="utf-8")
    return unfinished.replace(path)


def read(path: Path) -> RunReport:
    """Read a report.

    Raises:
        ReportError: It is not one, or one of a newer version.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ReportError(f"{path} is larger than {_MOST_BYTES:,} bytes, which no report is. Move it elsewhere.")
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] > FORMAT:
            raise ReportError(f"{path} was written by a newer pf-monitor. Update this one.")
        report: RunReport = _build(RunReport, content)
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror or error}. Check who may read it.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{path} is not the report of a run: {error!r}. Move it elsewhere.") from error
    return report


def paths(data: Path, monitor: str) -> list[Path]:
    """Return the reports of a monitor, oldest first; none if it never ran."""
    return sorted(folder_of(data, monitor).glob("*.json"))


def monitors(data: Path) -> list[str]:
    """Return the names of the monitors that have left reports, sorted."""
    folder = data / "monitors"
    return sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


@cache
def _hints(of: type) -> Mapping[str, Any]:
    return typing.get_type_hints(of)


def _build(kind: Any, value: Any) -> Any:
    """Make what a field's type says of what JSON holds; a key that is not known is passed over."""
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return kind(**{name: _build(hint, value[name]) for name, hint in _hints(kind).items() if name in value})
    if isinstance(kind, types.UnionType):
        return None if value is None else _build(next(one for one in kind.__args__ if one is not types.NoneType), value)
    if typing.get_origin(kind) is tuple:
        return tuple(_build(typing.get_args(kind)[0], one) for one in value)
    if typing.get_origin(kind) is Mapping:
        return {str(key): _build(typing.get_args(kind)[1], one) for key, one in value.items()}
    if kind is float:
        return float(value)
    if not isinstance(value, kind) and not (isinstance(kind, type) and issubclass(kind, StrEnum)):
        raise TypeError(f"{value!r} is not a {kind.__name__}")
    return kind(value)
