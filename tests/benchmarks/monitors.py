"""Ways to switch the monitor on within a measuring process."""

from __future__ import annotations

from typing import Any

from pf_monitor import runtime
from pf_monitor.pipeline.losses import Losses
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.settings import Settings


class NoSink:
    """Everything is made ready to be sent, and then is not."""

    def __init__(self) -> None:
        self.losses = Losses()

    def send_spans(self, spans: Any) -> None:
        for _ in spans:
            pass

    def send_events(self, events: Any) -> None:
        pass

    def metric_exporter(self) -> None:
        return None

    def flush(self, timeout: float) -> bool:
        return True

    def shutdown(self, timeout: float) -> None:
        pass


def to_nowhere() -> PipelineRecorder:
    """Return a recorder that does all but send."""
    return PipelineRecorder(Settings(enabled=True), NoSink())


def to_port(port: str) -> PipelineRecorder:
    """Return a recorder that sends to a port of this machine."""
    from pf_monitor.local import connection_string

    return PipelineRecorder.for_application_insights(
        Settings(enabled=True, connection_string=connection_string(int(port)))
    )


def switch(recorder: PipelineRecorder | None) -> None:
    """Record with this from now on; None switches recording off without ending what recorded before."""
    if recorder is None:
        runtime.recorder, runtime.off = None, True
    else:
        runtime.use(recorder)
