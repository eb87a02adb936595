"""The same applications, recorded by OpenTelemetry and sent by an exporter as its makers have it."""

from __future__ import annotations

import os

import served
import subjects
from opentelemetry.trace import SpanKind

_EXPORTERS = {"the bare exporter": subjects.bare, "promptflow's export": subjects.promptflows}
_provider = subjects.exporting(
    _EXPORTERS[os.environ["PF_MONITOR_TEST_SUBJECT"]](os.environ["APPLICATIONINSIGHTS_CONNECTION_STRING"])
)
_tracer = _provider.get_tracer("served")


def answer(question: str) -> str:
    """Return the answer."""
    with _tracer.start_as_current_span("answer", kind=SpanKind.SERVER, attributes={"question": question}):
        return question[::-1]


served.answer = answer
wsgi, asgi = served.wsgi, served.asgi
