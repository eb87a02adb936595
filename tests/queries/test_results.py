"""Every query's whole result on the requests made by hand, equal to what one works out from `handmade.py`'s table."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import handmade
import pytest
from handmade import HEAVY, HOUR, LONG

from pf_monitor import queries
from pf_monitor.insights import Store
from pf_monitor.insights import kql as translation
from pf_monitor.insights.kql import translate
from pf_monitor.insights.result import read_result
from pf_monitor.insights.schema import TABLES
from pf_monitor.queries import Expression, Filters

HALF = {**HOUR, "step": timedelta(minutes=30)}


def ask(store: Store, name: str, filters: Filters | None = None, **parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a query, with the names of its columns as the first."""
    table = store.query(queries.load(name, filters, **parameters))
    return [tuple(column.name for column in table.columns), *(tuple(row) for row in table.rows)]


def names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def at(minute: float) -> str:
    return (handmade.START + timedelta(minutes=minute)).isoformat().replace("+00:00", "Z")


SUMMARY = names(
    "requests failed error_rate p50_ms p95_ms p99_ms model_calls failed_calls priced_calls estimated_calls"
    " prompt_tokens completion_tokens total_tokens estimated_tokens cost_usd"
)


def test_summary(store: Store) -> None:
    assert ask(store, "summary", **HOUR) == [
        SUMMARY,
        (
            *(12, 2, 2 / 12),
            # In order: 500 1000 1500 2000 2500 3000 | 3500 4000 5000 6000 7000 8000. The 6th of 12, and the 12th.
            *(3000.0, 8000.0, 8000.0),
            # a1 to a6, a8 twice, b1, b2, n1; a3 failed; a3 and a5 have no price; a5 is estimated.
            *(11, 1, 9, 1),
            100 + 200 + 300 + 50 + 400 + 60 + 1000 + 10 + 20 + 30,
            10 + 20 + 30 + 5 + 40 + 6 + 0 + 1 + 2 + 3,
            2170 + 117,
            50 + 5,
            0.5 + 1.0 + 1.5 + 2.0 + 0.25 + 0.125 + 0.125 + 0.25 + 0.5,
        ),
    ]


def test_summary_of_nothing_has_no_rate_no_latency_and_no_cost(store: Store) -> None:
    nothing = {"since": handmade.START + timedelta(days=9), "until": handmade.START + timedelta(days=10)}
    assert ask(store, "summary", **nothing)[1] == (0, 0, None, None, None, None, 0, 0, 0, 0, 0, 0, 0, 0, None)


def test_series(store: Store) -> None:
    assert ask(store, "series", **HALF) == [
        names("t requests failed p50_ms p95_ms p99_ms model_calls prompt_tokens completion_tokens cost_usd"),
        # a1 to a6: 1000 to 6000 ms.
        (at(0), 6, 1, 3000.0, 6000.0, 6000.0, 6, 100 + 200 + 300 + 50 + 400, 10 + 20 + 30 + 5 + 40, 0.5 + 1 + 1.5 + 2),
        # a7 a8 b1 b2 b3 n1: 500 1500 2500 | 3500 7000 8000.
        (at(30), 6, 1, 2500.0, 8000.0, 8000.0, 5, 1000 + 60 + 10 + 20 + 30, 6 + 1 + 2 + 3, 0.375 + 0.125 + 0.25 + 0.5),
    ]


def test_by_model(store: Store) -> None:
    assert ask(store, "by_model", **HOUR) == [
        names(
            "model item_kind calls failed estimated prompt_tokens completion_tokens total_tokens cost_usd p50_ms p95_ms"
        ),
        # a1 a2 a4 a6 a8: 200 400 800 1200 1600 ms.
        ("gpt-4o-2024", "llm", 5, 0, 0, 1060, 106, 1166, 5.25, 800.0, 1600.0),
        ("ada-002", "embedding", 1, 0, 0, 1000, 0, 1000, 0.125, 50.0, 50.0),
        ("gpt-4o-mini-2024", "llm", 3, 0, 0, 60, 6, 66, 0.875, 500.0, 700.0),
        ("llama", "llm", 1, 0, 1, 50, 5, 55, None, 600.0, 600.0),
        # a3 got no answer, so that it has the name of what it asked.
        ("gpt-4o", "llm", 1, 1, 0, 0, 0, 0, None, 100.0, 100.0),
    ]


def test_by_deployment(store: Store) -> None:
    assert ask(store, "by_deployment", **HOUR) == [
        names("deployment calls failed prompt_tokens completion_tokens total_tokens cost_usd"),
        # a1 a2 a3 a8 a8 b1 b2
        ("blue", 7, 1, 100 + 200 + 1000 + 60 + 10 + 20, 10 + 20 + 6 + 1 + 2, 1429, 0.5 + 1 + 0.375 + 0.125 + 0.25),
        # a4 a5 a6
        ("green", 3, 0, 300 + 50 + 400, 30 + 5 + 40, 825, 1.5 + 2.0),
        # n1
        ("", 1, 0, 30, 3, 33, 0.5),
    ]


def test_by_node(store: Store) -> None:
    assert ask(store, "by_node", **HOUR) == [
        names("flow node item_kind runs failed prompt_tokens completion_tokens total_tokens cost_usd p50_ms p95_ms"),
        # a1 to a6 and a8; 100 ms more than the call: 200 300 500 700 900 1300 1700.
        ("rag", "answer", "node", 7, 1, 1050 + 60, 105 + 6, 1221, 5.0 + 0.25, 700.0, 1700.0),
        # a1 a7 a8: 50 60 70 ms; only a8 has a call beneath.
        ("rag", "retrieve", "retrieval", 3, 1, 1000, 0, 1000, 0.125, 60.0, 70.0),
    ]


def test_token_histogram(store: Store) -> None:
    assert ask(store, "token_histogram", **HOUR) == [
        names("tokens requests"),
        (0, 3),  # a3 a7 b3
        (1, 4),  # a5 55, b1 11, b2 22, n1 33
        (100, 1),  # a1 110
        (200, 3),  # a2 220, a4 330, a6 440
        (1000, 1),  # a8 1066
    ]


def test_expensive_questions(store: Store) -> None:
    assert ask(store, "expensive_questions", **HOUR) == [
        names("question requests total_tokens cost_usd last_seen operation_Id"),
        (LONG["question"], 1, 440, 2.0, at(25), "a6"),
        (HEAVY["question"], 2, 110 + 220, 0.5 + 1.0, at(5), "a2"),
        ("Is it red?", 1, 330, 1.5, at(15), "a4"),
        ("And the Firefly?", 1, 1066, 0.375, at(35), "a8"),
        ("Does it break?", 1, 0, None, at(10), "a3"),
        ("What fails?", 1, 0, None, at(30), "a7"),
    ]


def test_expensive_sessions(store: Store) -> None:
    assert ask(store, "expensive_sessions", **HOUR) == [
        names("session user requests total_tokens cost_usd first_seen last_seen"),
        ("s3", "u3", 2, 55 + 440, 2.0, at(20), at(25)),
        ("s1", "u1", 2, 110 + 220, 1.5, at(0), at(5)),
        ("s2", "u2", 2, 0 + 330, 1.5, at(10), at(15)),
    ]


def test_quality_summary(store: Store) -> None:
    columns, *rows = ask(store, "quality_summary", **HOUR)
    assert columns == names("metric judged passed failed pass_rate scored average deviation")
    assert rows == [
        ("fluency", 1, 0, 0, None, 1, 4.0, None),
        # 5 4 2 1: the average is 3, the squares of the distances are 4 + 1 + 1 + 4 = 10, over n - 1 = 3.
        ("groundedness", 4, 2, 2, 0.5, 4, 3.0, pytest.approx((10 / 3) ** 0.5)),
        ("user_feedback", 2, 1, 1, 0.5, 2, 0.5, pytest.approx(0.5**0.5)),
    ]


def test_quality_series(store: Store) -> None:
    columns, *rows = ask(store, "quality_series", **HALF)
    assert columns == names("t metric judged passed failed pass_rate scored average deviation")
    assert rows == [
        (at(0), "fluency", 1, 0, 0, None, 1, 4.0, None),
        (at(0), "groundedness", 4, 2, 2, 0.5, 4, 3.0, pytest.approx((10 / 3) ** 0.5)),
        (at(0), "user_feedback", 1, 0, 1, 0.0, 1, 0.0, None),
        (at(30), "user_feedback", 1, 1, 0, 1.0, 1, 1.0, None),
    ]


def test_score_histogram(store: Store) -> None:
    assert ask(store, "score_histogram", **HOUR) == [
        names("metric bucket width scores"),
        ("fluency", 4.0, 1.0, 1),
        *(("groundedness", float(score), 1.0, 1) for score in (1, 2, 4, 5)),
        ("user_feedback", 0.0, 0.1, 1),
        ("user_feedback", 1.0, 0.1, 1),
    ]


def test_coverage(store: Store) -> None:
    # `late` has a score too, but is not a run of the hour.
    assert ask(store, "coverage", **HOUR) == [
        names("metric judged_runs"),
        ("fluency", 1),
        ("groundedness", 4),
        ("user_feedback", 2),
    ]


RED = ("a4", "rag", "Is it red?", "Yes, RED")
LONG_ONE = ("a6", "rag", LONG["question"], LONG["answer"])


def test_worst_answers(store: Store) -> None:
    assert ask(store, "worst_answers", **HOUR) == [
        names("timestamp metric score label explanation evaluator operation_Id flow question answer rank"),
        (at(16), "user_feedback", 0.0, "fail", "It is blue!", "user", *RED, 0),
        (at(26), "groundedness", 1.0, "fail", "It says nothing.", "judge 1", *LONG_ONE, 0),
        (at(16), "groundedness", 2.0, "fail", "It invents a colour.", "judge 1", *RED, 0),
        (at(21), "fluency", 4.0, "", "", "judge 1", "a5", "rag", "", "", 1),
    ]


def test_call_health(store: Store) -> None:
    assert ask(store, "call_health", **HOUR) == [
        names("model calls failed throttled streamed first_chunk_p50_s first_chunk_p95_s p50_ms p95_ms"),
        ("gpt-4o-2024", 5, 0, 0, 2, 0.25, 0.75, 800.0, 1600.0),
        ("gpt-4o-mini-2024", 3, 0, 0, 0, None, None, 500.0, 700.0),
        ("ada-002", 1, 0, 0, 0, None, None, 50.0, 50.0),
        ("gpt-4o", 1, 1, 1, 0, None, None, 100.0, 100.0),
        ("llama", 1, 0, 0, 0, None, None, 600.0, 600.0),
    ]


def test_call_series(store: Store) -> None:
    assert ask(store, "call_series", **HALF) == [
        names("t throttled streamed first_chunk_p50_s first_chunk_p95_s"),
        (at(0), 1, 2, 0.25, 0.75),
        (at(30), 0, 0, None, None),
    ]


def test_errors_by_type(store: Store) -> None:
    assert ask(store, "errors_by_type", **HOUR) == [
        names("type errors requests last_seen message operation_Id flow node"),
        ("ValueError", 2, 1, at(30.5), "still no index", "a7", "rag", "retrieve"),
        ("openai.RateLimitError", 1, 1, at(10), "slow down", "a3", "rag", "answer"),
    ]


def test_processes(store: Store) -> None:
    assert ask(store, "processes", **HALF) == [
        names("t cpu_percent cpu_percent_max memory_bytes memory_bytes_max"),
        (at(0), (50 + 150) / 2, 150.0, (100e6 + 300e6) / 2, 300e6),
        (at(30), 20.0, 20.0, None, None),
    ]


def test_choices(store: Store) -> None:
    columns, *rows = ask(store, "choices", **HOUR)
    assert columns == names("flow deployment node model items")
    assert set(rows) == {
        # The flows' own rows, then nodes, then calls.
        *{("rag", "blue", "", "", 4), ("rag", "green", "", "", 3), ("rag", "", "", "", 1)},
        *{("chat", "blue", "", "", 2), ("chat", "", "", "", 1), ("chat-2", "", "", "", 1)},
        *{("rag", "blue", "answer", "", 4), ("rag", "green", "answer", "", 3)},
        *{("rag", "blue", "retrieve", "", 2), ("rag", "", "retrieve", "", 1)},
        *{("rag", "blue", "answer", "gpt-4o-2024", 3), ("rag", "green", "answer", "gpt-4o-2024", 2)},
        *{("rag", "blue", "answer", "gpt-4o", 1), ("rag", "green", "answer", "llama", 1)},
        *{("rag", "blue", "retrieve", "ada-002", 1)},
        *{("chat", "blue", "", "gpt-4o-mini-2024", 2), ("chat-2", "", "", "gpt-4o-mini-2024", 1)},
    }


def test_flow_runs(store: Store) -> None:
    columns, *rows = ask(store, "flow_runs", **HOUR)
    assert columns == names(
        "timestamp flow operation_Id request_id session user success duration exception_rows prompt_tokens"
        " completion_tokens"
    )
    assert tuple(row[2] for row in rows) == names("a1 a2 a3 a4 a5 a6 a7 a8 b1 b2 b3 n1")
    assert rows[2] == (at(10), "rag", "a3", "id-a3", "s2", "u2", "False", 3000.0, 1, 0, 0)
    assert rows[6] == (at(30), "rag", "a7", "id-a7", "", "", "False", 7000.0, 2, 0, 0)
    assert rows[7] == (at(35), "rag", "a8", "id-a8", "", "", "True", 8000.0, 0, 1060, 6)


def test_beyond_contract(store: Store) -> None:
    # The log of a2 is of the user's own code.
    assert ask(store, "beyond_contract", **HOUR) == [names("itemType name items"), ("trace", None, 1)]


PAGE = {"words": "", "sorted_by": "time", "descending": True, "upto": 2, "size": 2}


def test_requests_page(store: Store) -> None:
    assert ask(store, "requests_page", **HOUR, **PAGE | {"sorted_by": "cost", "upto": 1, "size": 1}) == [
        names(
            "timestamp flow outcome success duration prompt_tokens completion_tokens total_tokens cost_usd question"
            " answer session user deployment error_type request_id operation_Id id found"
        ),
        (
            *(at(25), "rag", "abandoned", "True", 6000.0, 400, 40, 440, 2.0, LONG["question"], LONG["answer"]),
            *("s3", "u3", "green", "", "id-a6", "a6", "a6-rag", 12),
        ),
    ]


@pytest.mark.parametrize(
    ("sorted_by", "descending", "expected"),
    [
        ("time", True, "n1 b3 b2 b1 a8 a7 a6 a5 a4 a3 a2 a1"),
        ("time", False, "a1 a2 a3 a4 a5 a6 a7 a8 b1 b2 b3 n1"),
        ("duration", True, "a8 a7 a6 a5 a4 n1 a3 b3 a2 b2 a1 b1"),
        ("tokens", True, "a8 a6 a4 a2 a1 a5 n1 b2 b1 b3 a7 a3"),
        # a3, a5, a7, b3 have no known cost: last, whichever way, the latest first. a2 and n1 have the like of others.
        ("cost", True, "a6 a4 a2 n1 a1 a8 b2 b1 b3 a7 a5 a3"),
        ("cost", False, "b1 b2 a8 n1 a1 a2 a4 a6 b3 a7 a5 a3"),
    ],
)
@pytest.mark.parametrize("size", [5, 12])
def test_pages_of_requests_make_up_the_whole(
    store: Store, sorted_by: str, descending: bool, expected: str, size: int
) -> None:
    found: list[Any] = []
    for start in range(0, 12, size):
        rows = min(size, 12 - start)
        paging = PAGE | {"sorted_by": sorted_by, "descending": descending, "upto": start + rows, "size": rows}
        _, *page = ask(store, "requests_page", **HOUR, **paging)
        found += [row[-3] for row in reversed(page)]
        assert {row[-1] for row in page} == {12}
    assert found == expected.split()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("", 12),
        ("TENT", 2),  # a1 a2, whatever the case
        ("red", 1),  # a4
        ("100 %", 1),  # a8's answer: no wildcard
        ("%", 1),
        ("_", 0),
        ("id-b2", 1),
        ("n1", 1),
        ('"', 0),
    ],
)
def test_requests_are_searched(store: Store, words: str, expected: int) -> None:
    _, *rows = ask(store, "requests_page", **HOUR, **PAGE | {"words": words, "upto": 20, "size": 20})
    assert [row[-1] for row in rows] == [expected] * expected


def test_request(store: Store) -> None:
    columns, *rows = ask(store, "request", operation="a7")
    assert columns == names(
        "timestamp itemType item_kind name success duration id operation_ParentId user_Id session_Id cloud_RoleName"
        " target problemId error_type outerMessage message severityLevel details customDimensions"
    )
    assert [row[:5] for row in rows] == [
        (at(30), "dependency", "retrieval", "retrieve", "False"),
        (at(30), "exception", "", None, None),
        (at(30), "request", "flow", "rag", "False"),
        (at(30.5), "exception", "", None, None),
    ]


# What a monitor reads.


def test_quality_runs_come_in_pages_without_their_words(store: Store) -> None:
    columns, first, second = ask(store, "quality_runs", **HOUR, upto=2)
    assert columns == names(
        "timestamp operation_Id id flow role deployment outcome latency_ms prompt_tokens completion_tokens total_tokens"
        " question_length answer_length"
    )
    said = (len(HEAVY["question"]), len(HEAVY["answer"]))
    assert first == (at(0), "a1", "a1-rag", "rag", "", "blue", "ok", 1000.0, 100, 10, 110, *said)
    assert second == (at(5), "a2", "a2-rag", "rag", "", "blue", "ok", 2000.0, 200, 20, 220, *said)
    _, *rest = ask(store, "quality_runs", **{**HOUR, "since": handmade.START + timedelta(minutes=10)}, upto=100)
    assert [row[1] for row in rest] == ["a3", "a4", "a5", "a6", "a7", "a8", "b1", "b2", "b3", "n1"]
    (a6,) = (row for row in rest if row[1] == "a6")
    assert a6[-2:] == (len(LONG["question"]) + len(LONG["question__2"]), len(LONG["answer"]))


def test_quality_calls_have_node_model_and_tokens(store: Store) -> None:
    columns, *rows = ask(store, "quality_calls", **{**HOUR, "since": handmade.START + timedelta(minutes=35)}, upto=3)
    assert columns == names("timestamp operation_Id id node model prompt_tokens completion_tokens")
    assert rows == [
        (at(35), "a8", "a8-embedding ada", "retrieve", "ada-002", 1000, 0),
        (at(35), "a8", "a8-llm gpt-4o", "answer", "gpt-4o-2024", 60, 6),
        (at(40), "b1", "b1-llm gpt-4o-mini", "", "gpt-4o-mini-2024", 10, 1),
    ]


def test_quality_rows_have_all_that_a_run_carries(store: Store) -> None:
    operations = Expression('dynamic(["a1", "b1", "late"])')
    columns, *rows = ask(store, "quality_rows", **HOUR, operations=operations)
    assert columns == ("operation_Id", "id", "customDimensions")
    found = {row[:2]: json.loads(row[2]) for row in rows}
    assert found.keys() == {("a1", "a1-rag"), ("b1", "b1-chat")}
    assert found["a1", "a1-rag"].items() >= HEAVY.items()


def test_quality_written_are_the_scores_of_one_monitor(store: Store) -> None:
    operations = Expression('dynamic(["a1", "a2"])')
    columns, *rows = ask(store, "quality_written", **HOUR, operations=operations, monitor_name="answers")
    assert columns == names("operation_Id operation_ParentId metric")
    assert rows == [("a1", "a1-rag", "groundedness")]


VERDICTS = names(
    "timestamp monitor flow metric measure verdict value low high threshold judged more_rows window_start window_end"
    " ending evaluator"
)


def test_quality_verdicts_are_those_of_each_monitors_latest_run(store: Store) -> None:
    window = (at(-24 * 60), at(0), "complete")
    rag = [
        (
            at(51),
            "answers",
            "rag",
            "groundedness",
            "pass rate",
            "inconclusive",
            0.75,
            0.5,
            0.875,
            0.7,
            20,
            300,
            *window,
            "judge 1",
        ),
        (at(51), "answers", "rag", "tokens", "total tokens", "pass", 4000.0, None, None, 5000.0, 40, None, *window, ""),
    ]
    nightly = (at(-1000), "nightly", "", "fluency", "pass rate", "watched", 1.0, None, None, None, 3, None, *window, "")
    assert ask(store, "quality_verdicts", **HOUR) == [VERDICTS, *rag, nightly]
    assert ask(store, "quality_verdicts", Filters(flow="rag"), **HOUR) == [VERDICTS, *rag]
    assert ask(store, "quality_verdicts", Filters(flow="chat"), **HOUR) == [VERDICTS]


# What filters select: (requests, model calls, tokens), and the nodes that ran.

SELECTED = [
    (Filters(), (12, 11, 2287), {"answer": 7, "retrieve": 3}),
    (Filters(flow="chat"), (3, 2, 11 + 22), {}),
    (Filters(flow="rag"), (8, 8, 2287 - 11 - 22 - 33), {"answer": 7, "retrieve": 3}),
    (Filters(deployment="green"), (3, 3, 330 + 55 + 440), {"answer": 3}),
    # a8's other call does not count, but its nodes do.
    (Filters(model="ada-002"), (1, 1, 1000), {"answer": 1, "retrieve": 1}),
    (Filters(model="llama"), (1, 1, 55), {"answer": 1}),
    (Filters(model="gpt-4o-mini-2024"), (3, 3, 66), {}),
    # a1 a7 a8, of which a8 alone called a model there.
    (Filters(node="retrieve"), (3, 1, 1000), {"retrieve": 3}),
    (Filters(node="answer"), (7, 7, 110 + 220 + 330 + 55 + 440 + 66), {"answer": 7}),
    # a3 and a7
    (Filters(outcome="error"), (2, 1, 0), {"answer": 1, "retrieve": 1}),
    (Filters(outcome="cancelled"), (1, 1, 22), {}),
    # a1 and a4
    (Filters(dimensions=(("tenant", "acme"),)), (2, 2, 110 + 330), {"answer": 2, "retrieve": 1}),
    (Filters(dimensions=(("session.id", "s2"), ("tenant", "acme"))), (1, 1, 330), {"answer": 1}),
    # a1 a2 a4 a8, without a8's embedding.
    (
        Filters(flow="rag", model="gpt-4o-2024", outcome="ok"),
        (4, 4, 110 + 220 + 330 + 66),
        {"answer": 4, "retrieve": 2},
    ),
    (Filters(flow='" or 1 == 1 //'), (0, 0, 0), {}),
]


@pytest.mark.parametrize(("filters", "expected", "nodes"), SELECTED, ids=lambda value: str(value)[:60])
def test_filters(store: Store, filters: Filters, expected: tuple[int, int, int], nodes: dict[str, int]) -> None:
    columns, row = ask(store, "summary", filters, **HOUR)
    found = dict(zip(columns, row, strict=True))
    assert (found["requests"], found["model_calls"], found["total_tokens"]) == expected
    _, *rows = ask(store, "by_node", filters, **HOUR)
    assert {row[1]: row[3] for row in rows} == nodes


@pytest.mark.parametrize(
    ("filters", "errors", "scores"),
    [
        (Filters(flow="rag"), 3, 7),
        (Filters(flow="chat"), 0, 0),
        (Filters(deployment="green"), 0, 4),  # a4 twice, a5, a6
        (Filters(node="retrieve"), 2, 2),  # a7's errors; scores of a1 and a8
        (Filters(outcome="error"), 3, 0),
        (Filters(model="gpt-4o"), 1, 0),  # a3
        (Filters(dimensions=(("tenant", "acme"),)), 0, 3),  # a1 once, a4 twice
    ],
    ids=str,
)
def test_filters_select_errors_and_scores(store: Store, filters: Filters, errors: int, scores: int) -> None:
    _, *found = ask(store, "errors_by_type", filters, **HOUR)
    assert sum(row[1] for row in found) == errors
    _, *found = ask(store, "quality_summary", filters, **HOUR)
    assert sum(row[1] for row in found) == scores


@pytest.mark.parametrize("name", [one for one in queries.names() if one != "scope"])
def test_what_makes_a_query_fast_changes_nothing(store: Store, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {**HALF, "words": "", "sorted_by": "cost", "descending": True, "upto": 50, "size": 5}
    given |= {"operations": Expression('dynamic(["a1", "b1"])'), "monitor_name": "answers"}
    given["operation"] = store.query("exceptions | take 1 | project operation_Id").rows[0][0]
    kql = queries.load(name, **{key: given[key] for key in queries.parameters(name)})
    fast = translate(kql)
    assert fast.reads_properties is (name != "telemetry_volume")  # which weighs all of customDimensions
    for changed, plain in (("plainer", lambda sql, query: sql), ("needed_columns", lambda query, kql: TABLES)):
        monkeypatch.setattr(translation, changed, plain)
    slow = translate(kql, by_property=False)

    with store._connection.cursor() as cursor:
        rows = [read_result(cursor.execute(text), 1000).rows for text in (fast.text, slow.text)]
    assert sorted(map(repr, rows[0])) == sorted(map(repr, rows[1]))  # what ties in a query's order may come in any
    assert rows[0]
