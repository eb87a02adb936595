"""The scope of a page, from its URL and to it, and the bins of its range."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pf_monitor.queries import Filters
from pf_monitor.views.requests import Paging
from pf_monitor.views.scope import LASTS, Scope, ScopeError
from pf_monitor.views.timeline import bins

NOW = datetime(2024, 5, 8, 12, 34, 56, tzinfo=UTC)

ALL = [
    ("from", "2024-05-01T00:00:00Z"),
    ("to", "2024-05-02T00:00:00Z"),
    ("flow", "rag"),
    ("deployment", "blue"),
    ("model", "gpt-4o"),
    ("node", "answer"),
    ("outcome", "error"),
    ("dim.tenant", "acme"),
    ("dim.a.b", "c=d"),
]


def test_the_usual_is_the_last_day() -> None:
    scope = Scope.from_query([], NOW)
    assert scope == Scope(NOW - timedelta(days=1), NOW, "1d", Filters())
    assert scope.to_query() == [("last", "1d")]


def test_what_is_written_is_what_is_read() -> None:
    scope = Scope.from_query(ALL, NOW)
    assert scope.to_query() == ALL
    assert Scope.from_query(scope.to_query(), NOW) == scope
    assert scope.as_json() == {
        "since": "2024-05-01T00:00:00Z",
        "until": "2024-05-02T00:00:00Z",
        "last": None,
        "flow": "rag",
        "deployment": "blue",
        "model": "gpt-4o",
        "node": "answer",
        "outcome": "error",
        "dimensions": {"tenant": "acme", "a.b": "c=d"},
        "step_s": 1800.0,
    }


def test_what_a_form_leaves_empty_is_not_given() -> None:
    pairs = [("last", "4h"), ("flow", ""), ("from", ""), ("outcome", ""), ("dim.tenant", "")]
    assert Scope.from_query(pairs, NOW).to_query() == [("last", "4h")]


def test_a_time_without_zone_is_utc_and_the_end_is_now() -> None:
    scope = Scope.from_query([("from", "2024-05-08T14:00+02:00")], NOW)
    assert (scope.since, scope.until) == (datetime(2024, 5, 8, 12, tzinfo=UTC), NOW)
    assert Scope.from_query([("from", "2024-05-08")], NOW).since == datetime(2024, 5, 8, tzinfo=UTC)


def test_the_period_before_has_the_same_length_and_filters() -> None:
    before = Scope.from_query([("last", "1h"), ("flow", "rag")], NOW).before()
    assert before == Scope(NOW - timedelta(hours=2), NOW - timedelta(hours=1), None, Filters(flow="rag"))


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([("last", "2h")], "give one of 15m, 1h, 4h, 12h, 1d, 3d, 7d, 30d"),
        ([("last", "1h"), ("from", "2024-05-01")], "not both"),
        ([("from", "yesterday")], "give ISO-8601 such as 2024-05-01T12:00:00Z"),
        ([("to", "0001-01-01T00:00:00+14:00")], "is not a time"),
        ([("from", "2024-05-02"), ("to", "2024-05-01")], "is not before"),
        ([("from", "2020-01-01"), ("to", "2024-05-01")], "more than 366 days apart"),
        ([("outcome", "failed")], "give one of ok, error, cancelled, abandoned"),
        ([("flow", "a"), ("flow", "b")], "flow is given twice"),
        ([("flow", "a" * 1001)], "flow is longer than 1000 characters"),
        ([("colour", "red")], "'colour' is not a parameter here: give last, from, to, flow"),
        ([("dim.", "red")], "is not a parameter here"),
        ([(f"dim.{number}", "x") for number in range(11)], "give at most 10"),
    ],
    ids=str,
)
def test_what_cannot_be_is_said(pairs: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(ScopeError, match=message):
        Scope.from_query(pairs, NOW)


def test_parameters_of_the_pages_own_are_passed_over() -> None:
    assert Scope.from_query([("page", "3")], NOW, also=("page",)).to_query() == [("last", "1d")]


@pytest.mark.parametrize(
    ("last", "step"),
    [
        ("15m", timedelta(seconds=15)),
        ("1h", timedelta(minutes=1)),
        ("4h", timedelta(minutes=5)),
        ("12h", timedelta(minutes=10)),
        ("1d", timedelta(minutes=30)),
        ("3d", timedelta(hours=1)),
        ("7d", timedelta(hours=3)),
        ("30d", timedelta(hours=12)),
    ],
)
def test_a_range_has_about_sixty_bins(last: str, step: timedelta) -> None:
    scope = Scope.of_last(last, NOW)
    found = list(bins(scope))
    assert scope.step == step
    assert 48 <= len(found) <= 74
    assert found[0] <= scope.since < found[0] + step
    assert found[-1] < scope.until <= found[-1] + step
    assert all(moment.timestamp() % step.total_seconds() == 0 for moment in found)
    assert last in LASTS


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, Paging()),
        ({"search": " tent ", "sort": "cost", "direction": "asc", "page": "3", "size": "25"},
         Paging("tent", "cost", "asc", 3, 25)),
    ],
)  # fmt: skip
def test_paging_is_read_and_written(given: dict[str, str], expected: Paging) -> None:
    paging = Paging.from_query(given)
    assert paging == expected
    assert Paging.from_query(dict(paging.to_query())) == paging


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sort": "colour"}, "give one of time, duration, tokens, cost"),
        ({"direction": "up"}, "give one of desc, asc"),
        ({"page": "0"}, "give a number from 1 to 10000"),
        ({"page": "²"}, "give a number"),
        ({"page": "9" * 5000}, "give a number"),
        ({"size": "7"}, "give one of 25, 50, 100, 200"),
        ({"search": "x" * 1001}, "longer than 1000 characters"),
    ],
    ids=str,
)
def test_paging_that_cannot_be_is_said(given: dict[str, str], message: str) -> None:
    with pytest.raises(ScopeError, match=message):
        Paging.from_query(given)
