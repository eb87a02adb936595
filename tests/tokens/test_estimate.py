"""Estimates against what others published of their bills, and against requests that nobody should send."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pf_monitor.tokens import ranks
from pf_monitor.tokens.estimate import (
    Answer,
    Estimate,
    Missing,
    estimate_chat,
    estimate_completion,
    estimate_embeddings,
    estimate_responses,
)
from pf_monitor.tokens.functions import FunctionCall
from pf_monitor.tokens.texts import Method
from pf_monitor.tokens.usage import Source, Usage


@pytest.fixture(autouse=True, scope="module")
def _encodings() -> None:
    for name in ("o200k_base", "cl100k_base"):
        ranks.load(name)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


STYLE, JARGON = {"role": "system", "name": "example_user"}, {"role": "system", "name": "example_assistant"}
COOKBOOK = [
    {
        "role": "system",
        "content": "You are a helpful, pattern-following assistant that translates corporate jargon into plain "
        "English.",
    },
    {**STYLE, "content": "New synergies will help drive top-line growth."},
    {**JARGON, "content": "Things working well together will increase revenue."},
    {
        **STYLE,
        "content": "Let's circle back when we have more bandwidth to touch base on opportunities for increased "
        "leverage.",
    },
    {**JARGON, "content": "Let's talk later when we're less busy about how to do better."},
    user("This late pivot means we don't have time to boil the ocean for the client deliverable."),
]


@pytest.mark.parametrize(
    ("model", "billed"),
    [("gpt-3.5-turbo", 129), ("gpt-4-0613", 129), ("gpt-4", 129), ("gpt-4o", 124), ("gpt-4o-mini", 124)],
)
def test_the_cookbooks_example(model: str, billed: int) -> None:
    assert estimate_chat({"model": model, "messages": COOKBOOK}, []) == Estimate(billed, 0, Method.TIKTOKEN)


def function(name: str, properties: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return {"name": name, "parameters": {"type": "object", "properties": properties or {}}, **more}


NESTED = {
    "type": "object",
    "properties": {"bar": {"type": "string", "enum": ["a", "b", "c"]}, "baz": {"type": "boolean"}},
}


# Bills of gpt-3.5-turbo, published in https://github.com/hmarr/openai-chat-tokens (tests/token-counts.test.ts).
@pytest.mark.parametrize(
    ("messages", "functions", "billed"),
    [
        ([user("hello")], [], 8),
        ([{"role": "system", "content": "hello:"}], [], 9),
        ([user("hello")], [function("foo")], 31),
        ([user("hello")], [function("foo", description="Do a foo")], 36),
        ([user("hello")], [function("bing_bong", {"foo": {"type": "string"}}, description="Do a bing bong")], 49),
        (
            [user("hello")],
            [
                function(
                    "bing_bong",
                    {"foo": {"type": "string"}, "bar": {"type": "number", "description": "A number"}},
                    description="Do a bing bong",
                )
            ],
            57,
        ),
        ([user("hello")], [function("bing_bong", {"foo": NESTED}, description="Do a bing bong")], 68),
        ([{"role": "system", "content": "Hello"}, user("Hi there")], [function("do_stuff")], 35),
        ([{"role": "system", "content": "Hello:"}, user("Hi there")], [function("do_stuff")], 35),
    ],
)
def test_published_bills(messages: list[Any], functions: list[Any], billed: int) -> None:
    tools = [{"type": "function", "function": one} for one in functions]
    request = {"model": "gpt-3.5-turbo", "messages": messages}
    assert estimate_chat({**request, "tools": tools}, []).input_tokens == billed
    assert estimate_chat({**request, "functions": functions}, []).input_tokens == billed


def calculator_history(calls: int) -> list[dict[str, Any]]:
    """What somebody was billed 40 tokens for with one call, 89 with two and 114 with three.

    https://community.openai.com/t/strange-token-cost-calculation-for-tool-calls/538914
    """
    call = {"function": {"name": "calculator", "arguments": '{"a":2, "b":2}'}}
    results = [{"role": "tool", "content": "4"}] * calls
    return [user("How much is 2 plus 2?"), {"role": "assistant", "tool_calls": [call] * calls}, *results]


@pytest.mark.parametrize(("calls", "billed"), [(1, 40), (2, 89), (3, 114)])
def test_calls_in_a_prompt(calls: int, billed: int) -> None:
    request = {"model": "gpt-3.5-turbo", "messages": calculator_history(calls)}
    assert estimate_chat(request, []).input_tokens == pytest.approx(billed, rel=0.1)


def test_every_choice_counts() -> None:
    request = {"model": "gpt-4o", "messages": [user("Say this is a test")], "n": 2}
    answers = [Answer("This is a test."), Answer("This is a test.")]
    assert estimate_chat(request, answers) == Estimate(12, 10, Method.TIKTOKEN)


def test_calls_in_an_answer() -> None:
    request = {"model": "gpt-4o", "messages": [user("How warm?")]}
    one = FunctionCall("get_current_weather", '{"location":"Berlin"}')
    assert estimate_chat(request, [Answer(calls=(one,))]).output_tokens == 15
    assert estimate_chat(request, [Answer(calls=(one, one))]).output_tokens > 30


def test_an_estimate_is_marked() -> None:
    usage = estimate_embeddings({"model": "text-embedding-3-small", "input": "This is a test for embeddings"}).usage
    assert usage == Usage(6, source=Source.ESTIMATED)


@pytest.mark.parametrize(
    ("given_input", "tokens"),
    [("tent stove", 2), (["tent", "stove"], 3), ([1, 2, 3], 3), ([[1, 2], [3]], 3), (None, 0), (7, 0)],
)
def test_what_is_embedded_or_completed(given_input: object, tokens: int) -> None:
    assert estimate_embeddings({"model": "text-embedding-ada-002", "input": given_input}).input_tokens == tokens
    completion = estimate_completion({"model": "davinci-002", "prompt": given_input}, [Answer("stove")])
    assert (completion.input_tokens, completion.output_tokens) == (tokens, 2)


def test_the_responses_api() -> None:
    request = {"model": "gpt-4o-mini", "instructions": "You are a helpful assistant.", "input": "Say this is a test"}
    assert estimate_responses(request, [Answer("This is a test.")]) == Estimate(22, 6, Method.TIKTOKEN)
    parts = [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Say this is a test"}]}]
    assert estimate_responses({**request, "input": parts}, []).input_tokens == 22


def test_calls_among_the_items_of_responses_count_as_in_a_chat() -> None:
    call = {"type": "function_call", "name": "calculator", "arguments": '{"a":2, "b":2}'}
    result = {"type": "function_call_output", "output": "4"}
    given_items = [user("How much is 2 plus 2?"), call, call, result, result]
    as_items = estimate_responses({"model": "gpt-4o", "input": given_items}, [])
    assert as_items == estimate_chat({"model": "gpt-4o", "messages": calculator_history(2)}, [])


def content(part: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [part]}]}


MISSING = [
    (estimate_chat, "gpt-4o", content({"type": "image_url", "image_url": {"url": "https://a/b.png"}}), "images"),
    (estimate_chat, "gpt-4o", content({"type": "input_audio", "input_audio": {"data": ""}}), "audio"),
    (estimate_chat, "gpt-4o", content({"type": "file", "file": {"file_id": "file-1"}}), "files"),
    (estimate_chat, "llama3-8b-8192", {"messages": [user("hi")]}, "tokenizer"),
    (estimate_chat, "o3-mini", {"messages": [user("hi")]}, "reasoning"),
    (estimate_chat, "openai/gpt-5.4", {"messages": [user("hi")]}, "reasoning"),
    (estimate_chat, "gpt-4o", {"messages": [], "response_format": {"type": "json_schema"}}, "response_format"),
    (estimate_responses, "gpt-4o", {"input": "hi", "previous_response_id": "resp_1"}, "conversation"),
    (estimate_responses, "gpt-4o", {"input": [{"type": "item_reference", "id": "msg_1"}]}, "conversation"),
    (estimate_responses, "gpt-4o", {"input": "hi", "tools": [{"type": "file_search"}]}, "hosted_tools"),
    (estimate_responses, "gpt-4o", {"input": [{"type": "file_search_call"}]}, "hosted_tools"),
    (estimate_responses, "gpt-4o", {"input": [{"type": "reasoning", "summary": []}]}, "reasoning"),
]


@pytest.mark.parametrize(("api", "model", "request_", "expected"), MISSING, ids=[one[3] for one in MISSING])
def test_what_is_missing_is_said(api: Any, model: str, request_: dict[str, Any], expected: str) -> None:
    assert api({**request_, "model": model}, [Answer("Hello")]).missing == (Missing(expected),)


def test_the_model_that_answered_is_the_one_that_counts() -> None:
    request = {"model": "my-deployment", "messages": COOKBOOK}
    assert estimate_chat(request, [], "gpt-4-0613") == Estimate(129, 0, Method.TIKTOKEN)


def test_without_ranks_characters_are_counted_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranks, "at_hand", lambda _: None)
    counted = estimate_chat({"model": "gpt-4o", "messages": COOKBOOK}, [Answer("This is a test.")])
    assert counted.method is Method.CHARACTERS
    assert counted.input_tokens == pytest.approx(124, rel=0.35)
    assert counted.output_tokens == 4


NAMES = [
    *("model", "messages", "input", "prompt", "tools", "functions", "function", "name", "description", "parameters"),
    *("type", "properties", "required", "enum", "items", "anyOf", "role", "content", "text", "image_url", "url"),
    *("tool_calls", "arguments", "output", "instructions", "response_format", "detail"),
]
WORDS = [
    "user",
    "tool",
    "system",
    "function_call",
    "object",
    "array",
    "gpt-4o",
    "data:image/png;base64,iVBORw0KGgo=",
    "",
]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=8))
@settings(deadline=None)
def test_no_request_breaks_an_estimate(request_: dict[str, Any]) -> None:
    answers = [Answer("x", (FunctionCall("f", "{"), FunctionCall("g")))]
    estimates = [api(request_, answers) for api in (estimate_chat, estimate_completion, estimate_responses)]
    assert all(one.input_tokens >= 0 and one.output_tokens > 0 for one in estimates)
    assert estimate_embeddings(request_).input_tokens >= 0


def test_a_schema_may_be_as_deep_as_it_likes() -> None:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(200):
        schema = {"type": "array", "items": {"type": "object", "properties": {"a": schema}}}
    tool = {"type": "function", "function": function("f", {"a": schema})}
    assert json.dumps(tool)
    assert estimate_chat({"model": "gpt-4o", "messages": [user("hi")], "tools": [tool]}, []).input_tokens > 20
