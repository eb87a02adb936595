from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from pf_monitor.standin import StandIn, counting

MESSAGES: Any = [
    {"role": "system", "content": "Answer from the text.\n\nContext:\n\nThe kayak is red. The paddle is 220 cm long."},
    {"role": "user", "content": "How long is the paddle?"},
]
ANSWER = "The paddle is 220 cm long."
PROMPT_TOKENS = counting.count_chat(MESSAGES)
ANSWER_TOKENS = counting.count(ANSWER)


def billed(stand_in: StandIn) -> tuple[int, int, int]:
    totals = stand_in.ledger()["totals"]
    return totals["calls"], totals["prompt_tokens"], totals["completion_tokens"]


def test_chat(client: openai.OpenAI, stand_in: StandIn) -> None:
    completion = client.chat.completions.create(model="stand-in", messages=MESSAGES)

    assert completion.id == "chatcmpl-standin-00000001"
    assert completion.model == "stand-in"
    assert completion.choices[0].message.content == ANSWER
    assert completion.choices[0].finish_reason == "stop"
    assert completion.usage is not None
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens) == (PROMPT_TOKENS, ANSWER_TOKENS)
    assert billed(stand_in) == (1, PROMPT_TOKENS, ANSWER_TOKENS)


async def test_chat_async_with_a_stream(stand_in: StandIn) -> None:
    async with openai.AsyncOpenAI(base_url=stand_in.base_url, api_key="stand-in") as client:
        stream = await client.chat.completions.create(model="stand-in", messages=MESSAGES, stream=True)
        chunks = [chunk async for chunk in stream]

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all("usage" not in chunk.model_fields_set for chunk in chunks)
    assert billed(stand_in) == (1, PROMPT_TOKENS, ANSWER_TOKENS)


def test_a_stream_ends_with_the_usage_when_asked(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="stand-in", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)

    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in chunks)
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (PROMPT_TOKENS, ANSWER_TOKENS)


def test_choices_are_streamed_side_by_side(client: openai.OpenAI, stand_in: StandIn) -> None:
    texts = {0: "", 1: ""}
    for chunk in client.chat.completions.create(model="stand-in", messages=MESSAGES, stream=True, n=2):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""

    assert texts == {0: ANSWER, 1: ANSWER}  # one sentence matches, so it has to do for both
    assert billed(stand_in) == (1, PROMPT_TOKENS, 2 * ANSWER_TOKENS)


def test_an_answer_is_cut_at_the_limit(client: openai.OpenAI, stand_in: StandIn) -> None:
    completion = client.chat.completions.create(model="stand-in", messages=MESSAGES, max_tokens=3)

    assert completion.choices[0].finish_reason == "length"
    assert completion.choices[0].message.content == "The paddle is"
    assert billed(stand_in) == (1, PROMPT_TOKENS, 3)


TOOL: Any = {
    "type": "function",
    "function": {
        "name": "look_up",
        "parameters": {
            "type": "object",
            "properties": {"query": {"type": "string"}, "limit": {"type": "integer"}, "exact": {"type": "boolean"}},
            "required": ["query", "limit"],
        },
    },
}
CHOICES: list[Any] = ["required", {"type": "function", "function": {"name": "look_up"}}]


@pytest.mark.parametrize("choice", CHOICES)
def test_a_forced_function_is_called(client: openai.OpenAI, choice: Any) -> None:
    completion = client.chat.completions.create(model="stand-in", messages=MESSAGES, tools=[TOOL], tool_choice=choice)

    assert completion.choices[0].finish_reason == "tool_calls"
    assert completion.choices[0].message.content is None
    calls = completion.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name == "look_up"
    assert calls[0].function.arguments == '{"query":"How long is the paddle?","limit":0}'


def test_a_function_call_is_streamed(client: openai.OpenAI, stand_in: StandIn) -> None:
    with client.chat.completions.stream(
        model="stand-in", messages=MESSAGES, tools=[TOOL], tool_choice="required"
    ) as stream:
        message = stream.get_final_completion().choices[0].message

    assert message.tool_calls is not None
    assert message.tool_calls[0].function.arguments == '{"query":"How long is the paddle?","limit":0}'
    assert billed(stand_in)[2] == counting.count('{"query":"How long is the paddle?","limit":0}')


def test_completions(client: openai.OpenAI, stand_in: StandIn) -> None:
    prompt = "The paddle is 220 cm long.\n\nHow long is the paddle?"
    completion = client.completions.create(model="stand-in", prompt=prompt)
    stream = list(
        client.completions.create(model="stand-in", prompt=prompt, stream=True, stream_options={"include_usage": True})
    )

    assert completion.choices[0].text == ANSWER
    assert completion.usage is not None
    assert completion.usage.completion_tokens == ANSWER_TOKENS
    assert "".join(chunk.choices[0].text for chunk in stream[:-1]) == ANSWER
    assert stream[-1].choices == []
    assert stream[-1].usage == completion.usage
    assert billed(stand_in) == (2, 2 * counting.count(prompt), 2 * ANSWER_TOKENS)


@pytest.mark.parametrize("given", ["How long?", ["How long?"], counting.encoding().encode("How long?")])
def test_embeddings(client: openai.OpenAI, stand_in: StandIn, given: Any) -> None:
    embedded = client.embeddings.create(model="stand-in-embedding", input=given)  # the client asks for base64
    floats = client.embeddings.create(model="stand-in-embedding", input=given, encoding_format="float")

    assert embedded.model == "stand-in-embedding"
    assert embedded.data[0].embedding == pytest.approx(floats.data[0].embedding)
    assert sum(value**2 for value in embedded.data[0].embedding) == pytest.approx(1)
    assert embedded.usage.prompt_tokens == counting.count("How long?")
    assert billed(stand_in) == (2, 2 * counting.count("How long?"), 0)


def test_texts_with_words_in_common_are_close(client: openai.OpenAI) -> None:
    data = client.embeddings.create(
        model="stand-in", input=["a red kayak", "the red kayaks", "gas for stoves"], dimensions=64
    ).data
    red, reds, gas = (item.embedding for item in data)
    assert len(red) == 64
    assert sum(a * b for a, b in zip(red, reds, strict=True)) == pytest.approx(1)
    assert sum(a * b for a, b in zip(red, gas, strict=True)) < 0.5


def test_responses(client: openai.OpenAI, stand_in: StandIn) -> None:
    instructions = MESSAGES[0]["content"]
    response = client.responses.create(model="stand-in", instructions=instructions, input="How long is the paddle?")

    assert response.output_text == ANSWER
    assert response.status == "completed"
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (PROMPT_TOKENS, ANSWER_TOKENS)
    assert billed(stand_in) == (1, PROMPT_TOKENS, ANSWER_TOKENS)


def test_responses_as_a_stream(client: openai.OpenAI, stand_in: StandIn) -> None:
    events = list(client.responses.create(model="stand-in", input=MESSAGES, stream=True))

    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == ANSWER
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == ANSWER
    assert last.response.usage is not None
    assert last.response.usage.output_tokens == ANSWER_TOKENS
    assert billed(stand_in) == (1, PROMPT_TOKENS, ANSWER_TOKENS)


async def test_responses_helper_async(stand_in: StandIn) -> None:
    async with (
        openai.AsyncOpenAI(base_url=stand_in.base_url, api_key="stand-in") as client,
        client.responses.stream(model="stand-in", input=MESSAGES) as stream,
    ):
        final = await stream.get_final_response()
    assert final.output_text == ANSWER


def test_azure_names_the_deployment_in_the_path(azure: openai.AzureOpenAI, stand_in: StandIn) -> None:
    completion = azure.chat.completions.create(
        model="my-deployment", messages=MESSAGES, extra_headers={"x-ms-client-request-id": "c-1"}
    )

    assert completion.choices[0].message.content == ANSWER
    [request] = stand_in.ledger()["requests"]
    assert request["path"] == "/openai/deployments/my-deployment/chat/completions"
    assert (request["requested_model"], request["model"]) == ("my-deployment", "stand-in")
    assert request["x_ms_client_request_id"] == "c-1"


def test_azure_opens_a_stream_with_its_verdict_on_the_prompt(azure: openai.AzureOpenAI) -> None:
    first, *chunks = azure.chat.completions.create(model="my-deployment", messages=MESSAGES, stream=True)
    assert (first.choices, first.model, first.id) == ([], "", "")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == ANSWER


def test_azure_embeddings_and_responses(azure: openai.AzureOpenAI) -> None:
    assert azure.embeddings.create(model="my-deployment", input="x").data[0].embedding
    assert azure.responses.create(model="my-deployment", input=MESSAGES).output_text == ANSWER


def test_azure_insists_on_a_version(stand_in: StandIn) -> None:
    response = httpx.post(f"{stand_in.url}/openai/deployments/d/chat/completions", json={"messages": MESSAGES})
    assert response.status_code == 404


@pytest.mark.parametrize(
    ("asked", "answers"),
    [("gpt-4o", "stand-in"), ("stand-in-large", "stand-in-large"), ("stand-infamous", "stand-in")],
)
def test_never_answers_under_a_real_models_name(client: openai.OpenAI, asked: str, answers: str) -> None:
    assert client.chat.completions.create(model=asked, messages=MESSAGES).model == answers


def test_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["stand-in"]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"{", "could not parse"),
        (b"[]", "must be a JSON object"),
        (b"{}", "Missing required parameter: 'messages'"),
        (b'{"messages": "hello"}', "expected an array of objects"),
        (b'{"messages": [{"role": "user"}], "stream_options": {}}', "only allowed when 'stream'"),
        (b'{"messages": [{"role": "user"}], "n": "many"}', "'n'"),
        (b'{"messages": [{"role": "user"}], "tools": "hammer"}', "'tools'"),
    ],
)
def test_a_bad_request_is_refused_and_billed_nothing(stand_in: StandIn, body: bytes, complaint: str) -> None:
    response = httpx.post(f"{stand_in.base_url}/chat/completions", content=body)

    assert response.status_code == 400
    assert complaint in response.json()["error"]["message"]
    assert stand_in.ledger()["totals"]["prompt_tokens"] == 0
