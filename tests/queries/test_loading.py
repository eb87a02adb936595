"""The text of a query: its parameters, what it starts from, and its filters."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import handmade
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pf_monitor import queries
from pf_monitor.insights import Store
from pf_monitor.queries import Filters


@pytest.mark.parametrize("name", queries.names())
def test_without_a_filter_nothing_is_asked_by_operation(name: str) -> None:
    text = queries.load(name).replace("operation_Id in ((Worst", "").replace("operation_Id in (operations)", "")
    assert "operation_Id in" not in text


@pytest.mark.parametrize(
    ("filters", "let"),
    [
        (Filters(flow="f"), False),
        (Filters(deployment="f"), False),
        (Filters(outcome="ok"), True),  # of a call, its request alone knows
        (Filters(model="m"), True),
        (Filters(node="n"), True),
        (Filters(dimensions=(("k", "v"),)), True),
    ],
    ids=str,
)
def test_only_what_another_item_knows_is_asked_by_operation(filters: Filters, let: bool) -> None:
    assert ("operation_Id in" in queries.load("summary", filters)) is let


def test_a_query_starts_from_what_it_needs_alone() -> None:
    def tables(name: str, filters: Filters | None = None) -> list[str]:
        return [line.split()[1] for line in queries.load(name, filters).splitlines() if line.startswith("let ")]

    assert tables("summary") == ["Spans", "Runs", "Calls", "OfRuns", "OfCalls"]
    assert tables("errors_by_type") == ["Errors"]
    assert tables("errors_by_type", Filters(node="n", flow="f")) == ["Errors"]
    assert tables("errors_by_type", Filters(model="m")) == ["Spans", "WithModel", "Errors"]
    assert tables("request", Filters(model="m")) == []
    assert tables("beyond_contract") == []


def test_the_parameters_that_a_query_leaves_open() -> None:
    assert queries.parameters("summary") == ["since", "until"]
    assert queries.parameters("series") == ["since", "until", "step"]
    assert queries.parameters("request") == ["operation"]
    assert set(queries.parameters("requests_page")) == {
        *("since", "until", "words", "sorted_by", "descending", "upto", "size")
    }


def test_parameters_are_checked() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        queries.load("summary", since=datetime(2024, 5, 1))
    with pytest.raises(FileNotFoundError):
        queries.load("nothing")
    assert "scope" not in queries.names()


def request(store: Store, operation: str) -> list[Any]:
    return store.query(queries.load("request", operation=operation)).records()


@pytest.mark.parametrize(
    "text", ['"', "\\", '\\"', "\n", "'; requests //", "\u2028", "é⛺", "\x00", '"; requests | take 1 //']
)
def test_text_parameters_cannot_leave_their_quotes(tmp_path: Any, text: str) -> None:
    with Store.open(tmp_path) as store:
        store.append([handmade.span("flow", "other", 1, 0, "other", server=True)])
        assert request(store, text) == []
        store.append([handmade.span("flow", "found", 1, 0, text, server=True, tenant=text, pf_monitor__flow=text)])
        assert [row["name"] for row in request(store, text)] == ["found"]
        for filters in (Filters(flow=text), Filters(dimensions=(("tenant", text),))):
            [row] = store.query(queries.load("summary", filters, **handmade.HOUR)).records()
            assert row["requests"] == 1, filters


TEXTS = st.text(min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(st.builds(Filters, flow=TEXTS, model=TEXTS, dimensions=st.tuples(st.tuples(TEXTS, TEXTS))))
def test_filters_of_any_text_are_only_values(filters: Filters) -> None:
    text = queries.load("summary", filters, **handmade.HOUR)
    plain = queries.load("summary", Filters(flow="f", model="m", dimensions=(("k", "v"),)), **handmade.HOUR)
    assert queries._without_text(text) == queries._without_text(plain)


def test_a_step_may_be_shorter_than_a_second() -> None:
    assert "let step = 1500ms;" in queries.load("series", step=timedelta(seconds=1.5))
