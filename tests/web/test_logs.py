"""Logs: KQL in, a table out, a chart where it says `render`; errors at their place; files to keep."""

from __future__ import annotations

import csv
import io
import json
from urllib.parse import parse_qsl

import httpx
import pytest
from shown import Shown
from web_items import FAILED, GOOD, HOSTILE, NASTY_SHOWN, RANGE

from pf_monitor.web.pages.logs import EXAMPLES, LONGEST_QUERY, SHOWN_ROWS


def run(client: httpx.Client, kql: str, path: str = "/logs") -> httpx.Response:
    return client.get(path, params={**dict(parse_qsl(RANGE)), "q": kql})


def test_a_result_is_a_table(client: httpx.Client) -> None:
    columns = "timestamp, duration, operation_Id, q = tostring(customDimensions.question)"
    kql = f"requests | order by timestamp asc | project {columns}"
    answer = run(client, kql)
    found = Shown(answer.text)

    assert answer.status_code == 200
    assert "3 rows" in found.words
    assert "timestamp duration operation_Id" in found.words
    assert f"2024-05-01 12:01:00 2000 {GOOD} How much?" in found.words
    assert NASTY_SHOWN in found.text
    assert kql in found.text
    links = [a["href"] for a in found.all("a")]
    assert any(link.startswith(f"/requests/{FAILED}?from=") for link in links)


def test_the_range_applies(client: httpx.Client) -> None:
    answer = client.get("/logs", params={"last": "1h", "q": "requests"})

    assert "0 rows" in Shown(answer.text).words
    assert "No row fits the query" in answer.text


def test_an_error_is_marked_at_its_place(client: httpx.Client) -> None:
    found = Shown(run(client, "requests\n| sumarize <b>count()</b>").text)

    assert "'sumarize' is not an operator; did you mean 'summarize'? Line 2, column 3." in found.words
    assert "1 requests" in found.words
    assert "2 | sumarize <b>count()</b>" in found.words
    assert ("mark", {}) in found.elements
    assert run(client, "requests | nope", "/logs.json").json()["error"] == {
        "message": "'nope' is not an operator; did you mean 'invoke'?",
        "line": 1,
        "pos": 11,
    }


@pytest.mark.parametrize(
    ("kql", "part"),
    [
        ("requests | summarize n = count() by bin(timestamp, 5m) | render timechart", 'class="line tone-1'),
        ("requests | summarize n = count() by bin(timestamp, 5m), name | render columnchart", 'class="line tone-1'),
        ("union requests, dependencies | summarize n = count() by name | render piechart", 'class="bars"'),
        ("requests | count | render columnchart", 'class="bars"'),
        ("requests | where name == 'x' | summarize n = count() by name | render barchart", "found nothing to draw"),
        ("requests | project name | render timechart", "needs a column of numbers"),
        ("requests | summarize n = count() by name | render treemap", "does not draw a treemap"),
    ],
)
def test_render_draws(client: httpx.Client, kql: str, part: str) -> None:
    answer = run(client, kql)

    assert answer.status_code == 200
    assert part in answer.text


def test_a_chart_of_many_series_says_which_it_draws(client: httpx.Client) -> None:
    kql = "range i from 1 to 40 step 1 | extend t = datetime(2024-05-01) + i * 1m, s = strcat('s', tostring(i % 9))"
    answer = run(client, f"{kql} | summarize n = count() by t, s | render timechart")

    assert "The 6 largest of 9 series." in answer.text


def test_a_long_result_shows_its_first_rows(client: httpx.Client) -> None:
    answer = run(client, f"range i from 1 to {SHOWN_ROWS + 1} step 1")

    assert f"The first {SHOWN_ROWS} of {SHOWN_ROWS + 1} rows" in answer.text
    assert len(run(client, f"range i from 1 to {SHOWN_ROWS + 1} step 1", "/logs.json").json()["result"]["rows"]) == 501


def test_files_hold_the_result(client: httpx.Client) -> None:
    kql = "requests | order by timestamp asc | project operation_Id, duration, q = tostring(customDimensions.question)"
    answer = run(client, kql, "/logs.csv")
    rows = list(csv.reader(io.StringIO(answer.text)))

    assert answer.headers["content-disposition"] == 'attachment; filename="query.csv"'
    assert rows[0] == ["operation_Id", "duration", "q"]
    assert [row[0] for row in rows[1:]] == [GOOD, FAILED, HOSTILE]
    assert rows[2][2] == "'=1+1"  # a spreadsheet would run it
    twin = run(client, kql, "/logs.json").json()
    assert [row[0] for row in twin["result"]["rows"]] == [GOOD, FAILED, HOSTILE]
    assert "sumarize" in run(client, "requests | sumarize", "/logs.csv").text


def test_a_query_that_is_too_long_says_where_it_can_run(client: httpx.Client) -> None:
    kql = "requests // " + "x" * LONGEST_QUERY
    answer = run(client, kql)

    assert "pf-monitor query -" in answer.text


def test_nothing_is_asked_until_there_is_a_query(client: httpx.Client) -> None:
    twin = run(client, "  ", "/logs.json").json()

    assert (twin["result"], twin["error"]) == (None, None)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_run(client: httpx.Client, name: str) -> None:
    twin = run(client, EXAMPLES[name], "/logs.json").json()

    assert twin["error"] is None
    assert json.dumps(twin["result"])


def test_the_schema_stands_beside_the_query(client: httpx.Client) -> None:
    words = Shown(client.get("/logs").text).words

    for text in ("customEvents", "operation_Id string", "duration real", "customDimensions dynamic"):
        assert text in words
