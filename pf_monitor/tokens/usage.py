"""Token usage as providers report it, brought into one shape."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from pf_monitor.tokens.lenient import count, first, member, members


class Source(StrEnum):
    """Where a count comes from; the value of `pf_monitor.usage.source`."""

    PROVIDER = "provider"
    """The provider's own count: what is billed."""
    REPORTED = "reported"
    """The user's code said so, by `record_usage`."""
    ESTIMATED = "estimated"
    """Counted here with tiktoken, because the provider gave none."""


class Usage(NamedTuple):
    """Tokens of one model call.

    Attributes:
        input_tokens: Tokens of the prompt, those read from a cache or written to it included.
        output_tokens: Tokens of the completion, those spent on reasoning included.
        cache_read_tokens: The part of the input that came out of the provider's cache.
        cache_write_tokens: The part of the input that went into it.
        reasoning_tokens: The part of the output that is not shown.
        source: Where the counts come from.
        input_audio_tokens: The part of the input that was sound.
        output_audio_tokens: The part of the output that is.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    source: Source = Source.PROVIDER
    input_audio_tokens: int = 0
    output_audio_tokens: int = 0


_ENVELOPES = (
    "usage",  # nearly everybody
    "usage_metadata",  # Gemini's SDK; LangChain's messages
    "usageMetadata",  # Gemini's REST API
    "token_usage",  # LangChain's response_metadata and llm_output
    "response_metadata",  # LangChain's messages before usage_metadata
    "llm_output",  # LangChain's LLMResult
    "x_groq",  # Groq, on the last chunk of a stream
    "message",  # Anthropic's message_start
    "response",  # the events of a Responses stream
)
_DEEPEST_ENVELOPE = 3  # response.usage, response_metadata.token_usage, message.usage

_WHOLE_INPUT = ("prompt_tokens", "prompt_token_count", "promptTokenCount", "prompt_eval_count")
"""Counts of the whole prompt: OpenAI and whoever is compatible; Gemini twice; Ollama."""

_UNCACHED_INPUT = ("input_tokens", "inputTokens")
"""OpenAI's Responses, LangChain, Anthropic; Bedrock. The last two leave out what the cache holds."""

_OUTPUT = (
    *("completion_tokens", "output_tokens", "candidates_token_count", "candidatesTokenCount"),
    *("eval_count", "outputTokens"),
)

# What is beside the input count: https://docs.anthropic.com/en/docs/build-with-claude/prompt-caching and
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html
_BESIDE_CACHE_READ = ("cache_read_input_tokens", "cacheReadInputTokens")
_BESIDE_CACHE_WRITE = ("cache_creation_input_tokens", "cacheWriteInputTokens")

_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details", "input_token_details")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details", "output_token_details")
_CACHE_READ = ("cached_tokens", "cache_read")
_CACHE_WRITE = ("cache_creation_tokens", "cache_write_tokens", "cache_creation")
_REASONING = ("reasoning_tokens", "reasoning")
_AUDIO = ("audio_tokens", "audio")

# https://ai.google.dev/api/generate-content#UsageMetadata: the prompt's count includes the cached content, but not
# the results of tools; the candidates' count does not include the thoughts.
_TOOL_RESULTS = ("tool_use_prompt_token_count", "toolUsePromptTokenCount")
_THOUGHTS = ("thoughts_token_count", "thoughtsTokenCount")
_CACHED_CONTENT = ("cached_content_token_count", "cachedContentTokenCount")


def read_usage(usage: Any) -> Usage | None:
    """Read the usage out of what a provider's SDK or server returned.

    Understands OpenAI (chat, completions, embeddings, responses) and the servers compatible with it (vLLM, Mistral,
    Azure AI Inference, Groq, LiteLLM), Anthropic, Gemini, Ollama, Bedrock's Converse and LangChain's messages; as
    objects or as mappings.

    Args:
        usage: The usage object, or the whole answer or stream event that it stands in.

    Returns:
        The usage, or None when there is no count in it. Details that are missing, None or of a wrong type are 0.
        It never raises.
    """
    return _read(usage, _DEEPEST_ENVELOPE)


def updated(earlier: Usage | None, later: Usage | None) -> Usage | None:
    """Return a stream's usage after one more report; what the later one leaves out stays as it was.

    Reports within a stream are running totals. Anthropic tells the input in `message_start` and, in `message_delta`,
    often only the output.
    """
    if earlier is None or later is None:
        return later or earlier
    return Usage(
        input_tokens=later.input_tokens or earlier.input_tokens,
        output_tokens=later.output_tokens or earlier.output_tokens,
        cache_read_tokens=later.cache_read_tokens or earlier.cache_read_tokens,
        cache_write_tokens=later.cache_write_tokens or earlier.cache_write_tokens,
        reasoning_tokens=later.reasoning_tokens or earlier.reasoning_tokens,
        source=later.source,
        input_audio_tokens=later.input_audio_tokens or earlier.input_audio_tokens,
        output_audio_tokens=later.output_audio_tokens or earlier.output_audio_tokens,
    )


def _read(found: Any, depth: int) -> Usage | None:
    if found is None:
        return None
    found = members(found)
    whole, uncached = _counted(found, _WHOLE_INPUT), _counted(found, _UNCACHED_INPUT)
    output = _counted(found, _OUTPUT)
    if whole is not None or uncached is not None or output is not None:
        return _put_together(found, whole, uncached, output)
    if depth:
        for name in _ENVELOPES:
            usage = _read(first(found, name), depth - 1)
            if usage is not None:
                return usage
    return None


def _put_together(found: Any, whole: int | None, uncached: int | None, output: int | None) -> Usage:
    beside_read = _counted(found, _BESIDE_CACHE_READ) or 0
    beside_write = _counted(found, _BESIDE_CACHE_WRITE) or 0
    # LiteLLM repeats Anthropic's names next to a prompt count that already includes them.
    input_tokens = whole if whole is not None else (uncached or 0) + beside_read + beside_write
    input_details, output_details = members(first(found, *_INPUT_DETAILS)), members(first(found, *_OUTPUT_DETAILS))
    thoughts = _counted(found, _THOUGHTS) or 0
    return Usage(
        input_tokens=input_tokens + (_counted(found, _TOOL_RESULTS) or 0),
        output_tokens=(output or 0) + thoughts,
        cache_read_tokens=beside_read or _counted(found, _CACHED_CONTENT) or _counted(input_details, _CACHE_READ) or 0,
        cache_write_tokens=beside_write or _counted(input_details, _CACHE_WRITE) or 0,
        reasoning_tokens=thoughts or _counted(output_details, _REASONING) or 0,
        input_audio_tokens=_counted(input_details, _AUDIO) or 0,
        output_audio_tokens=_counted(output_details, _AUDIO) or 0,
    )


def _counted(container: Any, names: tuple[str, ...]) -> int | None:
    """Return the first of the named members that is a count."""
    if container is None:
        return None
    read = container.get if type(container) is dict else partial(member, container)  # on the caller's path
    for name in names:
        value = read(name)
        if value is not None and (counted := count(value)) is not None:
            return counted
    return None
