"""One request to the ingestion service, bounded in time as a whole, however slowly the other side talks."""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_ANSWER = 1 << 18
"""Bytes that are read of an answer."""


class NoAnswerError(Exception):
    """There was no answer, or none that could be read to its end."""


class Connection:
    """A kept connection to the service.

    Args:
        connect_s: How long to wait for a connection, in seconds.
        answer_s: How long a request may take as a whole, in seconds.
    """

    def __init__(self, connect_s: float, answer_s: float) -> None:
        self._connect_s = connect_s
        self._answer_s = answer_s
        self._watched = _Watched()
        self._session = requests.Session()
        self._session.mount("https://", self._watched)
        self._session.mount("http://", self._watched)
        self._deadlines: queue.SimpleQueue[float | None] = queue.SimpleQueue()
        self._answered: queue.SimpleQueue[None] = queue.SimpleQueue()
        # One that lasts: at the end of a process Python starts no more threads.
        threading.Thread(target=self._watch, name="pf_monitor watch", daemon=True).start()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        """Send a body.

        Returns:
            Status, headers under lower-case names, and the body of the answer.

        Raises:
            NoAnswerError: When there is none in time.
        """
        self._deadlines.put(time.monotonic() + self._answer_s)
        try:
            with self._session.post(
                url,
                data=body,
                headers=dict(headers),
                timeout=(self._connect_s, self._answer_s),
                allow_redirects=False,
                stream=True,
            ) as answer:
                content = answer.raw.read(LONGEST_ANSWER, decode_content=True)
                return answer.status_code, {name.lower(): text for name, text in answer.headers.items()}, content
        except (requests.RequestException, HTTPError, OSError, ValueError) as error:
            raise NoAnswerError(f"{type(error).__name__}: {error}") from error
        finally:
            self._answered.put(None)

    def hang_up(self) -> None:
        """End a request that is on its way; from another thread."""
        used = self._watched.socket
        if used is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(used, socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        self._deadlines.put(None)
        self._session.close()

    def _watch(self) -> None:
        """Hang up when a request takes too long: a time limit of requests or urllib3 is one between two bytes."""
        while (deadline := self._deadlines.get()) is not None:
            try:
                self._answered.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                self.hang_up()
                self._answered.get()


class _Watched(HTTPAdapter):
    """Knows the socket that is in use."""

    socket: socket.socket | None = None

    # requests asks this for whichever pool a request is to take, that of a proxy included.
    def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
        pool: Any = super().get_connection_with_tls_context(*args, **options)
        if not hasattr(pool.ConnectionCls, "watched_by"):
            pool.ConnectionCls = _watching(pool.ConnectionCls, self)
        return pool


def _watching(connection: type, watcher: _Watched) -> type:
    """Return a class of connections that tells which socket is in use."""

    class Watching(connection):  # type: ignore[misc]  # one of urllib3's two, or a proxy's
        watched_by = watcher

        def connect(self) -> None:
            super().connect()
            watcher.socket = self.sock

        def request(self, *args: Any, **options: Any) -> None:
            watcher.socket = self.sock
            super().request(*args, **options)

    return Watching
