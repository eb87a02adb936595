"""A sink that sends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pf_monitor.pipeline.losses import Losses


class Counting:
    """A sink that keeps the names of spans."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.losses = Losses()

    def send_spans(self, spans: Sequence[Any]) -> None:
        self.sent += [span.name for span in spans]

    def send_events(self, events: Sequence[Any]) -> None:
        pass

    def metric_exporter(self) -> None:
        return None

    def flush(self, timeout: float) -> bool:
        return True

    def shutdown(self, timeout: float) -> None:
        pass
