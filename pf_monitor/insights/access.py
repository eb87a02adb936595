"""Who may use a server that others can reach: those who bring its token, each in the way that is open to them.

- Programs send it in a header, `Authorization: Bearer` or `X-Api-Key`, as Azure's query API has them.
- Browsers are asked for it once, and get a cookie.
- Exporters can send neither. Their connection string holds a key in the path of its endpoint, which is made of the
  token, and which only lets them send.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from pf_monitor.insights.sign_in import sign_in_page
from pf_monitor.local import TOKEN, has_form_of_key, ingestion_key

SHORTEST_TOKEN: Final = 16
"""Characters."""

_WANTED: Final = f"This server asks for its token, the value of {TOKEN} where `pf-monitor up` runs"
_WRONG: Final = "This is not the server's token"
_KEY_WANTED: Final = (
    "The address does not hold this server's key: use the connection string that `pf-monitor up` prints"
)

_INGESTION = re.compile(r"/{1,2}v2(?:\.1)?/track|/QuickPulseService\.svc/\w+")
_LONGEST_FORM: Final = 4096
_FORM_SECONDS: Final = 10


class Access(NamedTuple):
    """Who may use a server.

    Attributes:
        names: What it is called, besides the names of this machine for itself.
        token: What everybody has to bring; None for a server that only this machine can reach.
    """

    names: frozenset[str] = frozenset()
    token: str | None = None


THIS_MACHINE: Final = Access()
"""Whoever is on this machine."""


class SenderPath:
    """Read the key in the path of an exporter's request, and hand the request on without it.

    Args:
        app: What answers.
        token: The server's token; None where a key is not looked at, so that senders need not know.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._key = None if token is None else ingestion_key(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Mark a sender's request as allowed, or answer 401."""
        key, path = _key_and_path(scope.get("path", ""))
        if scope["type"] != "http" or key is None:
            await self._app(scope, receive, send)
        elif self._key is None or _same(key, self._key):
            await self._app({**scope, "path": path, _ALLOWED: True}, receive, send)
        else:
            await _refusal(401, _KEY_WANTED)(scope, receive, send)


_ALLOWED: Final = "pf_monitor.allowed"


def _key_and_path(path: str) -> tuple[str | None, str]:
    """Split the path of an ingestion request into its key and what follows; no other request has a key."""
    key, slash, rest = path[1:].partition("/")
    rest = slash + rest
    return (key, rest) if has_form_of_key(key) and _INGESTION.fullmatch(rest) else (None, path)


class TokenOnly:
    """Refuse requests without the token.

    Args:
        app: What answers the others.
        token: The token.
        clock: The time in seconds.
    """

    def __init__(self, app: ASGIApp, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._app = app
        self._token = token
        self._session = hmac.new(token.encode(), b"session", hashlib.sha256).hexdigest()
        """What a browser's cookie holds. It cannot be guessed, and the token cannot be found from it."""
        self._guesses = _Guesses(clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on that brings the token; sign a browser in; answer 401, or 429 after many wrong tokens."""
        if scope["type"] != "http" or scope.get(_ALLOWED):
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        if _same(request.cookies.get(_cookie(request), ""), self._session):
            await self._app(scope, receive, send)
            return
        token = _token_in_headers(request)
        form = token is None and _is_form(request)
        if form:
            token = await _token_in_form(request)
        refusal = self._refused(request, token)
        if refusal is None and not form:
            await self._app(scope, receive, send)
        else:
            await (refusal or self._signed_in(request))(scope, receive, send)

    def _refused(self, request: Request, token: str | None) -> Response | None:
        asks = _Asks(request)
        if token is None:
            return asks(401, _WANTED)
        client = request.client.host if request.client else ""
        if wait := self._guesses.wait(client):
            return asks(429, f"Too many wrong tokens came from {client}", {"Retry-After": str(wait)})
        if not _same(token, self._token):
            self._guesses.count(client)
            return asks(401, _WRONG)
        return None

    def _signed_in(self, request: Request) -> Response:
        # An address of only a query is the page itself, whatever stands before it: nobody can lead elsewhere.
        answer = RedirectResponse(f"?{request.url.query}", 303)
        answer.set_cookie(
            _cookie(request), self._session, httponly=True, samesite="strict", secure=request.url.scheme == "https"
        )
        return answer


class _Asks:
    """Answers that ask for the token: a page for browsers, JSON for others."""

    def __init__(self, request: Request) -> None:
        self._is_browser = "text/html" in request.headers.get("accept", "")

    def __call__(self, status: int, message: str, headers: dict[str, str] | None = None) -> Response:
        if self._is_browser:
            return sign_in_page(status, f"{message}.", headers or {})
        return _refusal(status, message, headers)


class _Guesses:
    """Wrong tokens by who sent them: so many at once, then one every few seconds.

    Senders and browsers that are signed in are not counted and not held up: what they bring nobody can guess.
    """

    _AT_ONCE: Final = 10
    _SECONDS: Final = 6
    _MOST_CLIENTS: Final = 1000

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._forgiven: OrderedDict[str, float] = OrderedDict()
        """When the last wrong token of a client no longer counts."""

    def wait(self, client: str) -> int:
        """Return for how many seconds a client's token is not looked at."""
        over = self._forgiven.get(client, 0.0) - self._clock() - self._AT_ONCE * self._SECONDS
        return max(0, int(over + self._SECONDS + 0.999))

    def count(self, client: str) -> None:
        """Count a wrong token."""
        now = self._clock()
        self._forgiven[client] = max(now, self._forgiven.pop(client, now)) + self._SECONDS
        if len(self._forgiven) > self._MOST_CLIENTS:
            self._forgiven.popitem(last=False)


def _token_in_headers(request: Request) -> str | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return request.headers.get("x-api-key")


def _is_form(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return request.method == "POST" and kind == "application/x-www-form-urlencoded"


async def _token_in_form(request: Request) -> str | None:
    body = b""
    try:
        async with asyncio.timeout(_FORM_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > _LONGEST_FORM:
                    return None
    except TimeoutError:
        return None
    return parse_qs(body.decode("latin-1")).get("token", [""])[0].strip()


def _cookie(request: Request) -> str:
    """The cookie's name: browsers keep those of all ports of a host together."""
    return f"pf_monitor_{request.url.port or request.url.scheme}"


def _same(given: str, wanted: str) -> bool:
    """Compare in a time that tells nothing of what is wanted, its length included."""
    digests = (hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in (given, wanted))
    return hmac.compare_digest(*digests)


def _refusal(status: int, message: str, headers: dict[str, str] | None = None) -> Response:
    code = "TooManyRequests" if status == 429 else "Unauthorized"
    challenge = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    return JSONResponse({"error": {"code": code, "message": message}}, status, {**challenge, **(headers or {})})
