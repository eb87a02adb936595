"""What the stand-in has billed: the truth that a monitor's numbers are compared with."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

KEPT = 1000
"""How many of the last requests the ledger lists one by one; the totals cover all."""

Outcome = Literal["in flight", "ok", "failed", "broken"]


@dataclass
class Entry:
    """One request to a model.

    A request that fails is billed nothing. A stream that breaks, whoever broke it, is billed its prompt and the text
    that had been sent by then; one that ends is billed in full.
    """

    operation: str
    model: str
    requested_model: str
    stream: bool
    path: str
    traceparent: str | None
    x_client_request_id: str | None
    x_ms_client_request_id: str | None
    id: str
    outcome: Outcome = "in flight"
    status: int = 200
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass
class Totals:
    """Sums over requests: `calls` counts all of them, `failed` and `broken` those among them."""

    calls: int = 0
    failed: int = 0
    broken: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def add(self, entry: Entry) -> None:
        """Count one settled request in."""
        self.calls += 1
        self.failed += entry.outcome == "failed"
        self.broken += entry.outcome == "broken"
        self.prompt_tokens += entry.prompt_tokens
        self.completion_tokens += entry.completion_tokens


@dataclass
class Ledger:
    """The account of one stand-in; safe to read from any thread."""

    totals: Totals = field(default_factory=Totals)
    models: dict[str, Totals] = field(default_factory=dict)
    requests: deque[Entry] = field(default_factory=lambda: deque(maxlen=KEPT))
    in_flight: int = 0
    _changed: threading.Condition = field(default_factory=threading.Condition, repr=False)

    def open(self, entry: Entry) -> None:
        """Write down that a request has come in."""
        with self._changed:
            self.requests.append(entry)
            self.in_flight += 1

    def settle(self, entry: Entry, outcome: Outcome, *, prompt_tokens: int = 0, completion_tokens: int = 0) -> None:
        """Bill a request; the first settlement of a request stands."""
        with self._changed:
            if entry.outcome != "in flight":
                return
            entry.outcome = outcome
            entry.prompt_tokens, entry.completion_tokens = prompt_tokens, completion_tokens
            self.totals.add(entry)
            self.models.setdefault(entry.model, Totals()).add(entry)
            self.in_flight -= 1
            self._changed.notify_all()

    def wait_settled(self, timeout: float) -> bool:
        """Wait until no request is in flight; return whether that was so within `timeout` seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self.in_flight == 0, timeout)

    def reset(self) -> None:
        """Forget everything that is settled."""
        with self._changed:
            self.totals, self.models = Totals(), {}
            in_flight = [entry for entry in self.requests if entry.outcome == "in flight"]
            self.requests.clear()
            self.requests.extend(in_flight)

    def as_dict(self) -> dict[str, Any]:
        """Return the account as it is served: `totals`, `models`, `in_flight`, `requests`."""
        with self._changed:
            return {
                "totals": asdict(self.totals),
                "models": {model: asdict(totals) for model, totals in self.models.items()},
                "in_flight": self.in_flight,
                "requests": [asdict(entry) for entry in self.requests],
            }
