"""What each page shows of the requests made by hand; their numbers are those of `tests/queries/test_results.py`."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import handmade
import pytest

from pf_monitor.insights import Store
from pf_monitor.queries import Filters
from pf_monitor.table import Column, QueryError, Table
from pf_monitor.views.choices import choices
from pf_monitor.views.operations import operations
from pf_monitor.views.overview import overview
from pf_monitor.views.quality import quality
from pf_monitor.views.requests import Paging, requests
from pf_monitor.views.scope import Scope
from pf_monitor.views.source import ask
from pf_monitor.views.statistics import of_average, wilson
from pf_monitor.views.timeline import filled
from pf_monitor.views.tokens import NodeSums, tokens

VIEWS: list[Callable[[Any, Scope], Any]] = [overview, tokens, quality, operations, requests, choices]

NUMBERS = {
    "requests": 12,
    "failed": 2,
    "error_rate": 2 / 12,
    "p50_ms": 3000.0,
    "p95_ms": 8000.0,
    "p99_ms": 8000.0,
    "model_calls": 11,
    "failed_calls": 1,
    "priced_calls": 9,
    "estimated_calls": 1,
    "prompt_tokens": 2170,
    "completion_tokens": 117,
    "total_tokens": 2287,
    "estimated_tokens": 55,
    "cost_usd": 6.25,
}


def test_overview(store: Store, hour: Scope) -> None:
    found = overview(store, hour)
    assert found.keys() == {"scope", "now", "before", "quality", "series"}
    assert found["now"] == NUMBERS
    # The hour before has the one run that began just before noon.
    assert (found["before"]["requests"], found["before"]["total_tokens"], found["before"]["cost_usd"]) == (1, 14, 7.0)
    assert found["quality"] == [
        {"metric": "fluency", "passed": 0, "failed": 0, "pass_rate": None, "pass_rate_before": None},
        {"metric": "groundedness", "passed": 2, "failed": 2, "pass_rate": 0.5, "pass_rate_before": None},
        {"metric": "user_feedback", "passed": 1, "failed": 1, "pass_rate": 0.5, "pass_rate_before": None},
    ]
    assert len(found["series"]) == 60
    assert found["series"][0] == {
        "t": "2024-05-01T12:00:00Z",
        "requests": 1,
        "failed": 0,
        "p50_ms": 1000.0,
        "p95_ms": 1000.0,
        "p99_ms": 1000.0,
        "model_calls": 1,
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "cost_usd": 0.5,
    }
    nothing = {"p50_ms": None, "p95_ms": None, "p99_ms": None, "cost_usd": None}
    assert found["series"][1] == {**dict.fromkeys(found["series"][0], 0), "t": "2024-05-01T12:01:00Z", **nothing}


def test_the_series_add_up_to_the_numbers(store: Store, hour: Scope) -> None:
    found = overview(store, hour)
    for name in ("requests", "failed", "model_calls", "prompt_tokens", "completion_tokens", "cost_usd"):
        assert sum(point[name] or 0 for point in found["series"]) == found["now"][name]  # type: ignore[literal-required]  # names of a loop


def test_a_part_of_the_range_at_its_end_is_shown_too(store: Store) -> None:
    later = timedelta(minutes=17, seconds=23)
    scope = Scope(handmade.START + later, handmade.START + later + timedelta(hours=1))
    series = overview(store, scope)["series"]
    assert (len(series), series[0]["t"], series[-1]["t"]) == (61, "2024-05-01T12:17:00Z", "2024-05-01T13:17:00Z")
    assert sum(point["requests"] for point in series) == 9  # a5 to n1, and late


def test_tokens(store: Store, hour: Scope) -> None:
    found = tokens(store, hour)
    latencies = ("p50_ms", "p95_ms", "p99_ms")
    assert found["now"] == {name: value for name, value in NUMBERS.items() if name not in latencies}
    assert found["series"] == [
        {name: value for name, value in point.items() if name not in latencies}
        for point in overview(store, hour)["series"]
    ]
    assert found["by_model"][0] == {
        "model": "gpt-4o-2024",
        "item_kind": "llm",
        "calls": 5,
        "failed": 0,
        "estimated": 0,
        "prompt_tokens": 1060,
        "completion_tokens": 106,
        "total_tokens": 1166,
        "cost_usd": 5.25,
    }
    assert found["by_node"][0].keys() == NodeSums.__annotations__.keys()
    assert found["estimated_share"] == 55 / 2287
    assert found["distribution"] == [
        {"tokens": 0, "below": 1, "requests": 3},
        {"tokens": 1, "below": 100, "requests": 4},
        {"tokens": 100, "below": 200, "requests": 1},
        {"tokens": 200, "below": 500, "requests": 3},
        {"tokens": 500, "below": 1000, "requests": 0},
        {"tokens": 1000, "below": 2000, "requests": 1},
    ]
    assert [row["node"] for row in found["expensive_nodes"]] == ["answer", "retrieve"]
    assert [row["model"] for row in found["by_model"]][:2] == ["gpt-4o-2024", "ada-002"]
    assert [row["deployment"] for row in found["by_deployment"]] == ["blue", "green", ""]
    assert [row["operation_Id"] for row in found["expensive_questions"]] == ["a6", "a2", "a4", "a8", "a3", "a7"]
    assert [row["session"] for row in found["expensive_sessions"]] == ["s3", "s1", "s2"]


def test_quality(store: Store, hour: Scope) -> None:
    found = quality(store, hour)
    assert found["runs"] == 12
    assert found["metrics"][1] == {
        "metric": "groundedness",
        "judged": 4,
        "passed": 2,
        "failed": 2,
        "pass_rate": 0.5,
        # Wilson, 2 of 4: the middle is 0.5, half the width 1.96 / (1 + 3.84 / 4) * sqrt(1 / 16 + 3.84 / 64) = 0.35.
        "pass_low": pytest.approx(0.1500, abs=1e-4),
        "pass_high": pytest.approx(0.8500, abs=1e-4),
        "violation_rate": 0.5,
        "average": 3.0,
        # 3 ± 1.96 * sqrt(10 / 3) / 2 = 3 ± 1.789
        "average_low": pytest.approx(1.2108, abs=1e-4),
        "average_high": pytest.approx(4.7892, abs=1e-4),
        "judged_runs": 4,
        "coverage": 4 / 12,
    }
    fluency = found["metrics"][0]
    assert [fluency[name] for name in ("pass_rate", "pass_low", "violation_rate", "average_low")] == [None] * 4  # type: ignore[literal-required]  # likewise
    assert [(one["metric"], len(one["points"])) for one in found["series"]] == [
        ("fluency", 60),
        ("groundedness", 60),
        ("user_feedback", 60),
    ]
    points = found["series"][1]["points"]
    assert [point["t"][14:16] for point in points if point["judged"]] == ["01", "06", "16", "26"]
    assert (points[0]["judged"], points[0]["average"], points[0]["pass_rate"]) == (0, None, None)
    assert [row["explanation"] for row in found["worst"]][:2] == ["It is blue!", "It says nothing."]
    assert "rank" not in found["worst"][0]


def test_operations(store: Store, hour: Scope) -> None:
    found = operations(store, hour)
    assert found["now"] == NUMBERS
    assert found["throttled"] == 1
    assert [row["type"] for row in found["errors"]] == ["ValueError", "openai.RateLimitError"]
    assert [len(found[name]) for name in ("series", "call_series", "processes")] == [60, 60, 60]  # type: ignore[literal-required]  # names of a loop
    assert [point["t"][14:16] for point in found["call_series"] if point["throttled"]] == ["10"]
    assert [point["cpu_percent"] for point in found["processes"] if point["cpu_percent"] is not None] == [50, 150, 20]
    assert found["processes"][5]["memory_bytes_max"] == 300e6
    assert [row["node"] for row in found["by_node"]] == ["answer", "retrieve"]


def test_requests(store: Store, hour: Scope) -> None:
    found = requests(store, hour)
    assert (found["total"], found["pages"], found["page"]) == (12, 1, 1)
    assert " ".join(row["operation_Id"] for row in found["rows"]) == "n1 b3 b2 b1 a8 a7 a6 a5 a4 a3 a2 a1"
    assert found["rows"][-1] == {
        "timestamp": "2024-05-01T12:00:00Z",
        "flow": "rag",
        "outcome": "ok",
        "success": "True",
        "duration": 1000.0,
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "total_tokens": 110,
        "cost_usd": 0.5,
        "question": "How heavy is the tent?",
        "answer": "2.1 kg",
        "session": "s1",
        "user": "u1",
        "deployment": "blue",
        "error_type": "",
        "request_id": "id-a1",
        "operation_Id": "a1",
        "id": "a1-rag",
    }


def test_beyond_the_last_page_is_the_last(store: Store, hour: Scope) -> None:
    found = requests(store, hour, Paging(size=5, page=9))
    assert (found["page"], found["pages"]) == (3, 3)
    assert [row["operation_Id"] for row in found["rows"]] == ["a2", "a1"]
    found = requests(store, hour, Paging(search="tent", sort="cost"))
    assert (found["total"], [row["operation_Id"] for row in found["rows"]]) == (2, ["a2", "a1"])


def test_choices(store: Store) -> None:
    # Whatever is filtered by, there is the same to choose from.
    assert choices(store, Scope(**handmade.HOUR, filters=Filters(flow="chat", model="llama"))) == {
        "flows": ["chat", "chat-2", "rag"],
        "deployments": ["blue", "green"],
        "models": ["ada-002", "gpt-4o", "gpt-4o-2024", "gpt-4o-mini-2024", "llama"],
        "nodes": ["answer", "retrieve"],
        "outcomes": ["ok", "error", "cancelled", "abandoned"],
    }


EVERY = Filters("rag", "blue", "gpt-4o-2024", "answer", "ok", (("tenant", "acme"),))


def test_a_question_that_fails_ends_the_others_that_wait(hour: Scope) -> None:
    asked: list[int] = []
    numbers = itertools.count()

    class Failing:
        def query(self, kql: str) -> Table:
            asked.append(number := next(numbers))
            if number == 0:
                raise QueryError("The query ran longer than 60 s")
            threading.Event().wait(0.2)  # long enough for the others to be called off
            return Table((), [])

    with pytest.raises(QueryError, match="longer than 60 s"):
        tokens(Failing(), hour)
    assert len(asked) < 6  # of eight


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("filters", [Filters(), EVERY], ids=["no filter", "every filter"])
def test_an_empty_store_breaks_no_view(view: Any, filters: Filters, empty: Store) -> None:
    found = view(empty, Scope(**handmade.HOUR, filters=filters))
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("view", VIEWS)
def test_every_filter_together(view: Any, store: Store) -> None:
    found = view(store, Scope(**handmade.HOUR, filters=EVERY))
    assert json.loads(json.dumps(found)) == found
    if view in (overview, tokens, operations):
        # a1 alone.
        assert (found["now"]["requests"], found["now"]["total_tokens"]) == (1, 110)


@pytest.mark.parametrize("view", VIEWS)
def test_one_row_from_a_clock_that_is_off(view: Any, tmp_path: Any) -> None:
    with Store.open(tmp_path) as store:
        store.append([handmade.span("flow", "", 0, -60 * 24 * 365 * 20, "x", server=True)])
        far = Scope(handmade.START - timedelta(days=365 * 20 + 30), handmade.START - timedelta(days=365 * 20 - 30))
        found = view(store, far)
        assert json.loads(json.dumps(found)) == found


# What Azure gives where there is no number.


class Fixed:
    """A source that answers one thing."""

    def __init__(self, columns: tuple[Column, ...], row: list[Any]) -> None:
        self.table = Table(columns, [row])

    def query(self, kql: str) -> Table:
        return self.table


def test_what_is_not_a_number_is_none(hour: Scope) -> None:
    columns = (Column("a", "real"), Column("b", "real"), Column("c", "real"), Column("d", "string"))
    source = Fixed(columns, ["NaN", float("nan"), 1.5, "NaN"])
    assert ask(source, "summary", hour) == [{"a": None, "b": None, "c": 1.5, "d": "NaN"}]


def test_seven_digits_of_a_second_are_read(hour: Scope) -> None:
    points = list(filled([{"t": "2024-05-01T12:01:00.0000000Z", "n": 1}], hour, {"n": 0}))
    assert [point["n"] for point in points][:3] == [0, 1, 0]


@pytest.mark.parametrize(
    ("passed", "judged", "expected"),
    # facts of Wilson's interval at 75 %, and at the ends
    [(15, 20, (0.531, 0.888)), (300, 400, (0.705, 0.790)), (0, 5, (0.0, 0.434)), (5, 5, (0.566, 1.0))],
)
def test_wilson(passed: int, judged: int, expected: tuple[float, float]) -> None:
    assert wilson(passed, judged) == pytest.approx(expected, abs=1e-3)


def test_no_interval_of_too_few() -> None:
    assert wilson(0, 0) is None
    assert of_average(3.0, None, 1) is None
    assert of_average(3.0, float("nan"), 4) is None
