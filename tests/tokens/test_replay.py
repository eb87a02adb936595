"""Real exchanges, replayed through the real client: what arrives in the tables is what the provider counted."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest
from local_rows import ask_with_dimensions

from pf_monitor import notices, runtime
from pf_monitor.insights.server import running
from pf_monitor.local import connection_string
from pf_monitor.pipeline.recorder import PipelineRecorder
from pf_monitor.pipeline.sinks import ApplicationInsights
from pf_monitor.settings import Settings
from pf_monitor.tokens.usage import read_usage, updated

Row = dict[str, Any]
PROVIDERS_OWN = ("gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens")


class Counting(PipelineRecorder):
    """Numbers the spans, so that the rows can be put in order."""

    _spans = 0

    def new_span_id(self) -> int:
        self._spans += 1
        return self._spans


def is_openai_style(exchange: Any) -> bool:
    return "anthropic" not in exchange.host


def arguments(create: Callable[..., Any], body: Row) -> Row:
    """Return a body as arguments; what the SDK's version does not know goes where it takes such things."""
    known = inspect.signature(create).parameters
    given = {name: value for name, value in body.items() if name in known}
    return {**given, "extra_body": {name: value for name, value in body.items() if name not in known} or None}


def called_method(client: Any, exchange: Any) -> Callable[[], Any]:
    """Return what calls an endpoint: the SDK's own method; for one that it does not have, its plain POST."""
    for ending, resource in (
        ("/chat/completions", client.chat.completions),
        ("/v1/completions", client.completions),
        ("/embeddings", client.embeddings),
        ("/responses", client.responses),
    ):
        if exchange.path.endswith(ending):
            return lambda: resource.create(**arguments(resource.create, exchange.request))
    address = "/" + exchange.path.rpartition("/v1/")[2]
    return lambda: client.post(address, body=exchange.request, cast_to=object)


def base_url(server: Any, path: str) -> str:
    for ending in ("/chat/completions", "/completions", "/embeddings", "/responses"):
        if path.endswith(ending) and "/prompts/" not in path:
            return server.url + path.removesuffix(ending)
    return server.url + "/v1"


def replay(server: Any, exchange: Any) -> None:
    with openai.OpenAI(base_url=base_url(server, exchange.path), api_key="recorded", max_retries=0) as client:
        try:
            answer = called_method(client, exchange)()
            for _ in answer if exchange.is_stream else ():
                pass
        except openai.APIStatusError:
            assert exchange.status != 200


async def replay_async(server: Any, exchange: Any) -> None:
    async with openai.AsyncOpenAI(base_url=base_url(server, exchange.path), api_key="r", max_retries=0) as client:
        try:
            answer = await called_method(client, exchange)()
            if exchange.is_stream:
                async for _ in answer:
                    pass
        except openai.APIStatusError:
            assert exchange.status != 200


@pytest.fixture(scope="module", params=["sync", "async"])
def rows(
    request: pytest.FixtureRequest, recorded: list[Any], replaying: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[tuple[Any, Row]]]:
    """Each OpenAI-style exchange with the row that it left."""
    exchanges = [exchange for exchange in recorded if is_openai_style(exchange)]
    notices.forget()
    with running(tmp_path_factory.mktemp("insights")) as port:
        runtime.stop()
        runtime.use(Counting(Settings(enabled=True), ApplicationInsights(connection_string(port)), delay_s=3600))
        for exchange in exchanges:
            replaying.answer = exchange
            if request.param == "sync":
                replay(replaying, exchange)
            else:
                asyncio.run(replay_async(replaying, exchange))
        assert runtime.flush(30)
        query = "dependencies | project id, customDimensions | order by id asc"
        arrived = [row["customDimensions"] for row in ask_with_dimensions(port, query)]
        runtime.stop()
    yield list(zip(exchanges, arrived, strict=True))


def test_every_count_of_a_provider_arrives_exactly(rows: list[tuple[Any, Row]]) -> None:
    counted = [(exchange, row) for exchange, row in rows if exchange.usage is not None]
    assert len(counted) == 105
    for exchange, row in counted:
        told = exchange.usage
        details = told.get("completion_tokens_details") or told.get("output_tokens_details") or {}
        input_details = told.get("prompt_tokens_details") or told.get("input_tokens_details") or {}
        expected = {
            "gen_ai.usage.input_tokens": told.get("prompt_tokens", told.get("input_tokens")),
            "gen_ai.usage.output_tokens": told.get("completion_tokens", told.get("output_tokens", 0)),
            "gen_ai.usage.cache_read.input_tokens": input_details.get("cached_tokens", 0),
            "gen_ai.usage.reasoning.output_tokens": details.get("reasoning_tokens", 0),
        }
        assert {name: int(row.get(name, 0)) for name in expected} == expected, exchange.number
        assert row["pf_monitor.usage.source"] == "provider", exchange.number


def test_what_nobody_counted_is_never_said_to_be_the_providers(rows: list[tuple[Any, Row]]) -> None:
    silent = [(exchange, row) for exchange, row in rows if exchange.usage is None]
    assert len(silent) == 8
    for exchange, row in silent:
        if exchange.host == "api.groq.com":  # which counts, in a place of its own
            assert [row[name] for name in PROVIDERS_OWN] == ["12", "26"]
            assert row["pf_monitor.usage.source"] == "provider"
        else:
            assert row.get("pf_monitor.usage.source") in (None, "estimated"), exchange.number


def test_anthropics_counts_are_read_from_its_json(recorded: list[Any]) -> None:
    exchanges = [exchange for exchange in recorded if not is_openai_style(exchange)]
    assert len(exchanges) == 14
    for exchange in exchanges:
        usage = None
        for event in exchange.events:
            usage = updated(usage, read_usage(event))
        assert usage is not None
        assert (usage.input_tokens, usage.output_tokens) == anthropics(exchange.usage), exchange.number


@pytest.mark.filterwarnings("ignore:The model 'claude:DeprecationWarning")  # the recordings are older than the SDK
def test_anthropics_counts_are_read_from_its_sdk(recorded: list[Any], replaying: Any) -> None:
    anthropic = pytest.importorskip("anthropic", reason="the anthropic package is not installed")
    with anthropic.Anthropic(base_url=replaying.url, api_key="recorded", max_retries=0) as client:
        for exchange in recorded:
            if is_openai_style(exchange):
                continue
            replaying.answer = exchange
            messages = client.beta.messages if "beta=true" in exchange.path else client.messages
            answer = messages.create(**arguments(messages.create, exchange.request))
            usage = None
            for part in answer if exchange.is_stream else [answer]:
                usage = updated(usage, read_usage(part))
            assert usage is not None
            assert (usage.input_tokens, usage.output_tokens) == anthropics(exchange.usage), exchange.number


def anthropics(told: Row) -> tuple[int, int]:
    cached = told["cache_creation_input_tokens"] + told["cache_read_input_tokens"]
    return told["input_tokens"] + cached, told["output_tokens"]
