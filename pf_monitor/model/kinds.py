"""The kinds of step and the ways in which one can end, as the telemetry contract names them."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a step is; the value of `pf_monitor.kind`."""

    FLOW = "flow"
    NODE = "node"
    RETRIEVAL = "retrieval"
    LLM = "llm"
    EMBEDDING = "embedding"

    @property
    def is_model_call(self) -> bool:
        """Whether this is a call to a model, which is where tokens are spent."""
        return self is Kind.LLM or self is Kind.EMBEDDING


class Outcome(StrEnum):
    """How a step ended; the value of `pf_monitor.outcome`."""

    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"
    """Stopped from outside: a cancelled task, an interrupt, an exit."""
    ABANDONED = "abandoned"
    """Its consumer walked away before the end: a generator or stream closed or dropped early."""
