"""What is judged: one flow run with what may be shown to a judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pf_monitor.quality.monitor import Column


@dataclass(frozen=True, slots=True)
class Row:
    """One flow run.

    Attributes:
        trace_id: Its operation_Id, 32 hexadecimal digits; of collected data, its correlation id.
        span_id: The span of the flow run; empty where there is none.
        texts: What a judge may see, by column. What the run has not is not there.
        flow: The flow's name.
        role: Its `cloud_RoleName`.
        weight: How many rows of the window it stands for.
    """

    trace_id: str
    span_id: str = ""
    texts: Mapping[Column, str] = field(default_factory=dict)
    flow: str = ""
    role: str = ""
    weight: float = 1.0

    @property
    def id(self) -> str:
        """What names the run in the ledger."""
        return f"{self.trace_id}/{self.span_id}"
