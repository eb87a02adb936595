"""Where the exporter's requests end: in the spool, from which a thread of its own sends them.

A transport is azure-core's public extension point; the exporter hands it on to its client. The exporter is told that
everything was taken, because from then on it is the spool's.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ServiceRequestError
from azure.core.pipeline.transport import HttpResponse, HttpTransport

from pf_monitor.forking import in_forked_child
from pf_monitor.pipeline.delivery.place import spool_folder
from pf_monitor.pipeline.delivery.sender import Patience, Sender
from pf_monitor.pipeline.delivery.spool import Spool
from pf_monitor.pipeline.losses import Reason
from pf_monitor.pipeline.serializing import handed_over
from pf_monitor.settings import ingestion_endpoint

if TYPE_CHECKING:
    from pf_monitor.pipeline.delivery.batch import Text

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
        self._gathered = _Gathered()
        self._begin()
        in_forked_child(self._after_fork)

    def transport(self) -> HttpTransport[Any, Any]:
        """Return a transport for an exporter."""
        return _IntoSpool(self)

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Put what this thread's exporters send meanwhile on disk as one, when this ends."""
        texts: list[Text] = []
        self._gathered.texts = texts
        try:
            yield
        finally:
            self._gathered.texts = None
            self._spool.write(texts)
            self._sender.wake()

    def take(self, url: str, body: bytes, headers: dict[str, str]) -> None:
        """Take a request of an exporter; it is on disk when this returns, or when `gathering` ends."""
        items = handed_over()
        if items is None or body != _HANDED_OVER:  # what was handed over is of a request that never came
            self._spool.put(body)
        elif self._gathered.texts is not None:
            self._gathered.texts += self._spool.texts(items)
        else:
            self._spool.take(items)
        self._sender.learn(url, headers)
        if self._gathered.texts is None:
            self._sender.wake()

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


class _Gathered(threading.local):
    texts: list[Text] | None = None


class _IntoSpool(HttpTransport[Any, Any]):
    """Puts requests into the spool instead of onto the network."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery

    def send(self, request: Any, **_: Any) -> HttpResponse:
        """Take a request, and answer that everything was taken.

        Raises:
            ServiceRequestError: When it is made as none that we know.
        """
        body = getattr(request, "content", None) or getattr(request, "data", None)
        if isinstance(body, str):
            body = body.encode()
        if not isinstance(body, bytes):
            raise ServiceRequestError(f"a body of bytes was expected, not {type(body).__name__}")
        kept = {name: str(request.headers[name]) for name in _KEPT_HEADERS if name in request.headers}
        self._delivery.take(str(request.url), body, kept)
        return _Taken(request)

    def open(self) -> None:
        """Do nothing: there is no connection."""

    def close(self) -> None:
        """Likewise."""

    def __exit__(self, *_: object) -> None:
        pass


class _Taken(HttpResponse):
    """The answer that everything was taken, as older and newer clients read it."""

    def __init__(self, request: Any) -> None:
        super().__init__(request, None)
        self.status_code = 200
        self.reason = "OK"
        self.content_type = "application/json"
        self.headers = {"Content-Type": self.content_type, "Content-Length": str(len(_TAKEN))}

    def body(self) -> bytes:
        """Return its body."""
        return _TAKEN

    def read(self) -> bytes:
        """Return its body."""
        return _TAKEN

    def json(self) -> Any:
        """Return what its body says."""
        return json.loads(_TAKEN)


def _track_url(connection_string: str) -> str:
    """Return the address that a connection string names, for what waits before the exporter has sent anything."""
    return f"{ingestion_endpoint(connection_string).rstrip('/')}/v2.1/track"
