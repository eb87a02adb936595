"""Answers that every run judges again: they do not change, so that a change of their scores is one of the judge.

Where people have labelled them, they also tell how often the judge agrees with people.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from pf_monitor.quality.judging.prompts import PromptError
from pf_monitor.quality.judging.rows import Row
from pf_monitor.quality.monitor import Column, Columns
from pf_monitor.quality.statistics import JudgeAccuracy, at_most

_MOST: Final = 2_000
_LONGEST_LINE: Final = 2_000_000
_LABELS: Final = "labels"


class AnchorError(PromptError):
    """The anchors cannot be used; the message names the file and the line."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """An answer to be judged again and again.

    Attributes:
        id: What names it: its number in the file.
        texts: What a judge may see.
        labels: By metric, whether people call the answer good; nothing where they have not said.
    """

    id: str
    texts: Mapping[Column, str]
    labels: Mapping[str, bool] = field(default_factory=dict)

    def row(self, run_id: str) -> Row:
        """Return it as a row of a run; another run judges it anew."""
        return Row(prefix(run_id) + self.id, texts=self.texts)


def prefix(run_id: str) -> str:
    """Return how the ids of a run's anchors begin in the ledger."""
    return f"anchors of {run_id}: "


def read_anchors(path: Path, columns: Columns) -> list[Anchor]:
    """Read a file of JSON lines, each an object with the columns, and perhaps `labels`: `{"groundedness": true}`.

    Args:
        path: The file.
        columns: What the columns are called in it.

    Raises:
        AnchorError: It cannot be read, or is not of that form.
    """
    try:
        with path.open(encoding="utf-8") as file:
            lines = [line for line in file if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise AnchorError(f"The anchors in {path} cannot be read: {error}. Write JSON lines in UTF-8") from error
    if not 0 < len(lines) <= _MOST:
        raise AnchorError(f"{path} has {len(lines):,} anchors; there may be 1 to {_MOST:,}")
    return [_anchor(path, number, line, columns) for number, line in enumerate(lines, 1)]


def _anchor(path: Path, number: int, line: str, columns: Columns) -> Anchor:
    try:
        found = json.loads(line) if len(line) <= _LONGEST_LINE else None
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise AnchorError(f"{path}, line {number} is not a JSON object of at most {_LONGEST_LINE:,} characters")
    labels = found.get(_LABELS) or {}
    if not isinstance(labels, dict) or not all(isinstance(label, bool) for label in labels.values()):
        raise AnchorError(f'{path}, line {number}: {_LABELS} is a mapping such as {{"groundedness": true}}')
    named = {column: name for column in Column if (name := columns.name_of(column)) is not None}
    texts = {column: _text(found.get(name)) for column, name in named.items()}
    return Anchor(str(number), {column: text for column, text in texts.items() if text}, labels)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class JudgeChange:
    """How the scores of the anchors differ from those of an earlier run.

    Attributes:
        before: Their average then, and `now` their average now, over the anchors that have a score in both.
        pairs: How many these are.
        shift: The share whose score rose less the share whose score fell, from -1 to 1.
        p: The chance of such a shift, or a larger one, if rising and falling were as likely as each other.
    """

    before: float
    now: float
    pairs: int
    shift: float
    p: float


def compare_anchors(now: Mapping[str, float], before: Mapping[str, float]) -> JudgeChange | None:
    """Compare scores by anchor, by the sign test; None where no anchor has a score in both.

    Source: W. J. Dixon and A. M. Mood, The Statistical Sign Test, JASA 41 (1946).
    """
    both = now.keys() & before.keys()
    if not both:
        return None
    rose, fell = sum(now[one] > before[one] for one in both), sum(now[one] < before[one] for one in both)
    chance = min(1.0, 2 * at_most(min(rose, fell), rose + fell, 0.5))
    return JudgeChange(
        before=fmean(before[one] for one in both),
        now=fmean(now[one] for one in both),
        pairs=len(both),
        shift=(rose - fell) / len(both),
        p=chance,
    )


def accuracy(
    anchors: Sequence[Anchor], metric: str, scores: Mapping[str, float], acceptable: float
) -> JudgeAccuracy | None:
    """Return how often the judge agrees with the labels of a metric; None where there are none."""
    judged = [
        (anchor.labels[metric], scores[anchor.id] >= acceptable)
        for anchor in anchors
        if metric in anchor.labels and anchor.id in scores
    ]
    if not judged:
        return None
    good = [passed for label, passed in judged if label]
    bad = [passed for label, passed in judged if not label]
    return JudgeAccuracy(len(good), sum(good), len(bad), len(bad) - sum(bad))
