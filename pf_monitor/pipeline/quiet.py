"""Keep the exporter's own talk out of the monitored process's log; say once what matters in it."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pf_monitor import notices

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
_ours = threading.local()


class _Hush(logging.Filter):
    """Holds back what is logged while this thread sends our telemetry; other users of the exporter keep their log."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not getattr(_ours, "sending", False):
            return True
        if record.levelno >= logging.WARNING and "on-retryable" in record.getMessage():
            notices.say_once(
                "refused",
                "pf_monitor: the endpoint refuses telemetry, which is lost: %.500s Is the connection string that of "
                "your resource? `pf-monitor doctor` tells more.",
                record.getMessage(),
            )
        elif record.levelno >= logging.WARNING:
            notices.say_once(
                "export",
                "pf_monitor cannot deliver telemetry at the moment: %.500s It is kept on disk and sent later. "
                "`pf-monitor doctor` tells more; without an Azure resource, start `pf-monitor up`.",
                record.getMessage(),
            )
        return False


_hush = _Hush()


@contextmanager
def quiet() -> Iterator[None]:
    """While this runs, the exporter says nothing in this thread but what is said once."""
    for name in _TALKERS:
        logging.getLogger(name).addFilter(_hush)  # adding twice is adding once
    _ours.sending = True
    try:
        yield
    finally:
        _ours.sending = False
