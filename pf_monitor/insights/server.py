"""The server: the web application on a port."""

from __future__ import annotations

import errno
import gc
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import uvicorn
from starlette.routing import BaseRoute

from pf_monitor.insights.access import THIS_MACHINE, Access
from pf_monitor.insights.api import create_app
from pf_monitor.insights.store import Store
from pf_monitor.local import HOST


class PortInUseError(OSError):
    """Another program listens on the port."""


class AddressError(OSError):
    """This machine cannot listen at the address."""


def bind(port: int, host: str = HOST) -> socket.socket:
    """Listen on a port; 0 takes any that is free.

    Args:
        port: The port.
        host: An address of this machine, or a name that stands for one.

    Raises:
        PortInUseError: If another program does.
        AddressError: If this machine does not have the address, or does not let us.
    """
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise AddressError(f"'{host}' is no address: {error.strerror}") from error
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortInUseError(f"Port {port} is taken") from error
        raise AddressError(f"Cannot listen on port {port} of {host}: {error.strerror}") from error
    listener.listen(socket.SOMAXCONN)  # from here on a connection waits to be answered rather than fails
    return listener


Pages = Callable[[Store], Sequence[BaseRoute]]
"""What makes the routes that are served besides the Application Insights itself."""


_YOUNG_OBJECTS = 100_000
"""How many new objects Python looks through for cycles at once: a request's items are some thousand dicts without any,
and with Python's own 700 a third of the time that parsing takes went into looking."""


def serve(store: Store, listener: socket.socket, pages: Pages | None = None, access: Access = THIS_MACHINE) -> None:
    """Serve until SIGINT or SIGTERM; both end it in good order."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # uvicorn stops at a signal and then raises it again, for handlers that were there before it: none shall act.
        signal.signal(number, lambda *_: None)
    gc.set_threshold(_YOUNG_OBJECTS, *gc.get_threshold()[1:])
    _server(store, pages, access).run(sockets=[listener])


@contextmanager
def running(directory: Path, port: int = 0, pages: Pages | None = None, access: Access = THIS_MACHINE) -> Iterator[int]:
    """Serve a directory's store from a thread of this process, within; yield the port.

    For tests and the demo; `pf-monitor up` is the same in a process of its own.
    """
    with Store.open(directory) as store, bind(port) as listener:
        server = _server(store, pages, access)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join()


MOST_CONNECTIONS: Final = 500
"""Beyond it, requests are answered with 503 at once."""

_SWITCH_SECONDS = 0.0005
"""How long a thread may keep Python's lock while others wait for it. The writer asks for it before and after each
statement; with Python's own 5 ms it would mostly wait for those who parse."""


def _server(store: Store, pages: Pages | None, access: Access) -> uvicorn.Server:
    sys.setswitchinterval(_SWITCH_SECONDS)
    config = uvicorn.Config(
        create_app(store, pages(store) if pages else (), access),
        lifespan="off",
        log_level="error",
        access_log=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=5,
        server_header=False,
    )
    return uvicorn.Server(config)
