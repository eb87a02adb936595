"""How far back to look, as one types it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from pf_monitor.cli._local import fail

_SHORT: Final = re.compile(r"(\d+)([smhdw])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def read_since(text: str) -> timedelta:
    """Read a `--since` option such as `30m` or `1d`; ends the command with a message if it is not a duration."""
    match = _SHORT.fullmatch(text.strip())
    if match is None:
        fail(f"--since: {text!r} is not a duration: give a number with s, m, h, d or w, such as 30m or 1d")
    try:
        return timedelta(**{_UNITS[match[2]]: int(match[1])})
    except OverflowError:
        fail(f"--since: {text!r} is too long a duration")
