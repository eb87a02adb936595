"""Usage as the documentation or a recording of each provider shows it, and whatever else may stand in its place."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from pf_monitor.tokens.usage import Usage, read_usage, updated

SHAPES: dict[str, tuple[dict[str, Any], Usage]] = {
    "OpenAI chat": (
        {
            "prompt_tokens": 1370,
            "completion_tokens": 155,
            "total_tokens": 1525,
            "prompt_tokens_details": {"cached_tokens": 1280, "audio_tokens": 7},
            "completion_tokens_details": {"reasoning_tokens": 64, "audio_tokens": 3, "accepted_prediction_tokens": 0},
        },
        Usage(1370, 155, 1280, reasoning_tokens=64, input_audio_tokens=7, output_audio_tokens=3),
    ),
    "OpenAI embeddings": ({"prompt_tokens": 9, "total_tokens": 9}, Usage(9)),
    "OpenAI responses": (
        {
            "input_tokens": 57,
            "input_tokens_details": {"cached_tokens": 12},
            "output_tokens": 424,
            "output_tokens_details": {"reasoning_tokens": 384},
            "total_tokens": 481,
        },
        Usage(57, 424, 12, reasoning_tokens=384),
    ),
    "Anthropic": (
        {
            "input_tokens": 50,
            "cache_creation_input_tokens": 248,
            "cache_read_input_tokens": 1800,
            "cache_creation": {"ephemeral_5m_input_tokens": 248, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 503,
            "service_tier": "standard",
        },
        Usage(2098, 503, 1800, 248),
    ),
    "Anthropic without a cache": (
        {
            "input_tokens": 50,
            "output_tokens": 5,
            "cache_creation_input_tokens": None,
            "cache_read_input_tokens": None,
        },
        Usage(50, 5),
    ),
    "Azure AI Inference": ({"completion_tokens": 12, "prompt_tokens": 15, "total_tokens": 27}, Usage(15, 12)),
    "Mistral": ({"prompt_tokens": 24, "total_tokens": 26, "completion_tokens": 2}, Usage(24, 2)),
    "Gemini's SDK": (
        {
            "prompt_token_count": 100,
            "candidates_token_count": 20,
            "thoughts_token_count": 300,
            "cached_content_token_count": 64,
            "tool_use_prompt_token_count": 7,
            "total_token_count": 427,
        },
        Usage(107, 320, 64, reasoning_tokens=300),
    ),
    "Gemini's REST": (
        {
            "promptTokenCount": 100,
            "candidatesTokenCount": 20,
            "thoughtsTokenCount": 300,
            "cachedContentTokenCount": 64,
            "toolUsePromptTokenCount": 7,
            "totalTokenCount": 427,
        },
        Usage(107, 320, 64, reasoning_tokens=300),
    ),
    "Ollama": (
        {"model": "llama3.2", "done": True, "prompt_eval_count": 26, "eval_count": 298, "eval_duration": 4_709_213_000},
        Usage(26, 298),
    ),
    "vLLM": (
        {"prompt_tokens": 9, "total_tokens": 12, "completion_tokens": 3, "prompt_tokens_details": None},
        Usage(9, 3),
    ),
    "LangChain": (
        {
            "input_tokens": 350,
            "output_tokens": 240,
            "total_tokens": 590,
            "input_token_details": {"audio": 10, "cache_creation": 200, "cache_read": 100},
            "output_token_details": {"audio": 11, "reasoning": 200},
        },
        Usage(350, 240, 100, 200, 200, input_audio_tokens=10, output_audio_tokens=11),
    ),
    "LiteLLM, of Anthropic": (
        {
            "prompt_tokens": 2098,
            "completion_tokens": 503,
            "cache_creation_input_tokens": 248,
            "cache_read_input_tokens": 1800,
        },
        Usage(2098, 503, 1800, 248),
    ),
    "Bedrock Converse": (
        {"inputTokens": 10, "outputTokens": 5, "cacheReadInputTokens": 90, "cacheWriteInputTokens": 20},
        Usage(120, 5, 90, 20),
    ),
}


def as_object(value: Any) -> Any:
    """Return the same as an SDK gives it: objects with attributes."""
    return SimpleNamespace(**{k: as_object(v) for k, v in value.items()}) if isinstance(value, dict) else value


@pytest.mark.parametrize(("given_usage", "expected"), SHAPES.values(), ids=SHAPES)
def test_a_providers_usage(given_usage: dict[str, Any], expected: Usage) -> None:
    assert read_usage(given_usage) == expected
    assert read_usage(as_object(given_usage)) == expected
    assert read_usage({"usage": given_usage}) == expected


USAGE = {"input_tokens": 3, "output_tokens": 4}
ANSWERS = {
    "Gemini's SDK": SimpleNamespace(usage_metadata=SimpleNamespace(prompt_token_count=3, candidates_token_count=4)),
    "Gemini's REST": {"usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4}},
    "Groq's last chunk": {"choices": [], "x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 4}}},
    "LangChain's message": SimpleNamespace(content="", usage_metadata=USAGE, response_metadata={}),
    "LangChain's older message": SimpleNamespace(
        usage_metadata=None, response_metadata={"token_usage": {"prompt_tokens": 3, "completion_tokens": 4}}
    ),
    "LangChain's result": SimpleNamespace(llm_output={"token_usage": {"prompt_tokens": 3, "completion_tokens": 4}}),
    "Anthropic's first event": {"type": "message_start", "message": {"usage": USAGE}},
    "the last event of Responses": {"type": "response.completed", "response": {"usage": USAGE}},
}


class Model(BaseModel):
    """What SDKs make of an answer: some fields of its own, and those that it did not expect."""

    model_config = ConfigDict(extra="allow")
    total_tokens: int | None = None


class Computing(Model):
    """A model that tells one count by a property."""

    @property
    def completion_tokens(self) -> int:
        return 7


@pytest.mark.parametrize(("usage", "expected"), SHAPES.values(), ids=SHAPES)
def test_the_usage_as_a_model(usage: dict[str, Any], expected: Usage) -> None:
    assert read_usage(Model.model_validate(usage)) == expected


def test_a_property_of_a_model_counts() -> None:
    assert read_usage(Computing.model_validate({"prompt_tokens": 3})) == Usage(3, 7)


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_the_usage_in_an_answer(answer: object) -> None:
    assert read_usage(answer) == Usage(3, 4)


def test_the_totals_of_a_stream_come_in_parts() -> None:
    start = read_usage({"message": {"usage": {"input_tokens": 5, "cache_read_input_tokens": 90, "output_tokens": 1}}})
    end = read_usage({"type": "message_delta", "usage": {"output_tokens": 13}})
    assert updated(start, end) == Usage(95, 13, 90)
    assert updated(None, end) == end
    assert updated(start, None) == start
    assert updated(None, None) is None


class Grumpy:
    """A stranger whose every property raises."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


NAMES = sorted({name for usage, _ in SHAPES.values() for name in usage} | {"usage", "message", "response", "x_groq"})
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=5)
    | st.binary(max_size=5)
    | st.complex_numbers()
    | st.builds(Grumpy),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8) | VALUES)
def test_nothing_breaks_or_warns(value: object) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        usage = read_usage(value)
        assert usage == read_usage(as_object(value)) or not isinstance(value, dict)
    if usage is not None:
        counts = (usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.reasoning_tokens)
        assert all(type(count) is int and 0 <= count < 2**63 for count in counts)


@pytest.mark.parametrize("wrong", [None, -1, "12", True, 1.5, float("nan"), float("inf"), [], {"n": 1}, 10**30])
def test_what_is_no_count_is_none(wrong: object) -> None:
    assert read_usage({"prompt_tokens": wrong, "completion_tokens": wrong}) is None
    assert read_usage({"prompt_tokens": 5, "completion_tokens": wrong, "prompt_tokens_details": wrong}) == Usage(5)


def test_a_whole_float_is_a_count() -> None:
    assert read_usage({"prompt_tokens": 5.0, "completion_tokens": 2.0}) == Usage(5, 2)
