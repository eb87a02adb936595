"""A store that a really served flow has filled: promptflow's server, a stand-in model, people who ask."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import httpx
from web_items import VERDICTS

from pf_monitor.cli._source import Source
from pf_monitor.demo.stage import set_up
from pf_monitor.demo.traffic import Answer, ask, questions
from pf_monitor.local_server import ServerSource

QUESTIONS = 40
_FEEDBACK = ({"score": 1}, {"score": 0, "comment": "Too short."}, {"thumbs": "up"})


@dataclass
class Scene:
    """What is there to be looked at.

    Attributes:
        url: The dashboard's.
        source: The same store, asked in KQL.
        answers: What the callers got.
        requests: How many requests there are.
        judged: How many of them people have judged.
    """

    url: str
    source: Source
    answers: Sequence[Answer]
    requests: int
    judged: int

    @property
    def failed(self) -> list[str]:
        """The requests that failed, by operation."""
        return [answer.question.trace_id for answer in self.answers if answer.failed]

    def add_request(self) -> None:
        """Let one more request arrive, now."""
        named = {"pf_monitor.kind": "flow", "pf_monitor.flow": "late", "pf_monitor.outcome": "ok"}
        base = {"id": secrets.token_hex(8), "name": "late", "duration": "00:00:01", "success": True}
        item = {
            "time": datetime.now(UTC).isoformat(),
            "iKey": "k",
            "tags": {"ai.operation.id": secrets.token_hex(16)},
            "data": {"baseType": "RequestData", "baseData": {**base, "properties": named}},
        }
        httpx.post(f"{self.url}/v2.1/track", content=json.dumps([item]), trust_env=False).raise_for_status()
        self.requests += 1


@contextmanager
def scene() -> Iterator[Scene]:
    """Serve the demo's flow, ask it, give feedback, and end it: then all telemetry has arrived."""
    with set_up(None) as stage:
        stage.flow.wait_until_up()
        asked = list(questions(stage.data, QUESTIONS, scripted=stage.stand_in is not None))
        answers = ask(stage.flow.url, asked, lambda: None)
        succeeded = [answer.question for answer in answers if not answer.failed]
        for feedback, question in zip(_FEEDBACK, succeeded, strict=False):
            traceparent = {"traceparent": f"00-{question.trace_id}-{secrets.token_hex(8)}-01"}
            given = httpx.post(f"{stage.flow.url}/feedback", json=feedback, headers=traceparent, trust_env=False)
            given.raise_for_status()
        stage.flow.stop()
        url = f"http://127.0.0.1:{stage.insights_port}"
        said = [{**one, "time": datetime.now(UTC).isoformat()} for one in VERDICTS]
        httpx.post(f"{url}/v2.1/track", content=json.dumps(said), trust_env=False).raise_for_status()
        with ServerSource.connect(url) as source:
            yield Scene(url, source, answers, len(answers), len(_FEEDBACK))
