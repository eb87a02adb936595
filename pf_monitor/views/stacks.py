"""The frames of a stack: from the text of a Python traceback, or as another SDK has parsed them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, TypedDict


class Frame(TypedDict):
    """One call of a stack; `code` is the line of source, where it is known, and `line` 0 where it is not."""

    file: str
    line: int
    function: str
    code: str


_FRAME: Final = re.compile(
    r'^ {2}File "(?P<file>[^"\n]*)", line (?P<line>\d{1,9})(?:, in (?P<function>[^\n]*))?\n'
    r"(?: {4}(?P<code>\S[^\n]*))?",
    re.M,
)

_MOST_FRAMES: Final = 200


def frames(stack: str, parsed: object = None) -> list[Frame]:
    """Return the frames of a stack, the innermost last; at most the last 200.

    Args:
        stack: The text of a traceback. That of another language gives no frames.
        parsed: `parsedStack` of the column `details`, the innermost first.
    """
    found = [
        Frame(
            file=match["file"],
            line=int(match["line"]),
            function=match["function"] or "",
            code=match["code"] or "",
        )
        for match in _FRAME.finditer(stack)
    ]
    if not found and isinstance(parsed, list):
        found = [_parsed(one) for one in reversed(parsed) if isinstance(one, Mapping)]
    return found[-_MOST_FRAMES:]


def _parsed(one: Mapping[str, Any]) -> Frame:
    line = one.get("line")
    return Frame(
        file=str(one.get("fileName") or one.get("assembly") or ""),
        line=line if isinstance(line, int) else 0,
        function=str(one.get("method") or ""),
        code="",
    )
