"""The query API answers as Azure's does."""

from __future__ import annotations

import json

import pytest
from talk import Server, envelope, request


def test_query_by_post_and_get(server: Server) -> None:
    server.track(json.dumps(request("chat", properties={"question": "why?"})))
    kql = "requests | project timestamp, name, duration, customDimensions, missing = customDimensions.no"
    expected = {
        "tables": [
            {
                "name": "PrimaryResult",
                "columns": [
                    {"name": "timestamp", "type": "datetime"},
                    {"name": "name", "type": "string"},
                    {"name": "duration", "type": "real"},
                    {"name": "customDimensions", "type": "dynamic"},
                    {"name": "missing", "type": "dynamic"},
                ],
                "rows": [["2024-05-01T12:00:00.25Z", "chat", 1500.0, '{"question":"why?"}', None]],
            }
        ]
    }

    assert server.ask(kql).json() == expected
    assert server.client.get("/v1/apps/any/query", params={"query": kql}).json() == expected


@pytest.mark.parametrize(
    ("timespan", "count"),
    [
        ("2024-05-01T12:00:00Z/PT1H", 2),
        ("2024-05-01T14:00:00+02:00/PT0.5S", 1),
        ("PT1S/2024-05-01T12:00:01Z", 1),
        ("2024-05-01T12:00:00.250Z/2024-05-01T12:00:59Z", 1),
        ("2024-05-01/P1D", 2),
        ("P365000D", 2),
        ("P1D", 0),
        ("P1W", 0),
        (None, 2),
    ],
)
def test_timespans(server: Server, timespan: str | None, count: int) -> None:
    later = envelope("RequestData", {"name": "later", "duration": "00:00:01"}, time="2024-05-01T12:00:59Z")
    server.track(json.dumps([request(), later]))

    assert server.rows("requests | count", timespan) == [{"Count": count}]


@pytest.mark.parametrize("timespan", ["yesterday", "P", "PT", "P1D/P1D", "2024-05-01T12:00:00Z/", "P99999999999999D"])
def test_a_wrong_timespan_is_a_400_that_says_what_is_right(server: Server, timespan: str) -> None:
    answer = server.ask("requests", timespan)

    assert answer.status_code == 400
    assert "give an ISO-8601 duration such as PT1H" in answer.json()["error"]["innererror"]["message"]


def test_an_error_has_message_and_position(server: Server) -> None:
    answer = server.ask("requests\n| where durration > 5")

    assert answer.status_code == 400
    assert answer.json() == {
        "error": {
            "message": "The request had some invalid properties",
            "code": "BadArgumentError",
            "innererror": {
                "code": "QueryError",
                "message": "'durration' is not a column here; did you mean 'duration'?",
                "line": 2,
                "pos": 8,
            },
        }
    }


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b"{}", b'{"query": 5}', b'{"query": "requests", "timespan": 5}', b"x" * 2_000_000],
)
def test_a_wrong_body_is_a_400(server: Server, body: bytes) -> None:
    answer = server.client.post("/v1/apps/x/query", content=body)

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "BadArgumentError")


def test_render_is_given_when_it_is_asked_for(server: Server) -> None:
    kql = {"query": "requests | summarize count() by bin(timestamp, 1h) | render timechart"}

    plain = server.client.post("/v1/apps/x/query", json=kql)
    rendered = server.client.post("/v1/apps/x/query", json=kql, headers={"Prefer": "wait=5, include-render=true"})

    assert "render" not in plain.json()
    assert rendered.json()["render"] == {"visualization": "timechart"}


def test_the_front_page_says_how_to_begin(server: Server) -> None:
    page = server.client.get("/")

    assert page.headers["content-type"].startswith("text/plain")
    assert server.connection_string in page.text
    assert f"http://127.0.0.1:{server.port}/v1/apps/local/query" in page.text
