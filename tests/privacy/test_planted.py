"""No secret arrives anywhere: two hundred are planted in every place from which something is recorded."""

from __future__ import annotations

import contextlib
import json
import re
import urllib.parse

import httpx
import openai
import pytest
from captured_wire import expanded
from opentelemetry import trace
from planted import SHAPED, all_planted

import pf_monitor
from pf_monitor import notices

PLANTED = all_planted()


def echo(request):
    """Answer as a model that repeats what it was told, or as a service that refuses, and quotes the header."""
    if request.url.path.endswith("/embeddings"):
        told = request.headers["authorization"]
        return httpx.Response(401, json={"error": {"message": f"Wrong key: Authorization: {told}", "code": "401"}})
    said = json.loads(request.content)["messages"][-1]["content"]
    message = {"role": "assistant", "content": f"You said: {said}"}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    return httpx.Response(200, json={"id": "1", "model": "gpt-4o", "choices": [choice], "usage": usage})


def plant(secret, client):
    """Run a flow that has a secret in its arguments, results, errors, headers, messages, dimensions and variables."""

    @pf_monitor.retrieval
    def find(query, options):
        return [f"the document says {secret}", {"text": secret}]

    @pf_monitor.node
    def fail(**arguments):
        local = {secret: 1}
        try:
            local[f"no {secret}"]
        except KeyError as error:
            raise RuntimeError(f"The service answered 401 to {secret}") from error

    @pf_monitor.flow
    def answer(question, config):
        pf_monitor.set_correlation(user="u-1", tenant=secret, request_id=secret, session=f"s {secret}")
        span = trace.get_current_span()
        span.set_attribute("note", secret)
        span.set_attribute("notes", [secret, "two"])
        span.add_event("looked up", {"detail": secret})
        span.add_event(secret)
        find(secret, {"nested": [{"deeply": secret}]})
        try:
            fail(where=secret)
        except RuntimeError as error:
            span.record_exception(error)
        client.chat.completions.create(
            model="gpt-4o",
            messages=[{"role": "system", "content": secret}, {"role": "user", "content": f"why {secret} ?"}],
            extra_headers={"x-api-key": secret},
        )
        with contextlib.suppress(openai.AuthenticationError):
            client.embeddings.create(model="text-embedding-3-small", input=secret)
        pf_monitor.record_feedback(1, comment=f"it told me {secret}")
        return {"answer": secret, "more": {"list": [secret]}}

    with pytest.raises(RuntimeError):
        pf_monitor.flow(fail)(where=secret)
    answer(f"what is {secret} for?", {"config": secret})
    notices.say_once(secret, "pf_monitor could not keep an output of %s: %r", "answer", ValueError(secret))


def written(core):
    """Return a secret as texts may hold it."""
    return {
        form.encode()
        for form in (
            core,
            json.dumps(core)[1:-1],
            json.dumps(json.dumps(core))[2:-2].strip('"\\'),
            repr(core)[1:-1],
            urllib.parse.quote(core, safe=""),
        )
    }


def test_there_are_two_hundred_and_all_differ():
    assert len({planted.core for planted in PLANTED}) == 200
    assert len(SHAPED) >= 75


def test_no_planted_secret_arrives_anywhere(monitored, log_file, tmp_path):
    wire = monitored()
    client = openai.OpenAI(
        api_key=PLANTED[0].core, http_client=httpx.Client(transport=httpx.MockTransport(echo)), max_retries=0
    )
    for planted in PLANTED:
        notices.forget()
        plant(planted.text, client)
    every = ("requests", "dependencies", "exceptions", "traces", "customEvents", "customMetrics", "performanceCounters")
    tables = [row for table in every for row in wire.rows(table)]
    assert len(tables) > 1_500, "the flows were not recorded"
    wire.close()  # from here on all goes to disk
    for planted in PLANTED:
        plant(planted.text, client)
    pf_monitor.flush(10)
    pf_monitor.configure(enabled=False)

    places = {"the wire": b"\n".join(wire.bodies), "the tables": json.dumps(tables, ensure_ascii=False).encode()}
    for file in tmp_path.rglob("*"):
        if file.is_file():
            raw = file.read_bytes()
            places[str(file.relative_to(tmp_path))] = raw + b"\n" + expanded(raw)
    assert any("insights.duckdb" in place for place in places)
    assert "pf_monitor could not keep an output of" in log_file.read_text()
    found = [
        f"{planted.kind} in {place}: {raw[max(0, raw.index(form) - 60) : raw.index(form) + 60]!r}"
        for planted in PLANTED
        for form in written(planted.core)
        for place, raw in places.items()
        if form in raw
    ]
    assert not found, f"{len(found)}: {found[:40]}"


def test_what_was_no_secret_is_still_there(monitored):
    wire = monitored()

    @pf_monitor.flow
    def answer(question):
        return (
            "Basic plans have 3 tokens: a key, a password policy and max_tokens=256. See https://contoso.example/a?b=1"
        )

    said = "How is my token: usage billed? Is the bearer of this card the Secret: keeper?"
    answer(said)
    [row] = wire.rows("requests | project question = tostring(customDimensions.question), customDimensions")
    assert row["question"] == said
    assert json.loads(row["customDimensions"])["answer"] == answer(said)
    assert "redacted" not in row["customDimensions"]


def test_an_item_says_how_many_secrets_were_taken_out(monitored):
    wire = monitored()
    secret = PLANTED[0].core

    @pf_monitor.flow
    def answer(question):
        return f"It is {secret}, as I said: {secret}."

    answer(f"{secret}?")
    [row] = wire.rows("requests | project customDimensions")
    dimensions = json.loads(row["customDimensions"])
    assert dimensions["question"] == "[redacted model-key]?"
    assert dimensions["answer"] == "It is [redacted model-key], as I said: [redacted model-key]."
    assert dimensions["pf_monitor.redacted"] == "3"


def test_a_value_of_the_environment_is_a_secret_wherever_it_stands(monitored, monkeypatch):
    monkeypatch.setenv("CONTOSO_API_KEY", "correct horse / battery")
    monkeypatch.setenv("SHOP_DATABASE", "postgresql://app:open%20sesame1@db/shop")
    wire = monitored()

    @pf_monitor.flow
    def answer(question):
        return "open sesame1"

    answer("what does correct horse / battery mean?")
    [row] = wire.rows("requests | project customDimensions")
    dimensions = json.loads(row["customDimensions"])
    assert dimensions["question"] == "what does [redacted known-value] mean?"
    assert dimensions["answer"] == "[redacted known-value]"
    raw = b"\n".join(wire.bodies)
    assert not re.search(rb"correct.horse|open.sesame", raw)


def test_a_dimension_whose_name_says_secret_is_redacted(monitored):
    wire = monitored()

    @pf_monitor.flow
    def answer(question):
        pf_monitor.set_correlation(api_key="hunter2", openaiKey="x", tenant="contoso", max_tokens=3)
        return "yes"

    answer("?")
    [row] = wire.rows("requests | project customDimensions")
    dimensions = json.loads(row["customDimensions"])
    assert (dimensions["api_key"], dimensions["openaiKey"]) == ("[redacted secret]", "[redacted secret]")
    assert (dimensions["tenant"], dimensions["max_tokens"]) == ("contoso", "3")
