"""Streams: the provider's own count, whoever asked for it, and the chunks that the caller would have seen."""

from __future__ import annotations

import gc
import json

import httpx
import openai
import pytest

from pf_monitor import runtime
from pf_monitor.instrument.openai import asking
from pf_monitor.tokens import ranks

MESSAGES = [
    {"role": "system", "content": "Answer from the context.\n\nContext:\n\nThe Larkspur tent weighs 2 kg."},
    {"role": "user", "content": "What does the Larkspur tent weigh?"},
]
QUESTION = {"model": "stand-in", "messages": MESSAGES}
ASKED = {"stream_options": {"include_usage": True}}


@pytest.fixture
def client(stand_in):
    with openai.OpenAI(base_url=stand_in.base_url, api_key="stand-in", max_retries=0) as made:
        yield made


@pytest.fixture
async def async_client(stand_in):
    async with openai.AsyncOpenAI(base_url=stand_in.base_url, api_key="stand-in", max_retries=0) as made:
        yield made


@pytest.fixture(autouse=True, scope="module")
def rank_files_at_hand():
    ranks.load("o200k_base")


@pytest.fixture(autouse=True)
def nobody_has_refused_yet(monkeypatch):
    monkeypatch.setattr(asking, "_refusing", set())


def plain(chunks):
    """Return chunks as they came over the wire, without what differs from call to call."""
    told = [chunk if isinstance(chunk, dict) else chunk.to_dict() for chunk in chunks]
    return [{name: value for name, value in chunk.items() if name not in ("id", "created")} for chunk in told]


def create(client, **options):
    return plain(client.chat.completions.create(**QUESTION, **options, stream=True))


def helper(client, **options):
    with client.chat.completions.stream(**QUESTION, **options) as stream:
        return [event.type for event in stream]


def raw_parsed(client, **options):
    return plain(client.chat.completions.with_raw_response.create(**QUESTION, **options, stream=True).parse())


def raw_lines(client, **options):
    response = client.chat.completions.with_raw_response.create(**QUESTION, **options, stream=True)
    return lines(response.http_response.iter_lines())


def streaming_lines(client, **options):
    with client.chat.completions.with_streaming_response.create(**QUESTION, **options, stream=True) as response:
        return lines(response.iter_lines())


def streaming_parsed(client, **options):
    with client.chat.completions.with_streaming_response.create(**QUESTION, **options, stream=True) as response:
        return plain(response.parse())


def completions(client, **options):
    return plain(client.completions.create(model="stand-in", prompt="Once upon a time", stream=True, **options))


def lines(given):
    data = [line[6:] for line in given if line.startswith("data: ")]
    return [*plain([json.loads(line) for line in data if line != "[DONE]"]), data[-1]]


WAYS = [create, helper, raw_parsed, raw_lines, streaming_lines, streaming_parsed, completions]


@pytest.mark.parametrize(
    "options", [{}, ASKED, {"stream_options": {"include_usage": False}}], ids=["not asked", "asked", "declined"]
)
@pytest.mark.parametrize("way", WAYS)
def test_the_caller_sees_the_same_and_the_count_is_the_providers(monitor, client, stand_in, way, options):
    if way is helper and options == {"stream_options": {"include_usage": False}}:
        options = {}
    seen = way(client, **options)
    [row] = monitor.rows("dependencies")
    span = row["customDimensions"]
    totals = stand_in.ledger()["totals"]
    assert span["gen_ai.usage.input_tokens"] == str(totals["prompt_tokens"])
    assert span["gen_ai.usage.output_tokens"] == str(totals["completion_tokens"])
    assert (span["pf_monitor.usage.source"], span["pf_monitor.outcome"]) == ("provider", "ok")
    assert "2 kg" in span["gen_ai.output.messages"] or way is completions

    runtime.stop()
    assert way(client, **options) == seen


async def test_async(monitor, async_client, stand_in):
    stream = await async_client.chat.completions.create(**QUESTION, stream=True)
    seen = plain([chunk async for chunk in stream])
    async with async_client.chat.completions.with_streaming_response.create(**QUESTION, stream=True) as response:
        assert lines([line async for line in response.iter_lines()])[:-1] == seen
    rows = monitor.rows("dependencies")
    totals = stand_in.ledger()["totals"]
    assert sum(int(row["customDimensions"]["gen_ai.usage.input_tokens"]) for row in rows) == totals["prompt_tokens"]
    assert (
        sum(int(row["customDimensions"]["gen_ai.usage.output_tokens"]) for row in rows) == totals["completion_tokens"]
    )
    runtime.stop()
    stream = await async_client.chat.completions.create(**QUESTION, stream=True)
    assert plain([chunk async for chunk in stream]) == seen


async def test_async_azure(monitor, stand_in):
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=stand_in.url, api_key="stand-in", api_version="2024-10-21", max_retries=0
    ) as client:
        stream = await client.chat.completions.create(**QUESTION, stream=True)
        assert [chunk async for chunk in stream]
    [row] = monitor.rows("dependencies")
    assert row["customDimensions"]["gen_ai.usage.output_tokens"] == str(
        stand_in.ledger()["totals"]["completion_tokens"]
    )


@pytest.mark.parametrize("cut", [1, 20, 60, -30, -17, -1])
def test_an_event_that_comes_in_two_pieces_is_shown_whole(monitor, cut):
    """How a network cuts a stream is chance; here it is chosen, by a transport that gives what it is told."""
    events = [
        b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"%b"}}],"usage":null}\n\n' % word
        for word in (b"one", b" two", b" three")
    ]
    usage = {"id": "c", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}}
    last = b"data: %b\n\ndata: [DONE]\n\n" % json.dumps(usage).encode()
    pieces = [events[0], events[1][:cut], events[1][cut:], events[2], last]

    def answer(_request):
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=iter(pieces))

    with openai.OpenAI(api_key="none", http_client=httpx.Client(transport=httpx.MockTransport(answer))) as client:
        chunks = list(client.chat.completions.create(**QUESTION, stream=True))
    assert [chunk.choices[0].delta.content for chunk in chunks] == ["one", " two", " three"]
    assert not any("usage" in chunk.model_fields_set for chunk in chunks)
    [row] = monitor.rows("dependencies")
    assert row["customDimensions"]["gen_ai.usage.output_tokens"] == "3"


def test_a_whole_answer_read_by_streaming_response(monitor, client, stand_in):
    with client.chat.completions.with_streaming_response.create(**QUESTION) as response:
        answer = json.loads(b"".join(response.iter_bytes()))
    [row] = monitor.rows("dependencies")
    assert row["customDimensions"]["gen_ai.response.id"] == answer["id"]
    assert row["customDimensions"]["gen_ai.usage.input_tokens"] == str(stand_in.ledger()["totals"]["prompt_tokens"])


def test_how_long_a_stream_took_is_told_as_without_us(monitor, client):
    with client.chat.completions.with_streaming_response.create(**QUESTION, stream=True) as response:
        list(response.iter_lines())
    assert response.http_response.elapsed.total_seconds() > 0


async def test_how_long_an_async_stream_took_is_told_as_without_us(monitor, async_client):
    async with async_client.chat.completions.with_streaming_response.create(**QUESTION, stream=True) as response:
        assert [line async for line in response.iter_lines()]
    assert response.http_response.elapsed.total_seconds() > 0


def test_parse(monitor, client, stand_in):
    client.chat.completions.parse(**QUESTION)
    [row] = monitor.rows("dependencies")
    assert row["customDimensions"]["gen_ai.usage.input_tokens"] == str(stand_in.ledger()["totals"]["prompt_tokens"])


def test_a_server_that_refuses_is_asked_without_and_not_asked_again(monitor, client, stand_in):
    stand_in.script({"then": {"refuse": "stream_options"}})
    first = create(client)
    assert create(client) == first
    assert asking._refusing == {(f"{stand_in.base_url}/", "stand-in")}
    assert monitor.rows("exceptions") == []
    totals = stand_in.ledger()["totals"]
    spans = [row["customDimensions"] for row in monitor.rows("dependencies")]
    assert len(spans) == 2
    for span in spans:
        assert span["pf_monitor.outcome"] == "ok"
        assert (span["pf_monitor.usage.source"], span["pf_monitor.usage.method"]) == ("estimated", "tiktoken")
        # The stand-in bills by the very formula that estimates follow.
        assert int(span["gen_ai.usage.input_tokens"]) == totals["prompt_tokens"] // 2
        assert int(span["gen_ai.usage.output_tokens"]) == totals["completion_tokens"] // 2


def test_a_provider_that_withholds_usage_is_estimated(monitor, client, stand_in):
    stand_in.script({"then": {"usage": "none"}})
    client.chat.completions.create(**QUESTION)
    create(client)
    totals = stand_in.ledger()["totals"]
    spans = [row["customDimensions"] for row in monitor.rows("dependencies")]
    assert {span["pf_monitor.usage.source"] for span in spans} == {"estimated"}
    assert sum(int(span["gen_ai.usage.input_tokens"]) for span in spans) == totals["prompt_tokens"]
    assert sum(int(span["gen_ai.usage.output_tokens"]) for span in spans) == totals["completion_tokens"]


def test_another_refusal_is_the_callers(monitor, client, stand_in):
    stand_in.script({"then": {"fail": 400}})
    with pytest.raises(openai.BadRequestError):
        create(client)
    assert asking._refusing == set()
    assert len(monitor.rows("dependencies")) == 1


def test_a_stream_that_breaks_keeps_what_it_gave(monitor, client, stand_in):
    stand_in.script({"then": {"drop-stream-after": 3}})
    with pytest.raises(Exception, match=r".+"):
        create(client)
    [row] = monitor.rows("dependencies")
    assert row["customDimensions"]["pf_monitor.outcome"] == "error"
    assert json.loads(row["customDimensions"]["gen_ai.output.messages"])[0]["parts"][0]["content"]


def test_a_stream_that_is_dropped_is_abandoned(monitor, client):
    stream = client.chat.completions.create(**QUESTION, stream=True)
    next(stream)
    del stream
    gc.collect()  # the client's stream and its iterator hold each other
    [row] = monitor.rows("dependencies")
    assert row["customDimensions"]["pf_monitor.outcome"] == "abandoned"
