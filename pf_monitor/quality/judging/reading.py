"""What a judge's answer means. It is read strictly: a score that is guessed is worse than none."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Final

_LONGEST_REASON: Final = 8_192


class UnreadableError(Exception):
    """An answer is not what was asked for; the message says what is wrong with it, to the judge too."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a judge said.

    Attributes:
        score: The score; None when the judge says that there is nothing to judge.
        reason: Why, in its words.
    """

    score: float | None
    reason: str


def read(text: str, lowest: float, highest: float) -> Answer:
    """Read an answer: one JSON object with `score`, and perhaps `reason` and `status`.

    A score is a whole number, or a text that is nothing but one; a code fence around the object is passed over.

    Args:
        text: What the judge wrote.
        lowest: The lowest score that there is.
        highest: The highest.

    Raises:
        UnreadableError: It is anything else.
    """
    if not text.strip():
        raise UnreadableError("the answer is empty")
    fenced = _CODE_FENCE.fullmatch(text.strip())
    try:
        found = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        raise UnreadableError("the answer is not JSON") from None
    if not isinstance(found, dict):
        raise UnreadableError("the answer is not a JSON object")
    reason = str(found.get("reason") or "")[:_LONGEST_REASON]
    if found.get("status") == "skipped" and found.get("score") is None:
        return Answer(None, reason)
    return Answer(_score(found.get("score"), lowest, highest), reason)


_CODE_FENCE: Final = re.compile(r"```(?:json)?\s*\n(.*)\n\s*```", re.DOTALL)
_WHOLE: Final = re.compile(r"\s*-?\d{1,6}(?:\.0{1,6})?\s*")


def _score(value: object, lowest: float, highest: float) -> float:
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableError("there is no number under 'score'")
    if not lowest <= value <= highest:  # also what is not a number at all
        raise UnreadableError(f"the score is not between {lowest:g} and {highest:g}")
    if not math.isclose(value, round(value)):
        raise UnreadableError("the score is not a whole number")
    return float(round(value))
