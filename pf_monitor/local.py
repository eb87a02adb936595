"""Where the local Application Insights lives: the embedded default for those without an Azure resource."""

from __future__ import annotations

import hashlib
import hmac
import os
from pathlib import Path

PORT = 4319
"""The default port; one above OTLP over HTTP (4318), so that both run side by side."""

HOST = "127.0.0.1"

INSTRUMENTATION_KEY = "00000000-0000-4000-8000-706600004319"
"""The key of the local resource. Not a secret: it only has to be a UUID, which the exporter insists on."""

TOKEN = "PF_MONITOR_TOKEN"  # noqa: S105 - the name of a variable
"""The variable that holds what a local Application Insights asks for which others can reach."""

_KEY_PREFIX = "pfm_"


def url(port: int = PORT, host: str = HOST) -> str:
    """Return the address of a local Application Insights, without a slash at its end.

    Args:
        port: The port that `pf-monitor up` listens on.
        host: The address that it listens on, or its name.
    """
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def connection_string(port: int = PORT, host: str = HOST, token: str | None = None) -> str:
    """Return the connection string of a local Application Insights; see `connection_string_at`."""
    return connection_string_at(url(port, host), token)


def connection_string_at(address: str, token: str | None = None) -> str:
    """Return the connection string of a local Application Insights.

    Args:
        address: Where it is, such as `http://127.0.0.1:4319`.
        token: What it asks for, if it does. Exporters send no header of ours, but keep the path of the endpoint.
    """
    parts = [address.rstrip("/"), *([] if token is None else [ingestion_key(token)])]
    endpoint = f"{'/'.join(parts)}/"
    return f"InstrumentationKey={INSTRUMENTATION_KEY};IngestionEndpoint={endpoint};LiveEndpoint={endpoint}"


def ingestion_key(token: str) -> str:
    """Return what lets a sender send, and do nothing else: the token cannot be found from it.

    It begins so that the rules of redaction know it.
    """
    return _KEY_PREFIX + hmac.new(token.encode(), b"ingestion", hashlib.sha256).hexdigest()[:32]


def has_form_of_key(text: str) -> bool:
    """Return whether a text may be an ingestion key."""
    return text.startswith(_KEY_PREFIX) and len(text) == len(_KEY_PREFIX) + 32


def configured_token() -> str | None:
    """Return the token of this process's environment."""
    return os.environ.get(TOKEN, "").strip() or None


def default_directory() -> Path:
    """Return the folder of local telemetry and of what monitors leave, unless one is named."""
    configured = os.environ.get("PF_MONITOR_DATA")
    return Path(configured).expanduser() if configured else Path.home() / ".pf_monitor" / "insights"
