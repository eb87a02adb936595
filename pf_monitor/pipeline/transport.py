"""How a batch travels: compressed, over a kept connection, waiting for an answer only so long.

A transport is azure-core's public extension point; the exporter hands it on to its client.
"""

from __future__ import annotations

import gzip
from typing import Any

from azure.core.pipeline.transport import RequestsTransport

_WORTHWHILE = 1_024
"""Bytes below which compressing is not worth it."""

_LEVEL = 5
"""Of 9: the last tenth of the size costs half of the time."""


class CompressingTransport(RequestsTransport):  # type: ignore[misc]  # azure-core hides it behind a lazy import
    """Sends what the exporter sends, compressed; Application Insights takes gzip from every SDK.

    Args:
        connect_timeout_s: How long to wait for a connection.
        read_timeout_s: How long to wait for an answer; azure-core's own default is five minutes.
    """

    def __init__(self, connect_timeout_s: float = 5, read_timeout_s: float = 30) -> None:
        super().__init__(connection_timeout=connect_timeout_s, read_timeout=read_timeout_s)

    def send(self, request: Any, **kwargs: Any) -> Any:
        """Send a request; one that is tried again has been compressed already."""
        body = request.content if hasattr(request, "content") else request.body
        headers = request.headers
        if body and len(body) >= _WORTHWHILE and "Content-Encoding" not in headers:
            plain = body.encode() if isinstance(body, str) else body
            compressed = gzip.compress(plain, _LEVEL, mtime=0)
            request.set_bytes_body(compressed)
            headers["Content-Encoding"] = "gzip"
            headers["Content-Length"] = str(len(compressed))
        return super().send(request, **kwargs)
