"""What was said, as categories that windows can be compared by: languages, and topics of questions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from pf_monitor.quality.languages import language_of
from pf_monitor.quality.monitor import Column, Columns, Sampling
from pf_monitor.quality.reading import FlowRun, Reader, Window
from pf_monitor.quality.sampling import draw

AT_MOST: Final = 1_000
"""Flow runs of a window whose words are compared; it takes no more to see what can be noticed."""

LONGEST: Final = 1_000
"""Characters of a text that are looked at."""

QUESTION_LANGUAGE: Final = "question_language"
ANSWER_LANGUAGE: Final = "answer_language"
QUESTION_TOPIC: Final = "question_topic"

_AT_ONCE: Final = 100
_SAID: Final = (Column.PROMPT, Column.COMPLETION)
_HASHED: Final = re.compile("hmac:[0-9a-f]{32}")


class Words(NamedTuple):
    """Question and answer of a flow run, at most `LONGEST` characters each; empty where there is none to read."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Categories:
    """The categories of two windows.

    Attributes:
        now: Of each measure, the category of each row of this window.
        before: Those of the baseline.
        examples: Of a topic, questions that are typical for it.
        missing: What could not be compared, and what to install; empty where everything could.
    """

    now: dict[str, list[str]] = field(default_factory=dict)
    before: dict[str, list[str]] = field(default_factory=dict)
    examples: dict[str, tuple[str, ...]] = field(default_factory=dict)
    missing: str = ""


def read_words(reader: Reader, window: Window, runs: Sequence[FlowRun], columns: Columns, seed: int) -> list[Words]:
    """Read the words of some runs, of which each is as likely as any other, whatever the sampling for the judge is.

    Args:
        reader: Reads them.
        window: The window that they are of.
        runs: All runs of the window.
        columns: What question and answer are called.
        seed: Of the sampling.

    Raises:
        SourceLostError: The source does not answer.
    """
    some = [one.row for one in draw(runs, lambda run: run.trace_id, Sampling(rate=1.0, seed=seed))[:AT_MOST]]
    found = []
    for start in range(0, len(some), _AT_ONCE):
        page = some[start : start + _AT_ONCE]
        rows = reader.rows(window, page, [1.0] * len(page), columns)
        found += [Words(*(_readable(row.texts.get(column, "")) for column in _SAID)) for row in rows]
    return found


def _readable(text: str) -> str:
    """Return the part of a text that is looked at: nothing where it was hashed before it was recorded."""
    cut = text[:LONGEST].encode("utf-8", "replace").decode().strip()
    return "" if _HASHED.fullmatch(cut) else cut


def categories_of(now: Sequence[Words], before: Sequence[Words], fewest: int) -> Categories:
    """Return the categories of what was said, by as much as is installed.

    Args:
        now: The words of this window.
        before: Those of the baseline.
        fewest: Rows with a question that each window must have for topics to be made.
    """
    found, missing = Categories(), list[str]()
    for name, add in (("languages", _add_languages), ("topics", _add_topics)):
        try:
            add(found, now, before, fewest)
        except (ImportError, OSError):
            missing.append(name)
    if not missing:
        return found
    return Categories(
        found.now,
        found.before,
        found.examples,
        f"{' and '.join(missing).capitalize()} were not compared. To see them too: pip install 'pf-monitor[drift]'",
    )


def _add_languages(found: Categories, now: Sequence[Words], before: Sequence[Words], _: int) -> None:
    for side, words in ((found.now, now), (found.before, before)):
        questions = [language_of(one.question) for one in words if one.question]
        answers = [language_of(one.answer) for one in words if one.answer]
        side |= {QUESTION_LANGUAGE: questions, ANSWER_LANGUAGE: answers}


def _add_topics(found: Categories, now: Sequence[Words], before: Sequence[Words], fewest: int) -> None:
    from pf_monitor.quality.topics import topics

    asked_now, asked_before = ([one.question for one in words if one.question] for words in (now, before))
    if min(len(asked_now), len(asked_before)) < fewest:
        return
    made = topics(asked_now + asked_before)
    found.now[QUESTION_TOPIC] = made.of[: len(asked_now)]
    found.before[QUESTION_TOPIC] = made.of[len(asked_now) :]
    found.examples.update(made.examples)
