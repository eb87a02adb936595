"""Model calls of the real `openai` client, against a stand-in model that is really served."""

from __future__ import annotations

import json
from contextlib import suppress

import openai
import pytest

import pf_monitor
from pf_monitor.instrument.openai import hook

MESSAGES = [
    {"role": "system", "content": "Answer from the context.\n\nContext:\n\nThe Larkspur tent weighs 2 kg."},
    {"role": "user", "content": "What does the Larkspur tent weigh?"},
]


@pytest.fixture
def client(stand_in):
    with openai.OpenAI(base_url=stand_in.base_url, api_key="stand-in", max_retries=0) as made:
        yield made


@pytest.fixture
def azure(stand_in):
    with openai.AzureOpenAI(
        azure_endpoint=stand_in.url, api_key="stand-in", api_version="2024-10-21", max_retries=0
    ) as made:
        yield made


def only_span(monitor):
    [row] = monitor.rows("dependencies")
    return row, row["customDimensions"]


def billed(stand_in):
    totals = stand_in.ledger()["totals"]
    return str(totals["prompt_tokens"]), str(totals["completion_tokens"])


def counted(span):
    return span["gen_ai.usage.input_tokens"], span.get("gen_ai.usage.output_tokens")


def test_chat(monitor, client, stand_in):
    answer = client.chat.completions.create(model="stand-in", messages=MESSAGES, temperature=0.5)
    row, span = only_span(monitor)
    assert row["name"] == "chat stand-in"
    assert row["type"] == "GenAI | openai"
    assert row["target"] == stand_in.url.removeprefix("http://")
    assert counted(span) == billed(stand_in)
    assert json.loads(span.pop("gen_ai.input.messages")) == [
        {"role": m["role"], "parts": [{"type": "text", "content": m["content"]}]} for m in MESSAGES
    ]
    assert json.loads(span.pop("gen_ai.output.messages")) == [
        {
            "role": "assistant",
            "parts": [{"type": "text", "content": answer.choices[0].message.content}],
            "finish_reason": "stop",
        }
    ]
    for changing in ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "pf_monitor.request_id"):
        del span[changing]
    assert span == {
        "pf_monitor.kind": "llm",
        "pf_monitor.outcome": "ok",
        "pf_monitor.usage.source": "provider",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.system": "openai",
        "gen_ai.request.model": "stand-in",
        "gen_ai.request.temperature": "0.5",
        "gen_ai.response.model": "stand-in",
        "gen_ai.response.id": answer.id,
        "gen_ai.response.finish_reasons": '["stop"]',
    }


async def test_async_chat(monitor, stand_in):
    async with openai.AsyncOpenAI(base_url=stand_in.base_url, api_key="stand-in") as client:
        await client.chat.completions.create(model="stand-in", messages=MESSAGES)
    _, span = only_span(monitor)
    assert counted(span) == billed(stand_in)


def test_azure(monitor, azure, stand_in):
    azure.chat.completions.create(model="my-deployment", messages=MESSAGES)
    row, span = only_span(monitor)
    assert row["name"] == "chat my-deployment"
    assert span["gen_ai.provider.name"] == "azure.ai.openai"
    assert counted(span) == billed(stand_in)


def test_completions(monitor, client, stand_in):
    client.completions.create(model="stand-in", prompt="Once upon a time")
    row, span = only_span(monitor)
    assert row["name"] == "text_completion stand-in"
    assert counted(span) == billed(stand_in)


def test_embeddings(monitor, client, stand_in):
    client.embeddings.create(model="stand-in", input=["tent", "stove"])
    row, span = only_span(monitor)
    assert row["name"] == "embeddings stand-in"
    assert span["pf_monitor.kind"] == "embedding"
    assert counted(span) == billed(stand_in)
    assert span["inputs"] == '{"input":["tent","stove"]}'


def test_responses(monitor, client, stand_in):
    answer = client.responses.create(model="stand-in", instructions="Be brief.", input="What does it weigh?")
    _, span = only_span(monitor)
    assert counted(span) == billed(stand_in)
    assert json.loads(span["gen_ai.system_instructions"]) == [{"type": "text", "content": "Be brief."}]
    [message] = json.loads(span["gen_ai.output.messages"])
    assert message["parts"] == [{"type": "text", "content": answer.output_text}]


def test_a_stream_with_usage(monitor, client, stand_in):
    stream = client.chat.completions.create(
        model="stand-in", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    assert isinstance(stream, openai.Stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
    _, span = only_span(monitor)
    assert counted(span) == billed(stand_in)
    assert json.loads(span["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": text}]
    assert float(span["gen_ai.response.time_to_first_chunk"]) > 0
    assert span["gen_ai.request.stream"] == "True"


async def test_an_async_stream_with_usage(monitor, stand_in):
    async with openai.AsyncOpenAI(base_url=stand_in.base_url, api_key="stand-in") as client:
        stream = await client.chat.completions.create(
            model="stand-in", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
        )
        assert isinstance(stream, openai.AsyncStream)
        assert [chunk async for chunk in stream]
    _, span = only_span(monitor)
    assert counted(span) == billed(stand_in)


def test_a_responses_stream(monitor, client, stand_in):
    text = ""
    for event in client.responses.create(model="stand-in", input="What does it weigh?", stream=True):
        if event.type == "response.output_text.delta":
            text += event.delta
    _, span = only_span(monitor)
    assert counted(span) == billed(stand_in)
    assert json.loads(span["gen_ai.output.messages"])[0]["parts"] == [{"type": "text", "content": text}]


def test_a_stream_closed_early_is_abandoned(monitor, client):
    with client.chat.completions.create(model="stand-in", messages=MESSAGES, stream=True) as stream:
        next(stream)
    _, span = only_span(monitor)
    assert span["pf_monitor.outcome"] == "abandoned"


def test_a_failed_call_is_an_error_and_raises_what_it_would(monitor, client, stand_in):
    stand_in.script({"when_prompt_contains": "Larkspur", "then": {"fail": 429}})
    with pytest.raises(openai.RateLimitError):
        client.chat.completions.create(model="stand-in", messages=MESSAGES)
    row, span = only_span(monitor)
    assert (row["success"], span["pf_monitor.outcome"]) == ("False", "error")
    assert span["pf_monitor.error.type"] == "openai.RateLimitError"
    [error] = monitor.rows("exceptions")
    assert error["type"] == "openai.RateLimitError"
    assert error["operation_ParentId"] == row["id"]


def test_a_failed_call_shows_the_users_code_that_made_it(monitor, client, stand_in):
    stand_in.script({"when_prompt_contains": "Larkspur", "then": {"fail": 429}})

    @pf_monitor.flow
    def flow(question):
        return ask(question)

    def ask(question):
        return client.chat.completions.create(model="stand-in", messages=MESSAGES)

    with pytest.raises(openai.RateLimitError):
        flow("q")
    [error] = monitor.rows("exceptions")
    stack = str(error["details"])
    assert stack.index("in flow") < stack.index("in ask") < stack.index("_base_client.py")
    assert "drivers.py" not in stack


@pytest.mark.parametrize(
    ("provider", "named", "not_named"),
    [
        ("client", "x_client_request_id", "x_ms_client_request_id"),
        ("azure", "x_ms_client_request_id", "x_client_request_id"),
    ],
)
def test_a_call_carries_what_joins_the_providers_log(monitor, request, stand_in, provider, named, not_named):
    client = request.getfixturevalue(provider)

    @pf_monitor.flow
    def flow(question):
        pf_monitor.set_correlation(request_id="req-7")
        client.chat.completions.create(model="stand-in", messages=MESSAGES)

    flow("q")
    [row] = monitor.rows("dependencies")
    [received] = stand_in.ledger()["requests"]
    assert received["traceparent"] == f"00-{row['operation_Id']}-{row['id']}-01"
    assert received[named] == "req-7"
    assert received[not_named] is None


def test_headers_that_the_user_sets_stay(monitor, client, stand_in):
    client.chat.completions.create(model="stand-in", messages=MESSAGES, extra_headers={"X-Client-Request-Id": "mine"})
    [received] = stand_in.ledger()["requests"]
    assert received["x_client_request_id"] == "mine"


@pytest.fixture
def own_client(monkeypatch):
    """The one that the package makes of its own settings, and asks for its address at each call."""
    openai._reset_client()
    monkeypatch.setattr(openai, "base_url", "http://127.0.0.1:1/v1/")
    monkeypatch.setattr(openai, "api_key", "stand-in")
    monkeypatch.setattr(openai, "max_retries", 0)
    yield openai
    openai._client.close()
    openai._reset_client()


@pytest.mark.parametrize("provider", ["client", "own_client"])
def test_the_target_is_where_the_call_goes_when_the_address_is_changed(monitor, request, stand_in, provider):
    client = request.getfixturevalue(provider)
    for address in ("http://127.0.0.1:1/v1/", f"{stand_in.base_url}/"):
        client.base_url = address
        with suppress(openai.APIConnectionError):
            client.chat.completions.create(model="stand-in", messages=MESSAGES)
    first, second = monitor.rows("dependencies")
    assert (first["target"], first["success"]) == ("127.0.0.1:1", "False")
    assert (second["target"], second["success"]) == (stand_in.url.removeprefix("http://"), "True")


def test_a_raw_response_is_read_too(monitor, client, stand_in):
    raw = client.chat.completions.with_raw_response.create(model="stand-in", messages=MESSAGES)
    assert raw.parse().model == "stand-in"
    _, span = only_span(monitor)
    assert counted(span) == billed(stand_in)


def test_a_long_answer_is_read_of_what_the_caller_gets_and_is_the_same(monitor, client, stand_in, monkeypatch):
    answer = client.chat.completions.create(model="stand-in", messages=MESSAGES)
    monkeypatch.setattr(hook, "_MOST_READ", 0)
    client.chat.completions.create(model="stand-in", messages=MESSAGES)
    first, second = (row["customDimensions"] for row in monitor.rows("dependencies"))
    assert answer.choices[0].message.content in first["gen_ai.output.messages"]
    different = {"gen_ai.response.id", "pf_monitor.request_id"}
    assert {k: v for k, v in first.items() if k not in different} == {
        k: v for k, v in second.items() if k not in different
    }


def test_what_is_no_model_call_is_not_recorded(monitor, client):
    client.models.list()
    assert monitor.spans() == {}
