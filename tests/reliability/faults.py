"""Send through a fault injector, and find out what became of each item."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from injector import FAULTS, SLOW, Injector, Ledger, injecting
from local_rows import ask
from subjects import LONGEST_S, SUBJECTS, Subject

from pf_monitor.insights.server import running
from pf_monitor.local import connection_string
from pf_monitor.pipeline.delivery.sender import Patience

SLOW_S = 1.0
"""How long the sender waits for an answer here, in seconds; what is slow is slower."""

IMPATIENT = Patience(connect_s=5, answer_s=SLOW_S, first_s=0.001, longest_s=0.004, quota_s=0.004, look_s=0.5)
"""So that ten thousand faults take minutes."""

_FOR_QUICK_ANSWERS = replace(IMPATIENT, answer_s=30)
"""Where nothing is slow, nothing is given up for being slow, however busy the machine is."""

UNCLEAR = "unclear"
_MOST_IN_A_BURST = 20
_MOST_BURSTS_A_FAULT = 10
"""A sender may break so that it never sends again."""


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


def send(
    directory: Path, number: int, seed: int, kinds: tuple[str, ...] = tuple(FAULTS), subject: str = "pf_monitor"
) -> Outcome:
    """Record requests until so many faults were injected, then let what waits arrive.

    Args:
        directory: For the store.
        number: How many faults.
        seed: Which faults, in which order.
        kinds: The faults to choose from.
        subject: Which of `SUBJECTS` sends.
    """
    patience = IMPATIENT if set(kinds) & set(SLOW) else _FOR_QUICK_ANSWERS
    with running(directory) as port, injecting(port, seed, SLOW_S, kinds) as injector:
        sending = SUBJECTS[subject](connection_string(injector.server_address[1]), patience)
        try:
            recorded = _record(injector, sending, number)
            injector.healthy.set()
            sending.drain()
        finally:
            dropped = sending.stop()
        return Outcome(recorded, stored(port), dropped, injector.ledger)


def _record(injector: Injector, sending: Subject, number: int) -> set[str]:
    recorded: set[str] = set()
    for _ in range(number * _MOST_BURSTS_A_FAULT):
        if injector.faults >= number:
            break
        recorded.update(sending.record() for _ in range(injector.random.randint(1, _MOST_IN_A_BURST)))
        sending.flush()
    return recorded


def stored(port: int) -> Counter[str]:
    """Return how often each request is in the store."""
    rows = ask(port, "requests | summarize number = count() by id", timeout_s=LONGEST_S)
    return Counter({row["id"]: row["number"] for row in rows})
