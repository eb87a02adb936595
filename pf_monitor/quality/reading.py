"""What a monitor reads: the flow runs of a window, and the words of those that are to be judged."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, Protocol

from pf_monitor import queries
from pf_monitor.model import names
from pf_monitor.quality.judging.rows import Row
from pf_monitor.quality.monitor import Column, Columns, Target
from pf_monitor.queries import Expression, Filters
from pf_monitor.table import QueryError
from pf_monitor.views.source import Source

Record = dict[str, Any]
Window = tuple[datetime, datetime]

_PAGE: Final = 100_000
"""Rows asked for at once; Azure answers with 500,000 at most."""
_ROWS_AT_ONCE: Final = 100
"""Runs whose words are asked for at once: a few megabytes at most."""

_MOST_PARTS: Final = 1_000


class SourceLostError(Exception):
    """The store does not answer any more; the message says what it said last."""


@dataclass(frozen=True, slots=True)
class FlowRun:
    """A flow run without its words.

    Attributes:
        trace_id: Its operation_Id.
        span_id: Its span.
        flow: The flow.
        role: Its `cloud_RoleName`.
        outcome: How it ended.
        numbers: What is compared with a baseline, by quantity; what is not known is not there.
    """

    trace_id: str
    span_id: str
    flow: str
    role: str
    outcome: str
    numbers: Mapping[str, float]


_NUMBERS: Final = (
    "latency_ms",
    "prompt_tokens",
    "completion_tokens",
    "total_tokens",
    "question_length",
    "answer_length",
)


class Reader(Protocol):
    """Where a monitor finds flow runs: in Application Insights, or in collected data."""

    def runs(self, window: Window) -> list[FlowRun]:
        """Return the flow runs of a window, without their words.

        Raises:
            SourceLostError: The source does not answer.
        """

    def calls(self, window: Window) -> Iterator[Record]:
        """Yield the tokens of each model call.

        A record has `operation_Id`, `node`, `model`, `prompt_tokens` and `completion_tokens`, which may be None.

        Raises:
            SourceLostError: The source does not answer.
        """

    def rows(self, window: Window, runs: Sequence[FlowRun], weights: Sequence[float], columns: Columns) -> list[Row]:
        """Return the words of runs, in the same order.

        Args:
            window: The window that they are of.
            runs: The runs, a few hundred at most.
            weights: How many runs each stands for.
            columns: What the columns are called.

        Raises:
            SourceLostError: The source does not answer.
        """

    def notes(self) -> list[str]:
        """Return what the report has to say about what was read."""


class TelemetryReader:
    """Reads the runs of a target from Application Insights.

    Args:
        source: What answers queries.
        target: Whose runs.
    """

    def __init__(self, source: Source, target: Target) -> None:
        self._source = source
        self._target = target
        self._filters = Filters(flow=target.flow)

    def runs(self, window: Window) -> list[FlowRun]:
        """See `Reader`."""
        return [_run(row) for row in self._pages("quality_runs", window) if self._is_meant(row)]

    def calls(self, window: Window) -> Iterator[Record]:
        """See `Reader`."""
        return self._pages("quality_calls", window)

    def rows(self, window: Window, runs: Sequence[FlowRun], weights: Sequence[float], columns: Columns) -> list[Row]:
        """See `Reader`."""
        words: dict[tuple[str, str], Mapping[str, Any]] = {}
        operations_left = iter(dict.fromkeys(run.trace_id for run in runs))
        while some := list(islice(operations_left, _ROWS_AT_ONCE)):
            operations = Expression(f"dynamic({json.dumps(some)})")
            for row in self._ask("quality_rows", window, operations=operations):
                words[row["operation_Id"], row["id"]] = json.loads(row["customDimensions"] or "{}")
        return [
            Row(
                run.trace_id,
                run.span_id,
                _texts(words.get((run.trace_id, run.span_id), {}), columns),
                run.flow,
                run.role,
                weight,
            )
            for run, weight in zip(runs, weights, strict=True)
        ]

    def notes(self) -> list[str]:
        """See `Reader`; there is nothing to say."""
        return []

    def _is_meant(self, row: Record) -> bool:
        wanted = self._target.deployment
        return wanted is None or not row["deployment"] or row["deployment"] == wanted

    def _pages(self, name: str, window: Window) -> Iterator[Record]:
        """Yield all rows, page by page in the order of time; the next page begins at the time at which one ends."""
        since, seen = window[0], frozenset[str]()
        while True:
            page = self._ask(name, (since, window[1]), upto=_PAGE)
            yield from (row for row in page if row["id"] not in seen)
            if len(page) < _PAGE:
                return
            last = page[-1]["timestamp"]
            seen = frozenset(row["id"] for row in page if row["timestamp"] == last)
            since = max(datetime.fromisoformat(last), since)
            if len(seen) == _PAGE:  # nobody runs so much at one moment, and the next page would be the same
                return

    def _ask(self, name: str, window: Window, **parameters: Any) -> list[Record]:
        kql = queries.load(name, self._filters, since=window[0], until=window[1], **parameters)
        try:
            return self._source.query(kql).records()
        except QueryError as error:
            raise SourceLostError(f"The store cannot answer {name}: {error.message}") from error
        except Exception as error:
            raise SourceLostError(f"The store does not answer: {error!r}") from error


def _run(row: Record) -> FlowRun:
    numbers = {name: float(row[name]) for name in _NUMBERS if row[name] is not None}
    return FlowRun(row["operation_Id"], row["id"], row["flow"] or "", row["role"] or "", row["outcome"] or "", numbers)


def _texts(dimensions: Mapping[str, Any], columns: Columns) -> dict[Column, str]:
    """What a run carries: by the names of the monitor's file, which are those of collected data, or by our own."""
    named = {column: name for column in Column if (name := columns.name_of(column))}
    found = {
        column: _whole(dimensions, name) or _whole(dimensions, _OWN_NAMES[column]) for column, name in named.items()
    }
    return {column: text for column, text in found.items() if text}


_OWN_NAMES: Final[Mapping[Column, str]] = {
    Column.PROMPT: names.QUESTION,
    Column.COMPLETION: names.ANSWER,
    Column.CONTEXT: names.CONTEXT,
    Column.GROUND_TRUTH: names.GROUND_TRUTH,
}


def _whole(dimensions: Mapping[str, Any], name: str) -> str:
    """Put together a value that goes on in `name.2`, `name.3` and so on."""
    parts = [str(dimensions.get(name) or "")]
    for number in range(2, _MOST_PARTS):
        part = dimensions.get(f"{name}.{number}")
        if part is None:
            break
        parts.append(str(part))
    return "".join(parts)
