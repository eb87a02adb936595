"""What a monitor is: its signals, its judge, its budget and when it runs, wherever that was written down."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final


class Column(StrEnum):
    """What a judge may be shown of a flow run."""

    PROMPT = "prompt"
    COMPLETION = "completion"
    CONTEXT = "context"
    GROUND_TRUTH = "ground_truth"


_P, _C, _X, _G = Column.PROMPT, Column.COMPLETION, Column.CONTEXT, Column.GROUND_TRUTH

REQUIRED_COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "groundedness": (_C, _X),
    "relevance": (_P, _C),
    "coherence": (_P, _C),
    "fluency": (_C,),
    "similarity": (_P, _C, _G),
}
"""The metrics that are judged by the prompts of azure-ai-evaluation, and without what a row cannot be scored."""

SCORES: Final = (1.0, 5.0)
"""The lowest and the highest score of those metrics."""

DEFAULT_ACCEPTABLE_SCORE: Final = 3.0
"""The score from which an answer passes, as in Azure's monitor."""

DEFAULT_SAMPLING_RATE: Final = 0.1


_ASSET: Final = re.compile(r"[\w.-]{2,}:[\w.-]+")
"""`NAME:VERSION`; of one letter before the colon it is the drive of a Windows path."""


class Frequency(StrEnum):
    """The unit of a recurrence's interval."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class WeekDay(StrEnum):
    """A day of the week, Monday first."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


@dataclass(frozen=True, slots=True)
class CronTrigger:
    """Runs at the times of a cron expression.

    Attributes:
        expression: Minutes, hours, days, months, days of the week (0 is Sunday).
        time_zone: The IANA name of the zone that the expression is in.
        start: The earliest time of a run, aware of its zone; None means at once.
        end: The latest time of a run, aware of its zone; None means no end.
    """

    expression: str
    time_zone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None


@dataclass(frozen=True, slots=True)
class RecurrenceTrigger:
    """Runs every so many minutes, hours, days, weeks or months.

    Attributes:
        frequency: The unit of the interval.
        interval: How many units lie between runs, from 1 up.
        hours: The hours of a day on which it runs; none means that of the start.
        minutes: The minutes of an hour on which it runs; none means that of the start.
        week_days: With weeks: on which days.
        month_days: With months: on which days.
        time_zone: The IANA name of the zone that hours and days are in.
        start: See `CronTrigger`; intervals are counted from here.
        end: See `CronTrigger`.
    """

    frequency: Frequency
    interval: int
    hours: tuple[int, ...] = ()
    minutes: tuple[int, ...] = ()
    week_days: tuple[WeekDay, ...] = ()
    month_days: tuple[int, ...] = ()
    time_zone: str = "UTC"
    start: datetime | None = None
    end: datetime | None = None


Trigger = CronTrigger | RecurrenceTrigger


@dataclass(frozen=True, slots=True)
class Target:
    """Whose runs are monitored.

    Attributes:
        endpoint: The Azure ML endpoint; None means any.
        deployment: The deployment of it. Runs that carry the name of another deployment are left out; runs that carry
            none, as those of a laptop, are not.
        flow: The flow; None means all flows.
    """

    endpoint: str | None = None
    deployment: str | None = None
    flow: str | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns are called in the data; None where the data has none of the kind."""

    prompt: str | None = "question"
    completion: str | None = "answer"
    context: str | None = "context"
    ground_truth: str | None = "ground_truth"

    def name_of(self, column: Column) -> str | None:
        """Return what a column is called in the data, or None when it has none."""
        names = {_P: self.prompt, _C: self.completion, _X: self.context, _G: self.ground_truth}
        return names[column]


@dataclass(frozen=True, slots=True)
class Window:
    """The time that a run looks at: it ends `offset` before the run and is `size` long."""

    size: timedelta = timedelta(days=7)
    offset: timedelta = timedelta(0)

    def at(self, now: datetime) -> tuple[datetime, datetime]:
        """Return the beginning, which is included, and the end, which is not, for a run at a time."""
        end = now - self.offset
        return end - self.size, end


class Strata(StrEnum):
    """By what rows are put into groups that each get their share of the sample."""

    NONE = "none"
    FLOW = "flow"
    OUTCOME = "outcome"


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which rows of the window are judged.

    Attributes:
        rate: The share of the rows, above 0 and up to 1.
        floor: Judge at least so many rows of each stratum, however low the rate, if there are as many.
        strata: What the strata are.
        seed: Another seed gives another sample; the same gives the same, however the window moves.
    """

    rate: float = DEFAULT_SAMPLING_RATE
    floor: int = 0
    strata: Strata = Strata.NONE
    seed: int = 0


@dataclass(frozen=True, slots=True)
class CustomEvaluator:
    """What judges a metric of the user's own.

    Attributes:
        prompty: The path of the `.prompty` whose answer is the score; None when a function judges.
        function: `module:function` or `path/to/file.py:function`; None when a prompty judges.
        columns: What a row must have, and what the prompty or function is given by these names.
        lowest: The lowest possible score.
        highest: The highest possible score.
    """

    prompty: Path | None = None
    function: str | None = None
    columns: tuple[Column, ...] = (Column.PROMPT, Column.COMPLETION)
    lowest: float = SCORES[0]
    highest: float = SCORES[1]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric with its thresholds.

    Attributes:
        name: One of `REQUIRED_COLUMNS`, or the name of a metric of the user's own.
        pass_rate: The aggregated pass rate, 0 to 1, below which the metric fails; None means that it is only watched.
        acceptable_score: The score of a single answer from which it passes.
        average_score: The average score below which the metric fails; None means that no such limit is set.
        evaluator: What judges it, for a metric of the user's own; None means the prompt of azure-ai-evaluation.
    """

    name: str
    pass_rate: float | None
    acceptable_score: float = DEFAULT_ACCEPTABLE_SCORE
    average_score: float | None = None
    evaluator: CustomEvaluator | None = None

    @property
    def required_columns(self) -> tuple[Column, ...]:
        """Without what a row cannot be scored."""
        return self.evaluator.columns if self.evaluator else REQUIRED_COLUMNS[self.name]

    @property
    def scores(self) -> tuple[float, float]:
        """The lowest and the highest possible score."""
        return (self.evaluator.lowest, self.evaluator.highest) if self.evaluator else SCORES


@dataclass(frozen=True, slots=True)
class ProductionData:
    """The data that Azure's monitor reads; a local run reads it where it is a folder, a file or a blob.

    Attributes:
        path: A path, a URL, or the name of an Azure ML data asset.
        type: `uri_folder`, `uri_file` or `mltable`.
    """

    path: str
    type: str

    @property
    def is_asset(self) -> bool:
        """Whether it names a data asset, which only Azure ML can read."""
        return self.path.startswith("azureml:") or _ASSET.fullmatch(self.path) is not None


@dataclass(frozen=True, slots=True)
class QualitySignal:
    """A signal `generation_safety_quality`.

    Attributes:
        name: What it is called in the file.
        metrics: What is judged, the metrics of the user's own at the end.
        columns: What the columns are called in the data.
        sampling: Which rows are judged.
        window: The time that a run looks at.
        alert_enabled: Whether a failed threshold tells anybody.
        connection_id: The workspace connection that Azure's job judges with.
        data: What Azure's job reads.
    """

    name: str
    metrics: tuple[Metric, ...]
    columns: Columns = Columns()
    sampling: Sampling = Sampling()
    window: Window = Window()
    alert_enabled: bool = False
    connection_id: str | None = None
    data: tuple[ProductionData, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenSignal:
    """A signal `generation_token_statistics`.

    Attributes:
        name: What it is called in the file.
        total: The tokens of all counted runs above which it fails; None means no limit. Azure's 0 is no limit.
        total_per_group: The tokens of one group (a model of a node) above which it fails; likewise.
        sampling: Which runs are counted.
        window: The time that a run looks at.
        alert_enabled: Whether a crossed limit tells anybody.
        data: What Azure's job reads.
    """

    name: str
    total: float | None = None
    total_per_group: float | None = None
    sampling: Sampling = Sampling(rate=1.0)
    window: Window = Window()
    alert_enabled: bool = False
    data: tuple[ProductionData, ...] = ()


class JudgeKind(StrEnum):
    """Who judges."""

    OPENAI = "openai"
    AZURE_OPENAI = "azure_openai"
    STAND_IN = "stand-in"


@dataclass(frozen=True, slots=True)
class Judge:
    """The model that judges.

    Attributes:
        kind: How it is spoken to. The stand-in is for machines without a model, and its scores say so.
        model: The model, or for Azure OpenAI the deployment; None for the stand-in.
        base_url: The URL of an OpenAI-compatible server, or the endpoint of the Azure OpenAI resource; None means the
            environment's (`OPENAI_BASE_URL`, `AZURE_OPENAI_ENDPOINT`), or OpenAI itself.
        api_version: The version of Azure's API.
        key_variable: The environment variable that holds the key. Keys are never written into the file.
        concurrency: How many calls may be under way at once.
        timeout_s: After how many seconds a call counts as hung.
        input_usd_per_million: US dollars for a million prompt tokens; None means that the price list is asked.
        output_usd_per_million: US dollars for a million completion tokens; likewise.
    """

    kind: JudgeKind = JudgeKind.STAND_IN
    model: str | None = None
    base_url: str | None = None
    api_version: str | None = None
    key_variable: str | None = None
    concurrency: int = 8
    timeout_s: float = 60.0
    input_usd_per_million: float | None = None
    output_usd_per_million: float | None = None


@dataclass(frozen=True, slots=True)
class Budget:
    """What judging may use, prompt and completion together; None means no limit.

    Attributes:
        run_tokens: Tokens of one run.
        run_usd: US dollars of one run.
        day_tokens: Tokens of one day (UTC), all runs of this monitor together.
        day_usd: US dollars of one day, likewise.
    """

    run_tokens: int | None = 5_000_000
    run_usd: float | None = None
    day_tokens: int | None = 20_000_000
    day_usd: float | None = None


class BaselineKind(StrEnum):
    """What a window is compared with."""

    NONE = "none"
    PREVIOUS = "previous"
    FIXED = "fixed"


@dataclass(frozen=True, slots=True)
class Baseline:
    """What the window is compared with, to find drift.

    Attributes:
        kind: Nothing, the window of the same size right before, or a fixed one.
        start: The beginning of a fixed window, aware of its zone.
        end: Its end.
        anchors: A JSON lines file of rows that are judged again each time, to tell a change of the judge from one of
            the flow; None means none.
    """

    kind: BaselineKind = BaselineKind.PREVIOUS
    start: datetime | None = None
    end: datetime | None = None
    anchors: Path | None = None


@dataclass(frozen=True, slots=True)
class Alerts:
    """Who is told.

    Attributes:
        emails: Addresses that Azure's monitor writes to, and a local run where a mail server is configured.
        receivers: Names of receivers in the alerts file; none means all of them.
        on_inconclusive: Whether a verdict of "inconclusive" is told too.
    """

    emails: tuple[str, ...] = ()
    receivers: tuple[str, ...] = ()
    on_inconclusive: bool = False


@dataclass(frozen=True, slots=True)
class Monitor:
    """A monitor.

    Attributes:
        name: Letters, digits, `-` and `_`; also the folder that its runs leave their reports in.
        signals: What is monitored, at least one.
        trigger: When it runs; None means only when it is asked to.
        target: Whose runs are monitored.
        judge: The model that judges.
        budget: What judging may use.
        baseline: What the window is compared with.
        alerts: Who is told.
        display_name: What people call it.
    """

    name: str
    signals: tuple[QualitySignal | TokenSignal, ...]
    trigger: Trigger | None = None
    target: Target = Target()
    judge: Judge = Judge()
    budget: Budget = Budget()
    baseline: Baseline = Baseline()
    alerts: Alerts = Alerts()
    display_name: str | None = None

    @property
    def quality_signals(self) -> tuple[QualitySignal, ...]:
        """The signals that are judged."""
        return tuple(signal for signal in self.signals if isinstance(signal, QualitySignal))

    @property
    def token_signals(self) -> tuple[TokenSignal, ...]:
        """The signals that count tokens."""
        return tuple(signal for signal in self.signals if isinstance(signal, TokenSignal))
