"""The numbers of the queries, equal to numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from talk import envelope

from pf_monitor import queries
from pf_monitor.insights import Store
from pf_monitor.insights.envelope import to_row

START = datetime(2024, 5, 1, 12, tzinfo=UTC)
DAY = {"since": START, "until": START + timedelta(days=1)}


def span(kind: str, name: str, ms: int, *, server: bool = False, ok: bool = True, **facts: Any) -> Any:
    """A row as a monitored flow sends it; facts with a double underscore for the dot."""
    properties = {"pf_monitor.kind": kind, "pf_monitor.flow": "rag"} | {
        key.replace("__", "."): str(value) for key, value in facts.items() if key != "operation"
    }
    base = {"name": name, "duration": f"00:00:00.{ms:03}", "success": ok, "properties": properties}
    time = (START + timedelta(seconds=1)).isoformat()
    tags = {"ai.operation.id": facts.get("operation", "op")}
    return to_row(envelope("RequestData" if server else "RemoteDependencyData", base, time=time, tags=tags))


def call(kind: str, ms: int, model: str, tokens: tuple[int, int], cost: float | None = None, **more: Any) -> Any:
    facts: dict[str, Any] = {
        "gen_ai__request__model": model,
        "gen_ai__usage__input_tokens": tokens[0],
        "gen_ai__usage__output_tokens": tokens[1],
        "pf_monitor__usage__source": "provider",
    }
    if cost is not None:
        facts["pf_monitor__usage__cost_usd"] = cost
    return span(kind, f"{kind} {model}", ms, **(facts | more))


@pytest.fixture
def rag(tmp_path: Path) -> Iterator[Store]:
    """Four flow runs, one of them inside an instrumented server and one failed; what is beside them does not count."""
    node = {"pf_monitor__node": "answer"}
    rows = [
        span("flow", "rag", 100, server=True),
        span("flow", "rag", 200, server=True),
        span("flow", "rag", 300, server=True, ok=False, operation="failed"),
        span("flow", "rag", 400),
        span("request", "POST /score", 900, server=True),
        span("node", "answer", 10, **node, pf_monitor__usage__input_tokens=60, pf_monitor__usage__output_tokens=6),
        span("node", "answer", 30, **node, pf_monitor__usage__input_tokens=40, pf_monitor__usage__cost_usd=0.5),
        span("retrieval", "search", 5, ok=False),
        call("llm", 10, "gpt-4o", (60, 6), 0.25, gen_ai__response__model="gpt-4o-2024-08-06"),
        call("llm", 20, "gpt-4o", (30, 3), 0.5, gen_ai__response__model="gpt-4o-2024-08-06"),
        call("llm", 30, "llama", (7, 2), ok=False, pf_monitor__usage__source="estimated"),
        call("embedding", 40, "ada", (1000, 0), 0.125),
    ]
    with Store.open(tmp_path) as store:
        store.append(rows)
        yield store


def ask(store: Store, name: str, **parameters: Any) -> list[dict[str, Any]]:
    return store.query(queries.load(name, **parameters)).records()


def test_summary(rag: Store) -> None:
    assert ask(rag, "summary", **DAY) == [
        {
            "requests": 4,
            "failed": 1,
            "error_rate": 0.25,
            "p50_ms": 200.0,
            "p95_ms": 400.0,
            "model_calls": 4,
            "priced_calls": 3,
            "prompt_tokens": 60 + 30 + 7 + 1000,
            "completion_tokens": 6 + 3 + 2,
            "total_tokens": 1108,
            "cost_usd": 0.875,
        }
    ]


def test_summary_of_nothing_has_no_rate_and_no_cost(rag: Store) -> None:
    (row,) = ask(rag, "summary", since=START + timedelta(days=9), until=START + timedelta(days=10))

    unknown = {"error_rate": None, "p50_ms": None, "p95_ms": None, "cost_usd": None}
    assert row == dict.fromkeys(row, 0) | unknown


def test_by_model(rag: Store) -> None:
    rows = ask(rag, "by_model", **DAY)

    measures = ("calls", "failed", "estimated", "prompt_tokens", "completion_tokens", "total_tokens", "cost_usd")
    assert [(row["model"], row["item_kind"], *(row[name] for name in measures)) for row in rows] == [
        ("ada", "embedding", 1, 0, 0, 1000, 0, 1000, 0.125),
        ("gpt-4o-2024-08-06", "llm", 2, 0, 0, 90, 9, 99, 0.75),
        ("llama", "llm", 1, 1, 1, 7, 2, 9, None),
    ]
    assert [(row["p50_ms"], row["p95_ms"]) for row in rows] == [(40.0, 40.0), (10.0, 20.0), (30.0, 30.0)]


def test_by_node(rag: Store) -> None:
    rows = ask(rag, "by_node", **DAY)

    assert rows == [
        {
            "flow": "rag",
            "node": "answer",
            "item_kind": "node",
            "runs": 2,
            "failed": 0,
            "prompt_tokens": 100,
            "completion_tokens": 6,
            "total_tokens": 106,
            "cost_usd": 0.5,
            "p50_ms": 10.0,
            "p95_ms": 30.0,
        },
        {
            "flow": "rag",
            "node": "search",
            "item_kind": "retrieval",
            "runs": 1,
            "failed": 1,
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "total_tokens": 0,
            "cost_usd": None,
            "p50_ms": 5.0,
            "p95_ms": 5.0,
        },
    ]


def test_request_is_everything_of_one_operation(rag: Store) -> None:
    (row,) = ask(rag, "request", operation="failed")

    assert (row["name"], row["item_kind"], row["success"], row["duration"]) == ("rag", "flow", "False", 300.0)
    assert len(ask(rag, "request", operation="op")) == 11


@pytest.mark.parametrize(
    "text", ['"', "\\", '\\"', "\n", "'; requests //", "\u2028", "é⛺", "\x00", '"; requests | take 1 //']
)
def test_text_parameters_cannot_leave_their_quotes(rag: Store, text: str) -> None:
    assert ask(rag, "request", operation=text) == []
    rag.append([span("flow", "found", 1, server=True, operation=text)])
    assert [row["name"] for row in ask(rag, "request", operation=text)] == ["found"]


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        queries.load("summary", since=datetime(2024, 5, 1))
    with pytest.raises(FileNotFoundError):
        queries.load("nothing")
    assert {"summary", "by_model", "by_node", "request"} <= set(queries.names())
