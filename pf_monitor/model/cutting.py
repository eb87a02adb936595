"""Cutting what is too long between two words: half a secret would not be known for one."""

from __future__ import annotations

_LONGEST_WORD = 256
"""Characters of a word that is dropped whole; more than any key without a shape of its own has."""

_ENDS = (" ", "\n", "\t", ",", ";")


def beginning(text: str, longest: int) -> str:
    """Return the beginning of a text, without the word through which the cut goes.

    Args:
        text: Any text.
        longest: Characters that may be kept.
    """
    if len(text) <= longest:
        return text
    least = max(0, longest - _LONGEST_WORD)
    return text[: max(least, *(text.rfind(end, least, longest) for end in _ENDS))]


def ending(text: str, longest: int) -> str:
    """Return the last lines of a text, as many as there is room for.

    Args:
        text: Any text.
        longest: Characters that may be kept.
    """
    if len(text) <= longest:
        return text
    kept = text[-longest:]
    return kept.partition("\n")[2] or kept[_LONGEST_WORD:]
