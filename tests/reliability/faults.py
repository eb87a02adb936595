"""Send through a fault injector, and find out what became of each item."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
from injector import CLEAR, FAULTS, Injector, Ledger, injecting
from opentelemetry import trace

import pf_monitor
from pf_monitor import runtime
from pf_monitor.insights.server import running
from pf_monitor.local import connection_string
from pf_monitor.pipeline.delivery.sender import Patience
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.pipeline.transport import spool_folder
from pf_monitor.settings import Settings

SLOW_S = 0.2
"""How long the sender waits for an answer here, in seconds; what is slow is slower."""

IMPATIENT = Patience(connect_s=5, answer_s=SLOW_S, first_s=0.001, longest_s=0.004, quota_s=0.004, look_s=0.5)
"""So that ten thousand faults take minutes."""

_FOR_CLEAR_ANSWERS = replace(IMPATIENT, answer_s=30)
"""Where nothing is slow, nothing is given up for being slow, however busy the machine is."""

UNCLEAR = "unclear"
_LONGEST_S = 120
_MOST_IN_A_BURST = 20


@dataclass
class Outcome:
    """What became of the items.

    Attributes:
        recorded: The items that were given to the pipeline, by id.
        stored: How often each has arrived.
        dropped: How many were given up, by reason.
        ledger: What the injector knows.
    """

    recorded: set[str]
    stored: Counter[str]
    dropped: dict[str, int]
    ledger: Ledger = field(default_factory=Ledger)

    @property
    def missing(self) -> set[str]:
        """What has not arrived."""
        return self.recorded - set(self.stored)

    @property
    def lost(self) -> int:
        """How many items have not arrived and were not counted as dropped."""
        return max(0, len(self.missing) - sum(self.dropped.values()))

    @property
    def twice(self) -> set[str]:
        """What has arrived more than once."""
        return {item for item, number in self.stored.items() if number > 1}

    @property
    def twice_knowingly(self) -> set[str]:
        """What has arrived more than once though every answer about it was clear."""
        return self.twice - self.ledger.untold


def send(directory: Path, number: int, seed: int, kinds: tuple[str, ...] = tuple(FAULTS)) -> Outcome:
    """Record requests until so many faults were injected, then let what waits arrive.

    Args:
        directory: For the store.
        number: How many faults.
        seed: Which faults, in which order.
        kinds: The faults to choose from.
    """
    with running(directory) as port, injecting(port, seed, SLOW_S, kinds) as injector:
        patience = _FOR_CLEAR_ANSWERS if set(kinds) <= set(CLEAR) else IMPATIENT
        resource = connection_string(injector.server_address[1])
        sink = SpansOnly(resource, patience=patience)
        recorder = PipelineRecorder(Settings(enabled=True, service_name="faults"), sink, delay_s=0.01)
        runtime.use(recorder)
        try:
            recorded = _record(injector, recorder, number)
            injector.healthy.set()
            while waiting(resource):
                recorder.flush(_LONGEST_S)
        finally:
            runtime.stop(_LONGEST_S)
        return Outcome(recorded, stored(port), sink.losses.counted(), injector.ledger)


class SpansOnly(ApplicationInsights):
    """Sends no metrics, which have no ids by which they could be told apart."""

    def metric_exporter(self) -> None:
        """Return None."""


def waiting(resource: str) -> bool:
    """Return whether something waits on disk for a resource."""
    return any(spool_folder(resource).rglob("*.batch"))


def _record(injector: Injector, recorder: PipelineRecorder, number: int) -> set[str]:
    @pf_monitor.flow
    def faulty(question: str) -> str:
        return f"{trace.get_current_span().get_span_context().span_id:016x}"

    recorded: set[str] = set()
    while injector.faults < number:
        for _ in range(injector.random.randint(1, _MOST_IN_A_BURST)):
            recorded.add(faulty("What may go wrong?"))
        recorder.flush(_LONGEST_S)
    return recorded


def stored(port: int) -> Counter[str]:
    """Return how often each request is in the store."""
    answer = httpx.post(
        f"http://127.0.0.1:{port}/v1/apps/local/query",
        json={"query": "requests | summarize number = count() by id"},
        timeout=_LONGEST_S,
    )
    assert answer.status_code == 200, answer.text
    return Counter(dict(answer.json()["tables"][0]["rows"]))
