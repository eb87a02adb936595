"""Keep the exporter's own talk out of the monitored process's log, and its requests out of its traces."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from opentelemetry.context import attach, detach, set_value

if TYPE_CHECKING:
    from collections.abc import Iterator

_TALKERS = (
    "azure.core.pipeline.policies.http_logging_policy",
    "azure.core.pipeline.policies._universal",
    "azure.core.pipeline.policies._retry",
    "azure.core.pipeline.transport._requests_basic",
    "azure.monitor.opentelemetry.exporter._storage",
    "azure.monitor.opentelemetry.exporter.export._base",
    "azure.monitor.opentelemetry.exporter.export.logs._exporter",
    "azure.monitor.opentelemetry.exporter.export.metrics._exporter",
    "azure.monitor.opentelemetry.exporter.export.trace._exporter",
    "urllib3.connectionpool",
)
_SUPPRESSED = "suppress_instrumentation"
"""The key by which OpenTelemetry's instrumentations of HTTP clients know that a request is not the user's."""
_ours = threading.local()


class _Hush(logging.Filter):
    """Holds back what is logged while this thread sends our telemetry; other users of the exporter keep their log.

    What matters in it is said by the sender, once.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        return not getattr(_ours, "sending", False)


_hush = _Hush()


@contextmanager
def quiet() -> Iterator[None]:
    """While this runs, nothing is logged in this thread by those who send, and nothing of what they do is traced."""
    for name in _TALKERS:
        logging.getLogger(name).addFilter(_hush)  # adding twice is adding once
    _ours.sending = True
    token = attach(set_value(_SUPPRESSED, True))
    try:
        yield
    finally:
        detach(token)
        _ours.sending = False
