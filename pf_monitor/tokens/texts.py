"""Count the tokens of texts, in bounded time however long or strange they are."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING

from pf_monitor.tokens import ranks

if TYPE_CHECKING:
    from collections.abc import Iterator

    import tiktoken

COUNTED_CHARACTERS = 400_000
"""How much text of one call is counted in full, in characters: some 100,000 tokens, and a tenth of a second."""

_PIECE = 4_000
"""Longest text that tiktoken gets at once, in characters: its time grows with the square of a run without a break."""

_BYTES_PER_TOKEN = 4
"""One token is about four characters of English text (https://help.openai.com/en/articles/4936856). Bytes of UTF-8
instead of characters say the same of English, and come nearer for scripts that need a token for each character."""

_UP_TO_LAST_WORD = re.compile(r".*\S(?= )", re.DOTALL)
"""No published split pattern has a piece that goes on past a space after a word or a sign."""


class Method(StrEnum):
    """How a text was counted."""

    TIKTOKEN = "tiktoken"
    CHARACTERS = "characters"


class TextCounter:
    """Counts the texts of one call.

    Once the texts together are longer than `COUNTED_CHARACTERS`, the rest of them is counted by evenly spread samples,
    and then by the ratio found so far.

    Args:
        encoding: The model's, or None to count by characters.
    """

    def __init__(self, encoding: tiktoken.Encoding | None) -> None:
        self._encoding = encoding
        self._left = COUNTED_CHARACTERS
        self._characters = 0
        self._tokens = 0

    @classmethod
    def for_encoding(cls, name: str) -> TextCounter:
        """Return a counter with the named encoding, or by characters while that is not loaded; never waits."""
        return cls(ranks.at_hand(name))

    @property
    def method(self) -> Method:
        """How this counts."""
        return Method.CHARACTERS if self._encoding is None else Method.TIKTOKEN

    def count(self, text: str) -> int:
        """Return the number of tokens in a text."""
        if not text:
            return 0
        if self._encoding is None:
            size = len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))
            return max(1, round(size / _BYTES_PER_TOKEN))
        if len(text) <= self._left:
            return sum(self._count_piece(piece) for piece in _pieces(text))
        return self._sampled(text)

    def _count_piece(self, piece: str) -> int:
        assert self._encoding is not None  # noqa: S101 - for the type checker; only `count` comes here
        tokens = len(self._encoding.encode_ordinary(piece))
        self._left -= len(piece)
        self._characters += len(piece)
        self._tokens += tokens
        return tokens

    def _sampled(self, text: str) -> int:
        characters, tokens = self._characters, self._tokens
        samples = self._left // _PIECE
        if not samples:
            return round(len(text) * tokens / characters)
        for number in range(samples):
            start = (len(text) - _PIECE) * number // max(samples - 1, 1)
            self._count_piece(text[start : start + _PIECE])
        return round(len(text) * (self._tokens - tokens) / (self._characters - characters))


def _pieces(text: str) -> Iterator[str]:
    """Cut a text into pieces, between words where there are any: there, no token goes across."""
    start = 0
    while len(text) - start > _PIECE:
        words = _UP_TO_LAST_WORD.match(text, start, start + _PIECE)
        end = words.end() if words is not None else start + _PIECE
        yield text[start:end]
        start = end
    yield text[start:]
