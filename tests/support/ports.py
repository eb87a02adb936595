"""Ports for servers that cannot take any free one by themselves."""

from __future__ import annotations

import secrets
import socket

_FIRST, _LAST = 20_000, 32_000
"""Below what systems give to connections and to servers that ask for any port: nobody takes one in between."""


def free_port() -> int:
    """Return a port on which nothing listens."""
    while True:
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
