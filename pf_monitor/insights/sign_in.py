"""The page that asks a browser for the token, once."""

from __future__ import annotations

import base64
import hashlib
from html import escape
from typing import Final

from starlette.responses import HTMLResponse

_STYLE: Final = """
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }
body { max-width: 26rem; margin: 20vh auto 0; padding: 0 1rem; }
h1 { font-size: 1.25rem; }
label, input, button { display: block; font: inherit; }
input { box-sizing: border-box; width: 100%; margin: .25rem 0 1rem; padding: .5rem; }
button { padding: .5rem 1rem; }
"""

_PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · pf-monitor</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>pf-monitor</h1>
<p role="status">{message}</p>
<form method="post">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<button>Sign in</button>
</form>
</main>
</body>
</html>
"""

_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    # Without a referrer a browser says that the form's origin is "null".
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def sign_in_page(status: int, message: str, headers: dict[str, str]) -> HTMLResponse:
    """Return the page. Its form posts to the address that it was shown at, with the field `token`.

    Args:
        status: The status of the answer.
        message: What is wrong, for people.
        headers: More headers.
    """
    return HTMLResponse(_PAGE.format(style=_STYLE, message=escape(message)), status, {**_HEADERS, **headers})
