"""The server: the web application on a port of this machine."""

from __future__ import annotations

import gc
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.routing import BaseRoute

from pf_monitor.insights.api import create_app
from pf_monitor.insights.store import Store

HOST = "127.0.0.1"
"""The one address that is served: the store holds people's words and asks for no password."""


class PortInUseError(OSError):
    """Another program listens on the port."""


def bind(port: int) -> socket.socket:
    """Listen on a port of this machine; 0 takes any that is free.

    Raises:
        PortInUseError: If another program does.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise PortInUseError(f"Port {port} is taken") from error
    listener.listen(socket.SOMAXCONN)  # from here on a connection waits to be answered rather than fails
    return listener


Pages = Callable[[Store], Sequence[BaseRoute]]
"""What makes the routes that are served besides the Application Insights itself."""


def serve(store: Store, listener: socket.socket, pages: Pages | None = None) -> None:
    """Serve until SIGINT or SIGTERM; both end it in good order."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn stops at a signal and then raises it again, for handlers that were there before it: none shall act.
        signal.signal(number, lambda *_: None)
    _server(store, pages).run(sockets=[listener])


@contextmanager
def running(directory: Path, port: int = 0, pages: Pages | None = None) -> Iterator[int]:
    """Serve a directory's store from a thread of this process, within; yield the port.

    For tests and the demo; `pf-monitor up` is the same in a process of its own.
    """
    with Store.open(directory) as store, bind(port) as listener:
        server = _server(store, pages)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


_SWITCH_SECONDS = 0.0005
"""How long a thread may keep Python's lock while others wait for it. The writer asks for it before and after each
statement; with Python's own 5 ms it would mostly wait for those who parse."""

_YOUNG_OBJECTS = 100_000
"""How many new objects Python looks through for cycles at once: a request's items are some thousand dicts without any,
and with Python's own 700 a third of the time that parsing takes went into looking."""


def _server(store: Store, pages: Pages | None) -> uvicorn.Server:
    sys.setswitchinterval(_SWITCH_SECONDS)
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
    config = uvicorn.Config(
        create_app(store, pages(store) if pages else ()),
        lifespan="off",
        log_level="error",
        access_log=False,
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    return uvicorn.Server(config)
