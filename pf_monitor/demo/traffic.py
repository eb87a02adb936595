"""The demo's questions, some of which fail on purpose, and the callers who ask them."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import httpx

_CALLERS = 4
"""How many questions are under way at once; also how many people ask."""

_EVERY = 8
_OFFSET = 3
"""Of every eight questions the fourth fails."""

_MODEL_ERRORS = (429, 500)


@dataclass(frozen=True)
class Question:
    """One request as its caller makes it.

    Attributes:
        body: What is posted.
        fails: Whether it is meant to fail.
        trace_id: The caller's own trace.
        request_id: The caller's `x-request-id`.
        session: The caller's session, sent as baggage.
        user: Who asks; likewise.
    """

    body: Mapping[str, Any]
    fails: bool
    trace_id: str
    request_id: str
    session: str
    user: str

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell the flow's telemetry whom it belongs to."""
        return {
            "traceparent": f"00-{self.trace_id}-{secrets.token_hex(8)}-01",
            "baggage": f"session.id={self.session},user.id={self.user}",
            "x-request-id": self.request_id,
        }


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        question: What was asked.
        status: The HTTP status; None if the connection broke.
    """

    question: Question
    status: int | None

    @property
    def failed(self) -> bool:
        """Whether the caller did not get an answer."""
        return self.status != 200


def failing_rules() -> list[dict[str, Any]]:
    """Return the script by which the stand-in fails the questions that ask for it, at each of the client's retries."""
    return [{"when_prompt_contains": _mark(status), "then": {"fail": status}} for status in _MODEL_ERRORS]


def questions(data: Path, count: int, *, scripted: bool) -> Iterator[Question]:
    """Yield questions from a flow's data, with a few that fail among them.

    Args:
        data: The flow's `data.jsonl`; it is begun again when it is used up.
        count: How many.
        scripted: Whether the model is a stand-in that follows `failing_rules`. Any other model fails nobody on
            request; then the flow fails by itself, on a chat history that it cannot read.
    """
    lines = data.read_text(encoding="utf-8").splitlines()
    ways = cycle(
        [*(_failed_by_model(status) for status in _MODEL_ERRORS), _failed_by_flow] if scripted else [_failed_by_flow]
    )
    run = secrets.token_hex(3)
    for number, line in enumerate(islice(cycle(lines), count)):
        fails = number % _EVERY == _OFFSET
        body = json.loads(line)
        caller = number % _CALLERS + 1
        yield Question(
            body=next(ways)(body) if fails else body,
            fails=fails,
            trace_id=secrets.token_hex(16),
            request_id=f"demo-{run}-{number + 1}",
            session=f"demo-{run}-session-{caller}",
            user=f"demo-user-{caller}",
        )


def ask(url: str, asked: Sequence[Question], on_answer: Callable[[], None]) -> list[Answer]:
    """Ask a served flow, a few questions at a time.

    Args:
        url: The flow's server.
        asked: The questions.
        on_answer: Called after each answer; what it raises ends the asking.

    Returns:
        The answers, in the order in which they came.
    """
    answers = []
    with httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        callers = ThreadPoolExecutor(_CALLERS)
        try:
            for done in as_completed([callers.submit(_ask, client, question) for question in asked]):
                answers.append(done.result())
                on_answer()
        finally:
            callers.shutdown(cancel_futures=True)  # at Ctrl-C, no more questions
    return answers


def _ask(client: httpx.Client, question: Question) -> Answer:
    try:
        return Answer(question, client.post("/score", json=question.body, headers=question.headers).status_code)
    except httpx.HTTPError:
        return Answer(question, None)


def _failed_by_model(status: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda body: {**body, "question": f"{body['question']} {_mark(status)}"}


def _failed_by_flow(body: dict[str, Any]) -> dict[str, Any]:
    return {**body, "chat_history": [{"inputs": {}, "outputs": {}}]}


def _mark(status: int) -> str:
    return f"[to be failed with {status}]"
