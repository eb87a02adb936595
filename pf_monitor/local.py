"""Where the local Application Insights lives: the embedded default for those without an Azure resource."""

from __future__ import annotations

import os
from pathlib import Path

PORT = 4319
"""The default port; one above OTLP over HTTP (4318), so that both run side by side."""

INSTRUMENTATION_KEY = "00000000-0000-4000-8000-706600004319"
"""The key of the local resource. Not a secret: it only has to be a UUID, which the exporter insists on."""


def connection_string(port: int = PORT, host: str = "127.0.0.1") -> str:
    """Return the connection string of a local Application Insights.

    Args:
        port: The port that `pf-monitor up` listens on.
        host: The address that it listens on.
    """
    url = f"http://{host}:{port}/"
    return f"InstrumentationKey={INSTRUMENTATION_KEY};IngestionEndpoint={url};LiveEndpoint={url}"


def default_directory() -> Path:
    """Return the folder of local telemetry and of what monitors leave, unless one is named."""
    configured = os.environ.get("PF_MONITOR_DATA")
    return Path(configured).expanduser() if configured else Path.home() / ".pf_monitor" / "insights"
