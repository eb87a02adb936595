"""Only programs on this machine, and no web page, may talk to the local Application Insights."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class LoopbackOnly:
    """Refuse requests that a browser sends on behalf of a web page.

    A page can point a name of its own at 127.0.0.1 (DNS rebinding), which the Host header then shows, and it can post
    to this address without asking, which the Origin header then shows.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 to a foreign host or origin, else hand the request on."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"").decode("latin-1")
            origin = headers.get(b"origin", b"").decode("latin-1")
            if not _is_loopback(host) or (origin and origin.partition("://")[2] != host):
                message = "Only requests to and from this machine are answered"
                await JSONResponse({"error": {"code": "Forbidden", "message": message}}, 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_loopback(host: str) -> bool:
    try:
        return urlsplit(f"//{host}").hostname in _LOOPBACK
    except ValueError:
        return False
