"""Tokens as OpenAI counts them: tiktoken's o200k_base, with ranks from an installed package instead of a download."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson
import tiktoken

# The published split pattern of o200k_base. tiktoken has it too, but only inside a function that first downloads.
_PATTERN = "|".join(
    (
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
        r"""\p{N}{1,3}""",
        r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""",
        r"""\s*[\r\n]+""",
        r"""\s+(?!\S)""",
        r"""\s+""",
    )
)

# https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
_TOKENS_PER_MESSAGE = 3
_TOKENS_PER_NAME = 1
_REPLY_PRIMER = 3


@cache
def encoding() -> tiktoken.Encoding:
    """Return o200k_base, loaded once from the rank file that the `bpe-openai` package ships."""
    ranks = {}
    for line in gzip.decompress(_rank_file().read_bytes()).splitlines():
        token, rank = line.split()
        ranks[base64.b64decode(token)] = int(rank)
    return tiktoken.Encoding(
        "o200k_base",
        pat_str=_PATTERN,
        mergeable_ranks=ranks,
        special_tokens={"<|endoftext|>": 199999, "<|endofprompt|>": 200018},
    )


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


def _rank_file() -> Path:
    # Found, not imported: the package parses every encoding that it has as soon as it is imported.
    package = find_spec("bpe_openai")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("No module named 'bpe_openai'", name="bpe_openai")
    return Path(package.submodule_search_locations[0], "data", "o200k_base.tiktoken.gz")


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
