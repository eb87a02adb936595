"""How much telemetry there is: worked out by hand from a few items of known size."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import timedelta

import pytest
from handmade import START, item, span
from rich.console import Console

from pf_monitor.cli.terminal.telemetry import print_telemetry
from pf_monitor.insights import Store
from pf_monitor.views.scope import Scope
from pf_monitor.views.telemetry import telemetry

HOUR = Scope(since=START, until=START + timedelta(hours=1))
A_MONTH = 24 * 30


@pytest.fixture(scope="module")
def volume(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store.open(tmp_path_factory.mktemp("volume")) as store:
        failure = {"exceptions": [{"typeName": "ValueError", "message": "m" * 70}]}
        rows = [
            span("flow", "rag", 10, 1, "a1", server=True, user="u-42", question="q" * 100, question__2="q" * 20),
            span("flow", "rag", 10, 2, "a2", server=True, question="q" * 80, answer="a" * 400),
            span("llm", "chat", 10, 2, "a2", "a2-rag", gen_ai__input__messages="i" * 900),
            item("ExceptionData", failure, 2, "a2"),
            item("MetricData", {"metrics": [{"name": "m", "value": 1, "count": 1}]}, 3, ""),
            span("flow", "rag", 10, 61, "a3", server=True, question="q" * 5_000),
        ]
        store.append(rows)
        yield store


def test_columns_hold_what_was_sent(volume: Store) -> None:
    found = telemetry(volume, HOUR)
    columns = {row["column"]: row for row in found["by_column"]}
    sizes = {name: row["size"] for name, row in columns.items()}
    assert {name: sizes[name] for name in ("question", "answer", "messages", "user")} == {
        "question": 200,
        "answer": 400,
        "messages": 900,
        "user": 4,
    }
    assert sizes["errors"] > 70
    assert sum(sizes.values()) == found["size"]
    assert sum(row["size"] for row in found["by_item"]) == found["size"]
    assert sum(row["share"] for row in columns.values()) == pytest.approx(1)
    assert columns["question"]["size_per_request"] == 100
    assert (found["requests"], found["items"], found["items_per_request"]) == (2, 5, 2.5)
    assert "context" not in columns


def test_a_month_costs_what_it_comes_to_at_the_price(volume: Store) -> None:
    found = telemetry(volume, HOUR, price=2.5)
    assert found["month_gb"] == pytest.approx(found["size"] * A_MONTH / 1e9)
    assert found["month_usd"] == pytest.approx(found["month_gb"] * 2.5)
    [messages] = [row for row in found["by_column"] if row["column"] == "messages"]
    assert messages["month_usd"] == pytest.approx(900 * A_MONTH / 1e9 * 2.5)
    assert telemetry(volume, HOUR)["month_usd"] is None


def test_each_setting_says_what_it_would_save(volume: Store) -> None:
    found = telemetry(volume, HOUR, price=2.5)
    saved = {row["setting"]: round(row["share"] * found["size"]) for row in found["savings"]}
    assert saved["PF_MONITOR_CAPTURE_CONTENT: false"] == 1_500
    assert saved["PF_MONITOR_CAPTURE_MESSAGES: off"] == 900
    spans = sum(row["size"] for row in found["by_item"] if row["table"] not in ("customMetric", "performanceCounter"))
    assert saved["PF_MONITOR_SAMPLING_RATIO: 0.1"] == round(spans * 0.9)
    assert [*saved.values()] == sorted(saved.values(), reverse=True)
    assert "PF_MONITOR_CAPTURE_CONTEXT: off" not in saved


def test_nothing_is_nothing(empty: Store) -> None:
    found = telemetry(empty, HOUR, price=2.5)
    assert (found["requests"], found["items"], found["size"], found["month_usd"]) == (0, 0, 0, 0)
    assert (found["items_per_request"], found["by_item"], found["by_column"], found["savings"]) == (None, [], [], [])


def test_it_is_printed(volume: Store) -> None:
    printed = io.StringIO()
    print_telemetry(telemetry(volume, HOUR, price=2.5), Console(width=100, file=printed))
    lines = [" ".join(line.split()) for line in printed.getvalue().splitlines()]
    assert "Items a request 2.50" in lines
    [messages] = [line for line in lines if line.startswith("messages ")]
    assert messages.startswith("messages 450 B ")
    assert any(line.startswith("PF_MONITOR_CAPTURE_MESSAGES: off 450 B ") for line in lines)
