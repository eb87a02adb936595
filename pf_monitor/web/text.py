"""Text from outside, made harmless to show.

What people ask and models answer may hold anything: markup is escaped by Jinja and by `markup`; what neither of
them touches is dealt with here.
"""

from __future__ import annotations

from typing import Final

_KEPT: Final = frozenset("\n\t")

_PICTURES: Final = (
    {code: 0x2400 + code for code in range(0x20) if chr(code) not in _KEPT}
    | {0x7F: 0x2421}
    # No encoding has lone surrogates, and the C1 controls have no pictures.
    | dict.fromkeys((*range(0x80, 0xA0), *range(0xD800, 0xE000)), 0xFFFD)
)


def visible(text: str) -> str:
    """Show control characters by their pictures (`␀`), and what cannot be encoded by `�`."""
    return text.translate(_PICTURES)
