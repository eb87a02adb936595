from __future__ import annotations

from typing import Any

import httpx
import openai
import pytest

from pf_monitor.standin import StandIn, counting, serve_in_thread
from pf_monitor.standin.faults import Fault

MESSAGES: Any = [{"role": "user", "content": "The paddle is 220 cm long.\n\nHow long is the paddle?"}]
PROMPT_TOKENS = counting.count_chat(MESSAGES)


def ask(client: openai.OpenAI, fault: str = "", **more: Any) -> Any:
    headers = {"x-stand-in": fault} if fault else {}
    return client.chat.completions.create(model="stand-in", messages=MESSAGES, extra_headers=headers, **more)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
    ],
)
def test_fails_as_told(client: openai.OpenAI, stand_in: StandIn, status: int, error: type[Exception]) -> None:
    with pytest.raises(error, match="told to fail"):
        ask(client, f"fail={status}")

    ledger = stand_in.ledger()
    assert ledger["models"] == {
        "stand-in": {"calls": 1, "failed": 1, "broken": 0, "prompt_tokens": 0, "completion_tokens": 0}
    }
    assert (ledger["requests"][0]["outcome"], ledger["requests"][0]["status"]) == ("failed", status)


def test_withholds_usage(client: openai.OpenAI, stand_in: StandIn) -> None:
    assert ask(client, "usage=none").usage is None
    chunks = list(ask(client, "usage=none", stream=True, stream_options={"include_usage": True}))
    assert all(chunk.usage is None for chunk in chunks)
    assert (
        client.responses.create(model="stand-in", input=MESSAGES, extra_headers={"x-stand-in": "usage=none"}).usage
        is None
    )
    assert stand_in.ledger()["totals"]["prompt_tokens"] == 3 * PROMPT_TOKENS  # not said, but billed


def test_stalls_until_the_caller_gives_up(client: openai.OpenAI, stand_in: StandIn) -> None:
    with pytest.raises(openai.APITimeoutError):
        ask(client, "stall=0.3", timeout=0.05)
    totals = stand_in.ledger()["totals"]
    assert (totals["failed"], totals["prompt_tokens"]) == (1, 0)


def test_a_dropped_stream_is_billed_as_far_as_it_was_sent(client: openai.OpenAI, stand_in: StandIn) -> None:
    received = ""
    with pytest.raises(Exception, match=r"peer closed|incomplete|Connection"):
        for chunk in ask(client, "drop-stream-after=3", stream=True):
            received += chunk.choices[0].delta.content or ""

    assert received == "The paddle is"
    totals = stand_in.ledger()["totals"]
    assert (totals["broken"], totals["prompt_tokens"], totals["completion_tokens"]) == (1, PROMPT_TOKENS, 3)


def test_an_abandoned_stream_is_billed_as_far_as_it_was_sent(client: openai.OpenAI, stand_in: StandIn) -> None:
    stream = ask(client, "stall=60, stall-after=2", stream=True)
    received = [next(stream).choices[0].delta.content for _ in range(3)]
    stream.close()

    assert received == ["", "The", " paddle"]
    totals = stand_in.ledger()["totals"]
    assert (totals["broken"], totals["prompt_tokens"], totals["completion_tokens"]) == (1, PROMPT_TOKENS, 2)


def test_refuses_a_parameter(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Unrecognized request argument supplied: stream_options"):
        ask(client, "refuse=stream_options", stream=True, stream_options={"include_usage": True})
    assert list(ask(client, "refuse=stream_options", stream=True))


def test_a_header_that_it_does_not_understand_is_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="explode"):
        ask(client, "explode=1")
    with pytest.raises(openai.BadRequestError, match="fail"):
        ask(client, "fail=200")


def test_the_header_takes_several_faults() -> None:
    assert Fault.from_header("stall=2.5, usage=none") == Fault(stall=2.5, usage="none")


def test_a_script_matches_text_in_the_prompt(client: openai.OpenAI, stand_in: StandIn) -> None:
    stand_in.script(
        {"when_prompt_contains": "kayak", "then": {"fail": 503}},
        {"when_prompt_contains": "paddle", "then": {"fail": 418}},
    )
    with pytest.raises(openai.APIStatusError) as caught:
        ask(client)
    assert caught.value.status_code == 418


def test_a_script_counts(client: openai.OpenAI, stand_in: StandIn) -> None:
    stand_in.script({"every": 3, "first": 1, "then": {"fail": 500}})
    outcomes = []
    for _ in range(7):
        try:
            ask(client)
            outcomes.append("ok")
        except openai.InternalServerError:
            outcomes.append("failed")
    assert outcomes == ["ok", "ok", "failed", "ok", "ok", "ok", "ok"]


def test_a_client_that_retries_gets_through(stand_in: StandIn) -> None:
    stand_in.script({"first": 2, "then": {"fail": 429}})
    with openai.OpenAI(base_url=stand_in.base_url, api_key="stand-in", max_retries=2) as client:
        assert ask(client).choices
    totals = stand_in.ledger()["totals"]
    assert (totals["calls"], totals["failed"], totals["prompt_tokens"]) == (3, 2, PROMPT_TOKENS)


def test_a_rule_that_is_none_is_refused(stand_in: StandIn) -> None:
    with pytest.raises(ValueError, match="explode"):
        stand_in.script({"then": {"explode": 1}})


def test_reset_forgets_bill_rules_and_numbers(client: openai.OpenAI, stand_in: StandIn) -> None:
    ask(client)
    stand_in.script({"then": {"fail": 500}})
    stand_in.reset()
    assert ask(client).id == "chatcmpl-standin-00000001"
    assert stand_in.ledger()["totals"]["calls"] == 1


def test_the_ledger_shows_what_correlates(client: openai.OpenAI, stand_in: StandIn) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    client.chat.completions.create(
        model="stand-in", messages=MESSAGES, extra_headers={"traceparent": parent, "x-client-request-id": "c-2"}
    )
    served = httpx.get(f"{stand_in.url}/stand-in/ledger").json()
    assert served == stand_in.ledger()
    assert (served["requests"][0]["traceparent"], served["requests"][0]["x_client_request_id"]) == (parent, "c-2")


def test_a_taken_port_is_the_callers_error(stand_in: StandIn) -> None:
    with pytest.raises(OSError, match="Address already in use"):
        serve_in_thread(stand_in.port)


def test_a_stopped_stand_in_frees_its_port() -> None:
    served = serve_in_thread()
    served.stop()
    served.stop()
    serve_in_thread(served.port).stop()
