"""The trace of one request: its tree, its texts put together, its errors; whatever the data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import handmade
import pytest
from handmade import error, item, span

from pf_monitor.insights import Store
from pf_monitor.views.messages import messages
from pf_monitor.views.stacks import frames
from pf_monitor.views.trace import Trace, trace
from pf_monitor.views.tree import depth_first


def shape(found: Trace) -> list[tuple[int, str, str, float, float]]:
    return [(one["depth"], one["kind"], one["name"], one["offset_ms"], one["duration_ms"]) for one in found["spans"]]


def traced(directory: Path, rows: list[Any], operation: str = "x") -> Trace:
    with Store.open(directory) as store:
        store.append(rows)
        found = trace(store, operation)
    assert found is not None
    assert json.loads(json.dumps(found)) == found
    return found


def test_a_request_as_a_tree(store: Store) -> None:
    found = trace(store, "a8")
    assert found is not None
    assert shape(found) == [
        (0, "flow", "rag", 0.0, 8000.0),
        (1, "retrieval", "retrieve", 0.0, 70.0),
        (2, "embedding", "embedding ada", 0.0, 50.0),
        (1, "node", "answer", 0.0, 300.0),
        (2, "llm", "llm gpt-4o", 0.0, 200.0),
    ]
    assert (found["flow"], found["outcome"], found["total_ms"]) == ("rag", "ok", 8000.0)
    assert (found["prompt_tokens"], found["completion_tokens"], found["cost_usd"]) == (1060, 6, 0.375)
    assert (found["question"], found["answer"]) == ("And the Firefly?", "100 % waterproof")
    assert found["correlation"] == {"operation_Id": "a8", "request_id": "id-a8", "deployment": "blue"}
    assert found["is_whole"]
    call = found["spans"][-1]
    assert (call["model"], call["prompt_tokens"], call["usage_source"], call["is_failed"]) == (
        *("gpt-4o-2024", 60, "provider"),
        False,
    )
    [score] = found["scores"]
    assert (score["metric"], score["score"], score["is_feedback"]) == ("user_feedback", 1.0, True)


def test_the_query_shows_the_same_where_it_is_pasted(store: Store) -> None:
    found = trace(store, "a7")
    assert found is not None
    assert found["kql"].startswith('let operation = "a7";\n')
    assert len(store.query(found["kql"]).rows) == len(found["spans"]) + len(found["errors"])


def test_errors_logs_and_own_dimensions(store: Store) -> None:
    failed = trace(store, "a7")
    assert failed is not None
    assert [(one["type"], one["message"], one["span_id"]) for one in failed["errors"]] == [
        ("ValueError", "no index", "a7-retrieve"),
        ("ValueError", "still no index", "a7-retrieve"),
    ]
    assert failed["errors"][0]["stack"] == handmade.STACK
    assert failed["errors"][0]["frames"] == [
        {"file": "/app/flow.py", "line": 12, "function": "chat", "code": "return retrieve(question)"},
        {"file": "/app/flow.py", "line": 30, "function": "retrieve", "code": 'raise ValueError("no index")'},
    ]
    logged = trace(store, "a2")
    assert logged is not None
    [log] = logged["logs"]
    assert (log["message"], log["severity"], log["offset_ms"]) == ("retrying", 2, pytest.approx(600))
    own = trace(store, "a1")
    assert own is not None
    assert own["dimensions"] == {"tenant": "acme"}
    assert own["correlation"]["session"] == "s1"
    assert own["correlation"]["user"] == "u1"


def test_a_long_question_is_put_together(store: Store) -> None:
    found = trace(store, "a6")
    assert found is not None
    assert found["question"] == "Long" * 2048 + " end?"
    assert "question.2" not in found["spans"][0]["attributes"]


def test_there_is_none(store: Store) -> None:
    assert trace(store, "nobody") is None
    assert trace(store, '"; requests //') is None


def test_two_flows_of_one_caller_and_a_server_above(store: Store, tmp_path: Path) -> None:
    below_server = trace(store, "b1")
    assert below_server is not None
    assert [(depth, kind) for depth, kind, *_ in shape(below_server)] == [(0, "request"), (1, "flow"), (2, "llm")]
    assert below_server["flow"] == "chat"
    two = traced(
        tmp_path,
        [
            span("flow", "second", 10, 1, "x", server=True, question="later"),
            span("flow", "first", 10, 0, "x", server=True, question="sooner"),
        ],
    )
    assert (two["flow"], two["question"], two["total_ms"]) == ("first", "sooner", 60_010.0)


def test_a_clock_that_jumps_back_within_a_request(tmp_path: Path) -> None:
    rows = [
        span("flow", "rag", 1000, 0, "x", server=True),
        span("node", "answer", 400, -0.01, "x", "x-rag"),
    ]
    found = traced(tmp_path, rows)
    assert shape(found) == [(0, "flow", "rag", 600.0, 1000.0), (1, "node", "answer", 0.0, 400.0)]
    assert found["total_ms"] == 1600.0


def test_errors_alone(tmp_path: Path) -> None:
    found = traced(tmp_path, [error("x", 0, "ValueError", "no flow arrived", "answer")])
    assert (found["spans"], found["flow"], found["total_ms"], len(found["errors"])) == ([], "", 0.0, 1)


def test_what_cannot_be_read_is_shown_as_it_is(tmp_path: Path) -> None:
    hostile = {
        "gen_ai__input__messages": '[{"role": "user", "parts": [{"type": "te',
        "gen_ai__usage__input_tokens": "many",
        "gen_ai__usage__output_tokens": "1e400",
        "pf_monitor__usage__cost_usd": "nan",
        "pf_monitor__truncated": '{"gen_ai.input.messages": 99999, "x": "y"}',
    }
    rows = [span("llm", "<script>", 1, 0, "x", **hostile), item("EventData", {"name": "own"}, 0, "x")]
    found = traced(tmp_path, rows)
    [call] = found["spans"]
    assert (call["prompt_tokens"], call["completion_tokens"], call["cost_usd"]) == (None, None, None)
    assert call["messages"] == [
        {
            "direction": "input",
            "role": "user",
            "parts": [{"type": "text", "name": "", "text": hostile["gen_ai__input__messages"]}],
        }
    ]
    assert call["cut"] == {"gen_ai.input.messages": 99999}
    assert [log["message"] for log in found["logs"]] == ["own"]


# The tree alone.


@dataclass
class Node:
    id: str
    parent_id: str
    moment: datetime = handmade.START


def drawn(*nodes: Node) -> list[tuple[str, int]]:
    return [(node.id, depth) for node, depth in depth_first(nodes)]


def test_side_by_side_in_time_order() -> None:
    later = handmade.START + timedelta(seconds=1)
    assert drawn(Node("b", "top", later), Node("a", "top"), Node("top", "caller")) == [("top", 0), ("a", 1), ("b", 1)]


def test_rings_twins_and_orphans_stand_once() -> None:
    assert drawn(Node("a", "b"), Node("b", "a")) == [("a", 0), ("b", 1)]
    assert drawn(Node("self", "self")) == [("self", 0)]
    assert drawn(Node("orphan", "lost"), Node("", "")) == [("orphan", 0), ("", 0)]
    assert drawn(Node("twin", ""), Node("twin", ""), Node("child", "twin")) == [("twin", 0), ("child", 1), ("twin", 0)]


def test_a_deep_tree_does_not_end_the_stack() -> None:
    nodes = [Node(str(number), str(number - 1)) for number in range(5000)]
    assert drawn(*nodes)[-1] == ("4999", 4999)


# Messages and stacks alone.


def test_messages_in_the_order_in_which_they_were_said() -> None:
    given = {
        "gen_ai.output.messages": json.dumps(
            [{"role": "assistant", "parts": [{"type": "tool_call", "name": "weigh", "arguments": '{"tent": 2}'}]}]
        ),
        "gen_ai.input.messages": json.dumps(
            [
                {"role": "user", "parts": [{"type": "text", "content": "Weigh it"}, {"type": "uri", "uri": "data:…"}]},
                {"role": "tool", "parts": [{"type": "tool_call_response", "id": "1", "response": {"kg": 2.1}}]},
            ]
        ),
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
    }
    assert [
        (one["direction"], one["role"], [(part["type"], part["name"], part["text"]) for part in one["parts"]])
        for one in messages(given)
    ] == [
        ("system", "system", [("text", "", "Be brief.")]),
        ("input", "user", [("text", "", "Weigh it"), ("uri", "", "data:…")]),
        ("input", "tool", [("tool_call_response", "", '{\n  "kg": 2.1\n}')]),
        ("output", "assistant", [("tool_call", "weigh", '{"tent": 2}')]),
    ]


@pytest.mark.parametrize("text", ["null", "[]", "3", '"a"', '[{"parts": null}, 1, null]', '{"parts": "x"}', "{"])
def test_messages_of_any_shape(text: str) -> None:
    for one in messages({"gen_ai.input.messages": text}):
        assert all(isinstance(part["text"], str) for part in one["parts"])


def test_frames_of_other_languages_come_parsed() -> None:
    parsed = [{"method": "inner", "fileName": "a.ts", "line": 3}, {"method": "outer", "assembly": "b"}, "noise"]
    assert frames("Error: x\n  at inner (a.ts:3)", parsed) == [
        {"file": "b", "line": 0, "function": "outer", "code": ""},
        {"file": "a.ts", "line": 3, "function": "inner", "code": ""},
    ]
    assert frames("", None) == []
