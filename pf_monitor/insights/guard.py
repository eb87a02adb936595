"""No web page of somebody else may talk to the local Application Insights."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})


class OwnNamesOnly:
    """Refuse requests that a browser sends on behalf of a web page.

    A page can point a name of its own at this server (DNS rebinding), which the Host header then shows, and it can post
    to this address without asking, which the Origin header then shows.

    Args:
        app: What answers the other requests.
        names: What the server is called, besides the names of this machine for itself.
    """

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self._app = app
        self._names = LOOPBACK | names
        whom = " or ".join(("this machine", *sorted(names - LOOPBACK)))
        self._message = f"Only requests to {whom} are answered, and those of no other site's page"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 to a foreign host or origin, else hand the request on."""
        if scope["type"] == "http":
            headers = dict(scope["headers"])
            host = headers.get(b"host", b"").decode("latin-1")
            origin = headers.get(b"origin", b"").decode("latin-1")
            if _name(host) not in self._names or (origin and origin.partition("://")[2] != host):
                error = {"code": "Forbidden", "message": self._message}
                await JSONResponse({"error": error}, 403)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _name(host: str) -> str | None:
    """The name in a Host header, without its port, in small letters; None where it is not just these."""
    try:
        parts = urlsplit(f"//{host}")
        is_plain = parts.netloc == host and "@" not in host and parts.port != 0
    except ValueError:
        return None
    return parts.hostname if is_plain else None
