"""The answers to a browser: pages, JSON twins and files, with the headers that keep a page to itself."""

from __future__ import annotations

import json
from typing import Any, Final

from starlette.responses import Response

_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""What every answer says. People's words are on these pages: should any of them ever get into one as markup, the
browser still runs and loads nothing of it."""

_FRESH: Final = {"Cache-Control": "no-store", "Vary": "Accept"}


def html(text: str, status: int = 200) -> Response:
    """Answer with a page."""
    # What has no encoding does not get this far, but for a page that fails over one character nobody is better off.
    content = text.encode("utf-8", "replace")
    return Response(content, status, {**HEADERS, **_FRESH}, "text/html")


def as_json(content: Any, status: int = 200) -> Response:
    """Answer with JSON."""
    text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Response(text.encode("utf-8", "replace"), status, {**HEADERS, **_FRESH}, "application/json")


def file(content: str | bytes, media_type: str, name: str) -> Response:
    """Answer with a file to keep."""
    headers = {**HEADERS, **_FRESH, "Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, 200, headers, media_type)
