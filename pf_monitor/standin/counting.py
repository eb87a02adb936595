"""Tokens as OpenAI counts them: tiktoken's o200k_base, with ranks that are never downloaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from pf_monitor.tokens import ranks

if TYPE_CHECKING:
    import tiktoken

# https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
_TOKENS_PER_MESSAGE = 3
_TOKENS_PER_NAME = 1
_REPLY_PRIMER = 3


def encoding() -> tiktoken.Encoding:
    """Return o200k_base, loaded once from a rank file on this machine."""
    return ranks.load("o200k_base")


def count(text: str) -> int:
    """Return the number of tokens in a text."""
    return len(encoding().encode_ordinary(text))


def cut(text: str, limit: int | None) -> tuple[str, bool]:
    """Return a text cut to a number of tokens, and whether anything was cut."""
    tokens = encoding().encode_ordinary(text)
    if limit is None or len(tokens) <= limit:
        return text, False
    return encoding().decode(tokens[:limit], errors="ignore"), True


def count_chat(messages: Iterable[Mapping[str, Any]], tools: object = None) -> int:
    """Return the prompt tokens of a chat, by the formula in OpenAI's cookbook.

    The cookbook covers text. Parts that are not text and the definitions of tools, for which no formula is published,
    count as their compact JSON.
    """
    total = _REPLY_PRIMER
    for message in messages:
        total += _TOKENS_PER_MESSAGE
        for key, value in message.items():
            total += _count_value(value)
            if key == "name":
                total += _TOKENS_PER_NAME
    return total + (_count_value(tools) if tools else 0)


def _count_value(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, str):
        return count(value)
    if isinstance(value, list):
        return sum(
            count(part["text"]) if isinstance(part, dict) and isinstance(part.get("text"), str) else _count_json(part)
            for part in value
        )
    return _count_json(value)


def _count_json(value: object) -> int:
    return count(orjson.dumps(value).decode())
