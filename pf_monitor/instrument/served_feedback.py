"""Feedback that prompt flow's server is sent at `/feedback`: any JSON; here a score and a comment are made of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pf_monitor.instrument.reports import send_feedback

_SCORES = ("score", "rating", "thumb", "thumbs", "value", "feedback")
_COMMENTS = ("comment", "text", "reason", "message", "feedback")
_UP = frozenset({"up", "thumbs_up", "thumbs-up", "thumbsup", "positive", "good", "like", "yes", "true", "👍"})
_DOWN = frozenset(
    {"down", "thumbs_down", "thumbs-down", "thumbsdown", "negative", "bad", "dislike", "no", "false", "👎"}
)


def take(body: str, traceparent: str | None) -> None:
    """Record what was posted to `/feedback`, beside the flow run that its `traceparent` names.

    Args:
        body: As it was posted. Whatever is no score in it arrives as the explanation.
        traceparent: The header of that name.
    """
    try:
        posted = json.loads(body)
    except ValueError:
        posted = body
    score, comment = read(posted)
    send_feedback(score, comment if comment is not None else body, traceparent)


def read(posted: Any) -> tuple[float | bool | None, str | None]:
    """Return the score and the comment in posted feedback, each None where there is none.

    Args:
        posted: A number, a word such as `up`, or a mapping with `score`, `rating`, `comment` and the like.
    """
    if not isinstance(posted, Mapping):
        score = _score(posted)
        return score, posted if score is None and isinstance(posted, str) else None
    score = next((found for name in _SCORES if (found := _score(posted.get(name))) is not None), None)
    comment = next(
        (text for name in _COMMENTS if isinstance(text := posted.get(name), str) and _score(text) is None), None
    )
    return score, comment


def _score(value: Any) -> float | bool | None:
    if isinstance(value, (bool, int, float)):
        return value
    if not isinstance(value, str):
        return None
    word = value.strip().lower()
    if word in _UP or word in _DOWN:
        return word in _UP
    try:
        return float(word)
    except ValueError:
        return None
