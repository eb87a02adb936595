"""Token usage as providers report it, brought into one shape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Source(StrEnum):
    """Where a count comes from; the value of `pf_monitor.usage.source`."""

    PROVIDER = "provider"
    """The provider's own count: what is billed."""
    REPORTED = "reported"
    """The user's code said so, by `record_usage`."""
    ESTIMATED = "estimated"
    """Counted here with tiktoken, because the provider gave none."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one model call.

    Attributes:
        input_tokens: Tokens of the prompt, those read from a cache included.
        output_tokens: Tokens of the completion, those spent on reasoning included.
        cache_read_tokens: The part of the input that came out of the provider's cache.
        cache_write_tokens: The part of the input that went into it.
        reasoning_tokens: The part of the output that is not shown.
        source: Where the counts come from.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    source: Source = Source.PROVIDER


def read_usage(usage: Any) -> Usage | None:
    """Read the `usage` object of an OpenAI-style answer.

    Understands the names of chat completions and embeddings (`prompt_tokens`, `completion_tokens`) and those of the
    responses API (`input_tokens`, `output_tokens`), as attributes or as mapping keys.

    Args:
        usage: What stands under `usage` in the answer, parsed or not.

    Returns:
        The usage, or None when there is no count in it. Details that are missing, None or of a wrong type are 0.
    """
    if usage is None:
        return None
    prompt = _count(_first(usage, "prompt_tokens", "input_tokens"))
    completion = _count(_first(usage, "completion_tokens", "output_tokens"))
    if prompt is None and completion is None:
        return None
    prompt_details = _first(usage, "prompt_tokens_details", "input_tokens_details")
    completion_details = _first(usage, "completion_tokens_details", "output_tokens_details")
    return Usage(
        input_tokens=prompt or 0,
        output_tokens=completion or 0,
        cache_read_tokens=_count(_first(prompt_details, "cached_tokens")) or 0,
        reasoning_tokens=_count(_first(completion_details, "reasoning_tokens")) or 0,
    )


def _first(container: Any, *names: str) -> Any:
    """Return the first of the named members that is there and not None."""
    if container is None:
        return None
    for name in names:
        value = container.get(name) if isinstance(container, Mapping) else getattr(container, name, None)
        if value is not None:
            return value
    return None


def _count(value: Any) -> int | None:
    """Return a token count, or None for anything that is not one."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    return None
