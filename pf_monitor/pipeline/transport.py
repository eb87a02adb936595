"""Where the exporter's requests end: in the spool, from which a thread of its own sends them.

A transport is azure-core's public extension point; the exporter hands it on to its client. The exporter is told that
everything was taken, because from then on it is the spool's.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import requests
from azure.core.pipeline.transport import RequestsTransport
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

from pf_monitor.forking import in_forked_child
from pf_monitor.pipeline.delivery.place import spool_folder
from pf_monitor.pipeline.delivery.sender import Patience, Sender
from pf_monitor.pipeline.delivery.spool import Spool
from pf_monitor.pipeline.losses import Reason
from pf_monitor.pipeline.serializing import handed_over
from pf_monitor.settings import ingestion_endpoint

_KEPT_HEADERS = ("Authorization", "User-Agent")
_HANDED_OVER = b"[]"
_TAKEN = b'{"itemsReceived":1,"itemsAccepted":1,"errors":[]}'


class Delivery:
    """Takes what exporters send, keeps it until it is acknowledged, and starts anew in a forked child.

    Args:
        connection_string: Of the resource.
        dropped: Told why, and how many items, when some are given up.
        patience: How long to wait for what.
        spooled: More arguments for the spool.
    """

    def __init__(
        self,
        connection_string: str,
        dropped: Callable[[Reason, int], None],
        patience: Patience | None = None,
        **spooled: Any,
    ) -> None:
        self._folder = spool_folder(connection_string)
        self._url = _track_url(connection_string)
        self._dropped = dropped
        self._patience = patience or Patience()
        self._spooled = spooled
        self._stopped = False
        self._begin()
        in_forked_child(self._after_fork)

    def transport(self) -> RequestsTransport:
        """Return a transport for an exporter."""
        session = requests.Session()
        session.trust_env = False  # it goes nowhere
        adapter = _IntoSpool(self)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return RequestsTransport(session=session, session_owner=False)

    def take(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        """Take a request of an exporter; it is on disk when this returns."""
        items = handed_over()
        if items is not None and body == _HANDED_OVER:  # else they are of a request that never came
            self._spool.take(items)
        else:
            self._spool.put(body)
        self._sender.learn(url, headers)

    def flush(self, timeout: float) -> bool:
        """Send what waits, in time if possible; see `Sender.flush`.

        Returns:
            Whether it was sent, or waits on disk.
        """
        return self._sender.flush(timeout) or self._spool.is_on_disk()

    def stop(self, timeout: float) -> None:
        """Send what waits, as far as that goes in time, and let go of files and threads."""
        self._stopped = True
        self._sender.stop(timeout)

    def _begin(self) -> None:
        self._spool = Spool(self._folder, self._dropped, **self._spooled)
        self._sender = Sender(self._spool, self._url, self._dropped, self._patience)

    def _after_fork(self) -> None:
        if not self._stopped:
            self._spool.forget()
            self._begin()


class _IntoSpool(HTTPAdapter):
    """Puts requests into the spool instead of onto the network."""

    def __init__(self, delivery: Delivery) -> None:
        super().__init__()
        self._delivery = delivery

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        """Take a request, and answer that everything was taken."""
        body = request.body.encode() if isinstance(request.body, str) else request.body
        if not isinstance(body, bytes):  # else it would be read here, and be gone for who asked
            raise requests.exceptions.InvalidSchema(f"a body of bytes was expected, not {type(body).__name__}")
        kept = {name: _text(request.headers[name]) for name in _KEPT_HEADERS if name in request.headers}
        self._delivery.take(request.url or "", body, kept)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(_TAKEN))}
        raw = HTTPResponse(io.BytesIO(_TAKEN), headers, 200, preload_content=False)
        return self.build_response(request, raw)


def _text(header: str | bytes) -> str:
    return header if isinstance(header, str) else header.decode("latin-1")


def _track_url(connection_string: str) -> str:
    """Return the address that a connection string names, for what waits before the exporter has sent anything."""
    return f"{ingestion_endpoint(connection_string).rstrip('/')}/v2.1/track"
