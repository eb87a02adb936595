"""Collected data as what a monitor reads: the same flow runs and rows as those of Application Insights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Self

from pf_monitor.collected.index import CollectedRun, Index, Words
from pf_monitor.collected.places import Place, PlaceError
from pf_monitor.collected.spans import clean
from pf_monitor.quality.judging.rows import Row
from pf_monitor.quality.monitor import Column, Columns, Target
from pf_monitor.quality.reading import FlowRun, Record, SourceLostError, Window

_SAID_BY: Final = {
    Column.PROMPT: ("inputs", "output"),
    Column.COMPLETION: ("output", "inputs"),
    Column.CONTEXT: ("output", "inputs"),
    Column.GROUND_TRUTH: ("inputs", "output"),
}
"""Where a column is looked for first, and where then."""


class CollectedReader:
    """Reads the runs of a target from collected data. Close it, or use it as a context manager.

    Args:
        places: Where the data lies; inputs and outputs may lie apart.
        target: Whose runs.
        columns: What question and answer are called, for their lengths.
    """

    def __init__(self, places: Sequence[Place], target: Target, columns: Columns) -> None:
        self._places = places
        self._target = target
        self._columns = columns
        self._indexes: dict[Window, Index] = {}

    def runs(self, window: Window) -> list[FlowRun]:
        """Return the flow runs of a window.

        Raises:
            SourceLostError: A place cannot be read.
        """
        return [self._flow_run(run) for run in self._index(window).runs() if self._is_meant(run)]

    def calls(self, window: Window) -> Iterator[Record]:
        """Yield the tokens of each operation by node and model, where traces were collected.

        Raises:
            SourceLostError: A place cannot be read.
        """
        for run in self._index(window).runs():
            for call in run.calls:
                yield {
                    "operation_Id": run.trace_id,
                    "node": call.node,
                    "model": call.model,
                    "prompt_tokens": call.prompt_tokens,
                    "completion_tokens": call.completion_tokens,
                }

    def rows(self, window: Window, runs: Sequence[FlowRun], weights: Sequence[float], columns: Columns) -> list[Row]:
        """Return the words of runs, in the same order.

        Args:
            window: The window that they are of.
            runs: The runs.
            weights: How many runs each stands for.
            columns: What the columns are called.

        Raises:
            SourceLostError: A place cannot be read.
        """
        index = self._index(window)
        rows = []
        for run, weight in zip(runs, weights, strict=True):
            found = index.find(run.trace_id, run.span_id)
            texts = texts_of(found.words, columns) if found else {}
            rows.append(Row(run.trace_id, run.span_id, texts, run.flow, run.role, weight))
        return rows

    def notes(self) -> list[str]:
        """Return what has to be said about the data."""
        damaged = sum(index.damaged for index in self._indexes.values())
        elsewhere = sum(index.elsewhere for index in self._indexes.values())
        said = []
        if damaged:
            said.append(f"{damaged} pieces of the collected data are damaged and were left out.")
        if elsewhere:
            said.append(
                f"{elsewhere} records are too large for their file; their data lies elsewhere and was left out."
            )
        return said

    def close(self) -> None:
        """Free what was read."""
        for index in self._indexes.values():
            index.close()
        for place in self._places:
            place.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _index(self, window: Window) -> Index:
        if window not in self._indexes:
            try:
                self._indexes[window] = Index.build(self._places, window)
            except PlaceError as error:
                raise SourceLostError(str(error).rstrip(".")) from error
        return self._indexes[window]

    def _is_meant(self, run: CollectedRun) -> bool:
        wanted = (
            (self._target.endpoint, run.endpoint),
            (self._target.deployment, run.deployment),
            (self._target.flow, run.flow),
        )
        return all(want is None or not have or have == want for want, have in wanted)

    def _flow_run(self, run: CollectedRun) -> FlowRun:
        texts = texts_of(run.words, self._columns)
        lengths = {
            "question_length": float(len(texts.get(Column.PROMPT, ""))),
            "answer_length": float(len(texts.get(Column.COMPLETION, ""))),
        }
        flow = run.flow or run.endpoint
        return FlowRun(run.trace_id, run.span_id, flow, run.endpoint or flow, run.outcome, {**run.numbers, **lengths})


def texts_of(words: Words, columns: Columns) -> dict[Column, str]:
    """Return what a judge is shown of a run.

    A column is looked for by its name in inputs and output. An output without names is the completion, and where no
    column of the data is the context, what was retrieved is.

    Args:
        words: What was said.
        columns: What the columns are called in the data.
    """
    texts: dict[Column, str] = {}
    for column in Column:
        text = _named(words, column, columns.name_of(column))
        if not text and columns.name_of(column) is not None:
            text = _unnamed(words, column)
        if text:
            texts[column] = text
    return texts


def _named(words: Words, column: Column, name: str | None) -> str:
    if name is None:
        return ""
    for where in _SAID_BY[column]:
        members = getattr(words, where)
        if isinstance(members, Mapping) and members.get(name) is not None:
            return _text(members[name])
    return ""


def _unnamed(words: Words, column: Column) -> str:
    if column is Column.COMPLETION and words.output is not None and not isinstance(words.output, Mapping):
        return _text(words.output)
    return "\n\n".join(words.documents) if column is Column.CONTEXT else ""


def _text(value: Any) -> str:
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))
