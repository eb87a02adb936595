"""What becomes of each column: sent, held back, hashed, or sent with a share of the requests."""

from __future__ import annotations

import hashlib
import hmac
import json

import httpx
import openai
import pytest

import pf_monitor
from pf_monitor import runtime
from pf_monitor.local import INSTRUMENTATION_KEY
from pf_monitor.settings import CAPTURE, Capture, Settings

SAID = {
    "question": "how heavy?",
    "answer": "2.1 kg",
    "context": "It weighs 2.1 kg.",
    "ground_truth": "2.1",
    "inputs": '{"top":3}',
    "output": '{"sources":["a.md"]}',
    "gen_ai.retrieval.query.text": "how heavy?",
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"Weigh it."}]}]',
    "gen_ai.output.messages": (
        '[{"role":"assistant","parts":[{"type":"text","content":"Done."}],"finish_reason":"stop"}]'
    ),
    "gen_ai.tool.definitions": '[{"type":"function","function":{"name":"scale"}}]',
    "gen_ai.evaluation.explanation": "helpful",
}
OWN = {"query": ["gen_ai.retrieval.query.text"], "messages": ["gen_ai.input.messages", "gen_ai.output.messages"],
       "tools": ["gen_ai.tool.definitions"], "feedback": ["gen_ai.evaluation.explanation"]}  # fmt: skip


def reply(_):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Done."}}
    return httpx.Response(200, json={"id": "1", "model": "gpt-4o", "choices": [choice]})


@pf_monitor.retrieval
def find(query):
    return "It weighs 2.1 kg."


@pf_monitor.flow
def answer(question, ground_truth, top=3):
    pf_monitor.set_correlation(user="u-42")
    find(question)
    client = openai.OpenAI(api_key="none", http_client=httpx.Client(transport=httpx.MockTransport(reply)))
    tools = [{"type": "function", "function": {"name": "scale"}}]
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Weigh it."}], tools=tools)
    pf_monitor.record_feedback(True, comment="helpful")
    return {"answer": "2.1 kg", "sources": ["a.md"]}


def told(wire):
    """Run the flow, and return the dimensions of the flow run, with those of the other items that only these have."""
    answer("how heavy?", "2.1")
    found = {}
    for table in ("dependencies", "customEvents", "requests"):
        for row in wire.rows(f"{table} | project user_Id, customDimensions"):
            found |= json.loads(row["customDimensions"]) | {"user_Id": row["user_Id"]}
    return found


def test_everything_is_sent_unless_somebody_says_otherwise(monitored):
    found = told(monitored())
    assert {name: found.get(name) for name in SAID} == SAID
    assert found["user_Id"] == "u-42"


@pytest.mark.parametrize("column", sorted(set(CAPTURE.values()) - {"errors", "instructions", "user"}))
def test_one_column_is_held_back_and_the_others_are_sent(monitored, column):
    wire = monitored(capture={column: Capture.OFF})
    answer("how heavy?", "2.1")
    hidden = OWN.get(column, [column])
    rows = [*wire.rows("requests"), *wire.rows("dependencies"), *wire.rows("customEvents")]
    names = {name for row in rows for name in json.loads(row["customDimensions"])}
    assert not names & set(hidden)
    assert names >= SAID.keys() - set(hidden)


def test_a_hash_says_who_said_the_same_and_not_what(monitored):
    wire = monitored(capture={"question": Capture.HASH, "user": Capture.HASH, "messages": Capture.HASH})
    first, second = told(wire), told(wire)
    key = hmac.new(b"", f"instrumentationkey={INSTRUMENTATION_KEY}".encode(), hashlib.sha256).digest()
    expected = f"hmac:{hmac.new(key, b'how heavy?', hashlib.sha256).hexdigest()[:32]}"
    assert first["question"] == second["question"] == expected
    assert first["user_Id"].startswith("hmac:") and first["user_Id"] == second["user_Id"]
    assert first["gen_ai.input.messages"].startswith("hmac:")
    assert "pf_monitor.truncated" not in first
    raw = b"\n".join(wire.bodies)
    assert b"u-42" not in raw
    assert b"Weigh it" not in raw


def test_hashes_of_two_resources_and_of_two_keys_differ():
    from pf_monitor.pipeline.privacy import hash_key, hashed

    other = Settings().connection_string.replace("4319;", "4320;", 1)
    keys = [Settings(), Settings(connection_string=other), Settings(hash_key="salt"), Settings(hash_key="pepper")]
    assert len({hashed("how heavy?", hash_key(settings)) for settings in keys}) == 4
    elsewhere = f"IngestionEndpoint=http://127.0.0.1:1/;InstrumentationKey={INSTRUMENTATION_KEY.upper()}"
    assert hash_key(Settings(connection_string=elsewhere)) == hash_key(Settings())


def test_the_key_of_hashes_is_not_shown():
    assert "pepper" not in repr(Settings(hash_key="pepper"))


def test_sampled_content_comes_with_a_share_of_the_requests_and_numbers_with_all(monitored):
    wire = monitored(capture={"question": Capture.SAMPLED}, content_ratio=0.5)
    for _ in range(64):
        answer("how heavy?", "2.1")
    rows = wire.rows("requests | project operation_Id, customDimensions")
    with_it = {row["operation_Id"] for row in rows if "question" in json.loads(row["customDimensions"])}
    assert with_it == {row["operation_Id"] for row in rows if int(row["operation_Id"][16:], 16) < 1 << 63}
    assert len(rows) == 64
    assert all("answer" in json.loads(row["customDimensions"]) for row in rows)


def test_sampled_content_follows_the_sampling_of_requests(monitored):
    wire = monitored(capture={"question": Capture.SAMPLED}, sampling_ratio=0.5)

    @pf_monitor.flow
    def failing(question):
        raise ValueError("no")

    for _ in range(64):
        with pytest.raises(ValueError, match="no"):
            failing("how heavy?")
    rows = wire.rows("requests | project operation_Id, customDimensions")
    assert len(rows) == 64, "errors are sent whatever the ratio"
    with_it = {row["operation_Id"] for row in rows if "question" in json.loads(row["customDimensions"])}
    assert with_it == {row["operation_Id"] for row in rows if int(row["operation_Id"][16:], 16) < 1 << 63}


@pytest.mark.parametrize(("mode", "message"), [("off", "ValueError"), ("hash", "hmac:")])
def test_an_error_without_its_words_still_has_its_type(monitored, mode, message):
    wire = monitored(capture={"errors": Capture(mode)})

    @pf_monitor.flow
    def failing(question):
        raise ValueError(f"no answer to {question}")

    with pytest.raises(ValueError, match="no answer"):
        failing("how heavy?")
    [row] = wire.rows("exceptions | project type, outerMessage, details, customDimensions")
    assert row["type"] == "ValueError"
    assert row["outerMessage"].startswith(message)
    assert b"no answer to" not in b"\n".join(wire.bodies)


def test_the_environment_and_code_say_it_for_single_columns(unmonitored, monkeypatch):
    monkeypatch.setenv("PF_MONITOR_CAPTURE_CONTEXT", "Sampled")
    monkeypatch.setenv("PF_MONITOR_CAPTURE_USER", "false")
    monkeypatch.setenv("PF_MONITOR_CONTENT_RATIO", "0.1")
    pf_monitor.configure(enabled=False, capture={"question": "hash"})
    settings = runtime.current_settings()
    assert settings.capture == {"context": Capture.SAMPLED, "user": Capture.OFF, "question": Capture.HASH}
    assert settings.content_ratio == 0.1


def test_what_is_not_understood_is_held_back_and_said(unmonitored, monkeypatch, caplog):
    monkeypatch.setenv("PF_MONITOR_CAPTURE_ANSWER", "hashed")
    assert runtime.current_settings().capture == {"answer": Capture.OFF}
    [record] = caplog.records
    assert record.getMessage().startswith("pf_monitor does not understand PF_MONITOR_CAPTURE_ANSWER='hashed'")


def test_a_flow_file_says_it_too(unmonitored, tmp_path):
    tmp_path.joinpath("flow.flex.yaml").write_text(
        "entry: a:b\nenvironment_variables:\n  PF_MONITOR_ENABLED: true\n  PF_MONITOR_CAPTURE_QUESTION: off\n"
    )
    assert runtime.current_settings().capture == {"question": Capture.OFF}
