"""Find and replace what must not leave."""

from __future__ import annotations

import functools
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import re2

from pf_monitor.redaction.known import known_values
from pf_monitor.redaction.rules import Rule, built_in, key_names, options

if TYPE_CHECKING:
    from typing import Any

KNOWN: Final = "known-value"
"""The name of the rule for values of the environment."""

_MARKER = re.compile(rb"\[redacted [a-z0-9-]+\]")
_ASSIGNING = re2.compile(r'([^"\s=:>\\])[\s=:>]*[=:>]\s*[\[(]?\s*b?"')
"""How a text in JSON ends that the rules take for an assignment, and the JSON behind it for what is assigned."""

_MOST_REMEMBERED = 4_096
_MOST_ROUNDS = 20


class Scrubber:
    """Replaces each secret in a text by `[redacted NAME]`, NAME being that of the rule that found it.

    All expressions are RE2's: the time that a text takes grows with its length and no faster, whatever it holds. Most
    texts hold nothing, and one pass tells.

    Args:
        rules: What to look for.
        environment: Variables; the values of those whose names say that a secret stands there are looked for too.
    """

    def __init__(self, rules: Sequence[Rule], environment: Mapping[str, str]) -> None:
        self._key_names = re2.compile(key_names(rules), options())
        expressions = [(rule.name, "|".join(rule.expressions)) for rule in rules]
        if known := known_values(environment, self._is_secret_name):
            expressions.insert(0, (KNOWN, "|".join(re2.escape(value) for value in known)))
        self._expressions = [(name, _compiled(expression)) for name, expression in expressions]
        # Several texts are looked at as one, each a line of it: ^ and $ shall hold in all of them.
        self._any = _compiled("|".join(f"(?m:{expression})" for _, expression in expressions), captures=False)
        self.are_plain_names = functools.lru_cache(maxsize=_MOST_REMEMBERED)(self._are_plain_names)
        self.is_secret_name = functools.lru_cache(maxsize=_MOST_REMEMBERED)(self._is_secret_name)

    def is_clean(self, texts: Iterable[str]) -> bool:
        """Whether nothing of several texts would be replaced. It may say no where nothing would be."""
        return self._any.search(_bytes("\n".join(texts))) is None

    def scrub(self, text: str) -> tuple[str, int]:
        """Return a text without its secrets, and how many there were.

        Raises:
            OverflowError: If there is no end of them.
        """
        if self._any.search(_bytes(text)) is None:
            return text, 0
        scrubbed, found = self._scrubbed(text)
        if found and text.startswith(("{", "[")) and _is_json(text) and not _is_json(scrubbed):
            again = self._scrubbed(_ASSIGNING.sub(r'\1"', text))
            return again if _is_json(again[0]) else (scrubbed, found)
        return scrubbed, found

    def _scrubbed(self, text: str) -> tuple[str, int]:
        raw = _bytes(text)
        found = 0
        for name, expression in self._expressions:
            raw, replaced = _scrubbed(expression, raw, marker(name).encode())
            found += replaced
        return (raw.decode("utf-8", "replace") if found else text), found

    def _is_secret_name(self, name: str) -> bool:
        """Whether a name says that a secret stands behind it."""
        return self._key_names.fullmatch(name) is not None

    def _are_plain_names(self, names: tuple[str, ...]) -> bool:
        """Whether no secret is in several names, nor stands behind one."""
        return self.is_clean(names) and not any(map(self._is_secret_name, names))


def marker(name: str) -> str:
    """Return what takes the place of a secret that the rule of that name found."""
    return f"[redacted {name}]"


@functools.cache
def default_scrubber() -> Scrubber:
    """Return the scrubber of the built-in rules and of this process's environment as it is when first asked."""
    return Scrubber(built_in(), os.environ)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _compiled(expression: str, *, captures: bool = True) -> Any:
    made = options()
    made.never_capture = not captures
    return re2.compile(expression.encode(), made)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _scrubbed(expression: Any, raw: bytes, replacement: bytes) -> tuple[bytes, int]:
    """Replace until there is nothing left: what stands behind one name may hold another."""
    found = 0
    for _ in range(_MOST_ROUNDS):
        raw, replaced = _replaced(expression, raw, replacement)
        if not replaced:
            return raw, found
        found += replaced
    raise OverflowError(f"more than {_MOST_ROUNDS} secrets within each other")


def _replaced(expression: Any, raw: bytes, replacement: bytes) -> tuple[bytes, int]:
    """Replace the first group of each match that is one, or all of the match."""
    parts: list[bytes] = []
    end = 0
    markers = [found.span() for found in _MARKER.finditer(raw)]
    for match in expression.finditer(raw):
        groups = (match.span(group) for group in range(1, expression.groups + 1))
        start, stop = _beside_markers(next((span for span in groups if span[0] >= 0), match.span()), markers)
        if not _MARKER.sub(b"", raw[start:stop]):
            continue
        parts += raw[end:start], replacement
        end = stop
    return b"".join([*parts, raw[end:]]), len(parts) // 2


def _beside_markers(span: tuple[int, int], markers: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return a span that neither begins nor ends within a marker, so that each replacement leaves less to replace."""
    start, stop = span
    for first, last in markers:
        if first < start < last:
            start = min(last, stop)
        if first < stop < last:
            stop = max(first, start)
    return start, stop
