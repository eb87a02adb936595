"""A few hundred bad requests, and queries of words in any order; `fuzz.py` beside this sends a million."""

from __future__ import annotations

import re

import pytest
from fuzz import asked, refused
from fuzzing import QUERIES, TOKEN, made, made_by_a_stranger
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pf_monitor.insights import Store
from pf_monitor.table import QueryError, Table

WORDS = sorted({word for query in QUERIES for word in re.findall(r"\w+|[^\w\s]+", query)})
QUICK = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    with Store.open(tmp_path_factory.mktemp("fuzz")) as store:
        yield store


@QUICK
@given(st.integers(0, 1 << 40))
async def test_no_request_is_the_servers_fault(store, seed):
    assert await asked(store).status(made(seed)) < 500


@QUICK
@given(st.integers(0, 1 << 40))
async def test_no_stranger_is_let_in(store, seed):
    assert await refused(asked(store, TOKEN), made_by_a_stranger(seed)) in {401, 403, 429}


@QUICK
@given(st.sampled_from(QUERIES), st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=12))
def test_a_query_is_answered_or_refused(store, query, words):
    try:
        assert isinstance(store.query(f"{query} {' '.join(words)}"), Table)
    except QueryError as error:
        assert error.message
