"""KQL over the store: what works, what it answers, and where an error points."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from talk import envelope, request

from pf_monitor.insights import QueryStoppedError, Store, Timespan
from pf_monitor.insights.envelope import to_row
from pf_monitor.insights.kql import translate
from pf_monitor.table import QueryError

START = datetime(2024, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def filled_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Ten requests a minute apart, 100 ms to 1000 ms long, each with a dependency and odd dimensions."""
    directory: Path = tmp_path_factory.mktemp("insights")
    rows = []
    for number in range(10):
        time = (START + timedelta(minutes=number)).isoformat()
        properties = {
            "a.b": f"text {number}",
            "text": str(number),
            "real": f"{number}.5",
            "number": number,
            "flag": number % 2 == 0,
            "list": json.dumps([number, {"k": "v"}]),
        }
        if number % 3 == 0:
            properties["sometimes"] = " 7 "
        tags = {"ai.operation.id": f"op{number}"}
        duration = f"00:00:{(number + 1) / 10:06.3f}"
        item = request(f"r{number % 2}", duration=duration, success=number != 3, properties=properties)
        rows.append(to_row(item | {"time": time, "tags": tags}))
        call = {"name": "call", "duration": duration, "success": True, "target": "t", "properties": {"text": "dep"}}
        rows.append(to_row(envelope("RemoteDependencyData", call, time=time, tags=tags)))
    with Store.open(directory) as store:
        assert store.append(rows) == {}
        yield store


def test_what_the_translator_fails_at_is_an_error_of_the_query(store: Store) -> None:
    with pytest.raises(QueryError, match=r"The query cannot be translated \(InvalidOperation"):
        store.query("requests | summarize count() by bin(timestamp, 99999999999999999999999999999999999999991h)")


def test_writing_is_counted(filled_store: Store) -> None:
    assert filled_store.query("union * | summarize n = count() by itemType | order by itemType asc").rows == [
        ["dependency", 10],
        ["request", 10],
    ]


QUERIES: dict[str, list[list[Any]]] = {
    "requests | where timestamp > ago(36500d) | summarize count(), percentile(duration, 95) by bin(timestamp, 5m)"
    " | order by timestamp asc": [["2024-05-01T12:00:00Z", 5, 500.0], ["2024-05-01T12:05:00Z", 5, 1000.0]],
    "requests | summarize percentiles(duration, 50, 95)": [[500.0, 1000.0]],
    "requests | where success == false | project id, operation_Id": [["a1", "op3"]],
    "requests | where success == 'False' | count": [[1]],
    "requests | summarize failed = countif(success == false) by name | order by name asc": [["r0", 0], ["r1", 1]],
    "union requests, dependencies | where operation_Id == 'op2' | project itemType | order by itemType asc": [
        ["dependency"],
        ["request"],
    ],
    "requests | extend x = tostring(customDimensions.text) | where x == '4' | project x, name": [["4", "r0"]],
    "requests | where customDimensions['a.b'] == 'text 5' | project customDimensions['a.b']": [['"text 5"']],
    "requests | summarize sum(toint(customDimensions.text)), sum(tolong(customDimensions['number']))": [[45, 45]],
    "requests | summarize sum(todouble(customDimensions['real'])), sum(toreal(customDimensions.number))": [
        [50.0, 45.0]
    ],
    "requests | where tobool(customDimensions.flag) | count": [[5]],
    "requests | where isnotempty(customDimensions.sometimes) | count": [[4]],
    "requests | summarize sum(tolong(customDimensions.sometimes)), sum(todouble(customDimensions.sometimes))": [
        [28, 28.0]
    ],
    "requests | where isnull(customDimensions.nothing) and tostring(customDimensions.nothing) == '' | count": [[10]],
    "requests | take 1 | extend d = parse_json(tostring(customDimensions.list)) | project d[0], d[1].k": [["0", '"v"']],
    "requests | where customDimensions has 'text' | count": [[10]],
    "requests | where operation_Id == 'op1' | project x = tostring(customDimensions) | extend d = parse_json(x)"
    " | project d.text, d.number": [['"1"', "1"]],
    "requests | project operation_Id, d = customDimensions.text | join kind=inner"
    " (dependencies | project operation_Id, t = customDimensions.text) on operation_Id | where d == '1'"
    " | project d, t": [['"1"', '"dep"']],
    "let slow = requests | where duration > 900; slow | project-away id | top 1 by duration | project duration": [
        [1000.0]
    ],
    "requests | distinct name | order by name asc": [["r0"], ["r1"]],
    "requests | distinct tostring(customDimensions.flag) | count": [[2]],
    "requests | top 2 by timestamp desc | project operation_Id": [["op9"], ["op8"]],
    "requests | summarize arg_max(timestamp, *) by name | where name == 'r1' | project customDimensions.text": [
        ['"9"']
    ],
    "requests | project customDimensions | where customDimensions.text == '8' | project customDimensions.number": [
        ["8"]
    ],
    'requests | extend customDimensions = parse_json(\'{"text":"new"}\') | take 1 | project customDimensions.text': [
        ['"new"']
    ],
    "requests | project-rename d = customDimensions | where d.text == '1' | project d.number": [["1"]],
    "requests | join kind=inner (dependencies) on operation_Id | where operation_Id == 'op1'"
    " | project customDimensions.text, customDimensions1.text": [['"1"', '"dep"']],
    "print a = 1, b = 2.5, c = 'x', d = true, e = 90s, f = dynamic([1]), g = datetime(2024-01-01)": [
        [1, 2.5, "x", True, "00:01:30", "[1]", "2024-01-01T00:00:00Z"]
    ],
    "print hash_xxhash64('World')": [[1846988464401551951]],  # as Azure documents it
    "requests | summarize count() by hash_xxhash64(name), hash_xxhash64(tostring(customDimensions.question)) | count": [
        [2]
    ],
    'requests | where name == "r0" // a comment\n| count': [[5]],
}


@pytest.mark.parametrize("kql", QUERIES)
def test_answers(filled_store: Store, kql: str) -> None:
    assert filled_store.query(kql).rows == QUERIES[kql]


def test_column_types_are_azures(filled_store: Store) -> None:
    columns = filled_store.query(
        "requests | take 1 | project timestamp, name, duration, itemCount, customDimensions,"
        " n = tolong(itemCount), b = 1 == 1, s = 1s, g = toguid('0c3f1cfb-0b3c-4c4a-9f0b-6f3c1c5b5f00')"
    ).columns
    assert dict(columns) == {
        "timestamp": "datetime",
        "name": "string",
        "duration": "real",
        "itemCount": "int",
        "customDimensions": "dynamic",
        "n": "long",
        "b": "bool",
        "s": "timespan",
        "g": "guid",
    }


def test_render_is_reported_and_changes_nothing(filled_store: Store) -> None:
    table = filled_store.query("requests | summarize count() by name | render timechart with (title = 'x')")

    assert (table.visualization, len(table.rows)) == ("timechart", 2)
    assert filled_store.query("requests | where name == '| render pie' | count").visualization is None


def test_timespan_cuts_every_table(filled_store: Store) -> None:
    span = Timespan(START + timedelta(minutes=2), START + timedelta(minutes=4))

    assert filled_store.query("union requests, dependencies | count", span).rows == [[4]]
    joined = "requests | join kind=inner (dependencies) on operation_Id | count"
    assert filled_store.query(joined, span).rows == [[2]]
    assert filled_store.query("requests | where customDimensions has 'text' | count", span).rows == [[2]]


# Every use of a dimension gives the same, read from its own column or from JSON.
USES = [
    "tostring({})",
    "toint({})",
    "tolong({})",
    "todouble({})",
    "toreal(tostring({}))",
    "tolong(tostring({}))",
    "tobool({})",
    "isempty({})",
    "isnull({})",
    "strlen({})",
    "{} == 'x'",
    "{} in ('x', '7')",
    "{} has 'x'",
    "strcat({}, 'y')",
    "iff({} == '7', 1, 2)",
    "gettype({})",
    "tolower({})",
    "hash_xxhash64(tostring({}))",
    "{}",
]
DIMENSION = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**40), 2**40),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 3)),
    st.text(),
    st.sampled_from(
        ["7", " 7 ", "+7", "007", "-7", "7.0", "7.5", "1e3", "0x1F", "1_000", "inf", "nan", "true", "x", ""]
    ),
    st.integers().map(str),
)


KEY = st.sampled_from(["k", "pf_monitor.kind", "gen_ai.usage.input_tokens", "pf_monitor.usage.cost_usd", "question"])
"""One without a column of its own, one of each type that has one, and the one whose hash has one."""


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(key=KEY, value=DIMENSION, use=st.sampled_from(USES))
def test_reading_one_dimension_is_reading_it_from_the_whole(
    tmp_path_factory: Any, key: str, value: Any, use: str
) -> None:
    kql = f"requests | project x = {use.format(f'customDimensions[{key!r}]')}"
    by_property, whole = translate(kql), translate(kql, by_property=False)
    assert (by_property.reads_properties, whole.reads_properties) == (True, False)

    with Store.open(tmp_path_factory.mktemp("one")) as store:
        store.append([to_row(request(properties={key: value, "other": "o"}))])
        # Using the column as a whole beside it keeps a query from reading by property.
        beside = kql.replace("requests", "requests | extend all = tostring(customDimensions)")
        assert store.query(kql) == store.query(beside)


ERRORS = {
    "requests | sumarize count()": ("'sumarize' is not an operator; did you mean 'summarize'?", 1, 11),
    "requests\n| take 5\n| where": ("What follows 'where' is incomplete or wrong", 3, 2),
    "reqests | take 1": ("'reqests' is not a table; did you mean 'requests'?", 1, 0),
    "requests | where durration > 5": ("'durration' is not a column here; did you mean 'duration'?", 1, 17),
    "requests | evaluate bag_unpack(customDimensions)": ("'evaluate' is not supported by the local", 1, 11),
    "requests | make-series count() on timestamp step 1h": ("'make-series' is not supported by the local", 1, 11),
    "search 'x'": ("'search' is not supported by the local", 1, 0),
    "requests | summarize make_bag(customDimensions)": ("'make_bag' is not supported by the local", 1, 21),
    "requests | summarize make_list(name, 2)": ("'make_list with a size limit' is not supported", 1, 21),
    "requests | summarize x = array_length(make_set(name, 2))": ("'make_set with a size limit' is not", 1, 38),
    "requests | where name == ": ("The query ends too early", 1, 25),
    "requests | where name = 5": ("'=' does not compare: write '=='", 1, 22),
}


@pytest.mark.parametrize("kql", ERRORS)
def test_errors_point_at_their_place(filled_store: Store, kql: str) -> None:
    message, line, pos = ERRORS[kql]
    with pytest.raises(QueryError) as error:
        filled_store.query(kql)

    assert error.value.message.startswith(message)
    assert (error.value.line, error.value.pos) == (line, pos)


@pytest.mark.parametrize(
    "kql",
    [
        "",
        "   ",
        ";",
        "|",
        "(" * 5000,
        "print " + "+".join("1" * 5000),
        "requests" + " | take 1" * 3000,
        "requests | where name == '" + "x" * 200_000 + "'",
        "print x = 'a",
        "requests | take 99999999999999999999",
        "print \ud83d",
    ],
)
def test_hopeless_queries_are_query_errors(filled_store: Store, kql: str) -> None:
    with pytest.raises(QueryError):
        filled_store.query(kql)


_MILLION = "range n from 1 to 1000000 step 1 | extend k = 1"
ENDLESS = f"{_MILLION} | join kind=inner ({_MILLION}) on k | summarize sum(n * n1)"


def test_too_long_and_too_much_are_stopped(filled_store: Store) -> None:
    with pytest.raises(QueryError, match=r"ran longer than 0\.2 s and was stopped"):
        filled_store.query(ENDLESS, timeout=0.2)
    with pytest.raises(QueryError, match="more than 5 rows"):
        filled_store.query("requests", limit=5)
    assert filled_store.query("requests | count").rows == [[10]]


def test_who_asked_can_have_a_query_stopped(filled_store: Store) -> None:
    stop = threading.Event()
    timer = threading.Timer(0.1, stop.set)
    timer.start()
    with pytest.raises(QueryStoppedError):
        filled_store.query(ENDLESS, stop=stop)
    timer.join()
    assert filled_store.query("requests | count", stop=threading.Event()).rows == [[10]]
