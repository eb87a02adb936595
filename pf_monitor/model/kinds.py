"""The kinds of step and the ways in which one can end, as the telemetry contract names them."""

from __future__ import annotations

from enum import StrEnum
from typing import Self


class Kind(StrEnum):
    """What a step is; the value of `pf_monitor.kind`.

    Attributes:
        is_flow: Whether this is a flow run.
        is_retrieval: Whether this finds the context.
        is_model_call: Whether this is a call to a model, which is where tokens are spent.
    """

    is_flow: bool
    is_retrieval: bool
    is_model_call: bool

    def __new__(cls, value: str, is_model_call: bool = False) -> Self:
        """Make a member of its value and its attributes.

        A step asks for them too often for properties, and to look a member up in its class takes three times as long.
        """
        member = str.__new__(cls, value)
        member._value_ = value
        member.is_flow = value == "flow"
        member.is_retrieval = value == "retrieval"
        member.is_model_call = is_model_call
        return member

    FLOW = "flow"
    NODE = "node"
    RETRIEVAL = "retrieval"
    LLM = "llm", True
    EMBEDDING = "embedding", True


class Outcome(StrEnum):
    """How a step ended; the value of `pf_monitor.outcome`."""

    OK = "ok"
    ERROR = "error"
    CANCELLED = "cancelled"
    """Stopped from outside: a cancelled task, an interrupt, an exit."""
    ABANDONED = "abandoned"
    """Its consumer walked away before the end: a generator or stream closed or dropped early."""
