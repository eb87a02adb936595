"""Whatever is sent, what was good of it is kept, what was not is named, and the server stays up."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from talk import Server, envelope, request

from pf_monitor.insights import Store
from pf_monitor.insights.ingestion import ingest


def names(server: Server) -> list[str]:
    return [row["name"] for row in server.rows("requests | project name | order by name asc")]


def outcome(answer: Any) -> tuple[int, int, int, list[tuple[int, int]]]:
    body = answer.json()
    errors = [(error["index"], error["statusCode"]) for error in body["errors"]]
    assert all(error["message"] for error in body["errors"])
    return answer.status_code, body["itemsReceived"], body["itemsAccepted"], errors


def test_unknown_item_among_good_ones_is_named(server: Server) -> None:
    body = [request("a"), envelope("PizzaData", {}), request("b"), 7]

    assert outcome(server.track(json.dumps(body))) == (206, 4, 2, [(1, 400), (3, 400)])
    assert names(server) == ["a", "b"]


def test_half_an_array_keeps_what_was_whole(server: Server) -> None:
    body = json.dumps([request("a"), request("b"), request("c")])

    assert outcome(server.track(body[:-50])) == (206, 3, 2, [(2, 400)])
    assert names(server) == ["a", "b"]


def test_array_cut_between_items(server: Server) -> None:
    body = json.dumps([request("a")])[:-1]

    assert outcome(server.track(body)) == (206, 2, 1, [(1, 400)])
    assert names(server) == ["a"]


def test_truncated_lines_keep_what_was_whole(server: Server) -> None:
    body = "\n".join(json.dumps(request(name)) for name in "abc")

    assert outcome(server.track(body[:-50], "/v2/track")) == (206, 3, 2, [(2, 400)])
    assert names(server) == ["a", "b"]


def test_truncated_gzip_keeps_what_was_whole(server: Server) -> None:
    lines = [json.dumps(request(f"{number:03}", url="x" * number)) for number in range(100)]
    body = gzip.compress("\n".join(lines).encode())

    status, received, accepted, _ = outcome(server.track(body[: len(body) // 2], content_encoding="gzip"))

    assert (status, accepted) == (206, received - 1)
    assert names(server) == [f"{number:03}" for number in range(accepted)]


@pytest.mark.parametrize(
    "body", ["{", "[", "[1", "nonsense", "null", "7", '"x"', "[[]]", "[" * 100_000, b"\xff\xfe\x00"]
)
def test_nothing_good_is_a_400(server: Server, body: str | bytes) -> None:
    status, _, accepted, errors = outcome(server.track(body))

    assert (status, accepted) == (400, 0)
    assert errors[0] == (0, 400)
    assert server.client.get("/health").status_code == 200


@pytest.mark.parametrize("body", ["", "[]", "\n\n"])
def test_an_empty_body_is_a_400(server: Server, body: str) -> None:
    assert server.track(body).status_code == 400


def test_not_a_number_and_lone_surrogates_are_kept_as_far_as_they_can_be(server: Server) -> None:
    metric = {"name": "m", "value": float("nan"), "count": 1}
    body = json.dumps([envelope("MetricData", {"metrics": [metric]}), request("half an emoji \ud83d")])
    assert "NaN" in body

    assert outcome(server.track(body)) == (200, 2, 2, [])
    assert server.rows("customMetrics | project name, value") == [{"name": "m", "value": None}]
    assert names(server) == ["half an emoji ?"]


def test_odd_property_names_and_values(server: Server) -> None:
    properties = {
        "": "empty",
        "a.b": "dots",
        "A.B": "DOTS",
        "q\"'\\": "quotes",
        "nul": "\x00",
        "deep": {"a": [1]},
        "n": 1.5,
    }

    assert server.track(json.dumps(request(properties=properties))).status_code == 200
    (row,) = server.rows("requests | project customDimensions")
    # What is deeper than one level is text, as Azure has it.
    assert json.loads(row["customDimensions"]) == properties | {"deep": '{"a":[1]}'}
    (row,) = server.rows("requests | project a = customDimensions['a.b'], b = customDimensions['A.B']")
    assert row == {"a": '"dots"', "b": '"DOTS"'}
    (row,) = server.rows("""requests | project c = customDimensions["q\\"'\\\\"]""")
    assert row == {"c": '"quotes"'}


def test_a_large_body_is_refused_unread(server: Server) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"["
        for _ in range(100):
            yield b" " * 1_000_000

    assert server.client.post("/v2.1/track", content=b" " * 100_000_000).status_code == 413
    assert server.client.post("/v2.1/track", content=chunks()).status_code == 413
    assert server.track(gzip.compress(b" " * 100_000_000), content_encoding="gzip").status_code == 413
    assert server.track(json.dumps(request("after"))).status_code == 200


def test_wrong_content_encodings(server: Server) -> None:
    assert server.track(b"not gzip at all", content_encoding="gzip").status_code == 400
    answer = server.track(b"", content_encoding="br")
    assert answer.status_code == 400
    assert "use gzip" in answer.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:4319"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
    ],
)
def test_web_pages_are_kept_out(server: Server, headers: dict[str, str]) -> None:
    answer = server.client.get("/v1/apps/x/query", params={"query": "requests"}, headers=headers)

    assert answer.status_code == 403
    assert not {name for name in answer.headers if name.startswith("access-control")}


def test_live_metrics_are_declined(server: Server) -> None:
    for operation in ("ping", "post"):
        answer = server.client.post(f"/QuickPulseService.svc/{operation}?ikey=x", content=b"{}")
        assert (answer.status_code, answer.headers["x-ms-qps-subscribed"]) == (200, "false")


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A valid item of some kind in which one field, at any depth, holds anything."""
    frame = {"level": 0, "method": "f", "assembly": "a", "fileName": "b", "line": 1}
    item: Any = draw(
        st.sampled_from(
            [
                request(properties={"a": "b"}, measurements={"c": 1}, source="s", url="u"),
                envelope("MetricData", {"metrics": [{"name": "m", "value": 1, "count": 1, "min": 1, "max": 1}]}),
                envelope("ExceptionData", {"exceptions": [{"typeName": "T", "message": "m", "parsedStack": [frame]}]}),
                envelope("MessageData", {"message": "m", "severityLevel": "Warning"}),
            ]
        )
    )
    item = json.loads(json.dumps(item | {"tags": {"ai.operation.id": "x"}, "sampleRate": 50}))
    node = item
    while True:
        key = draw(st.sampled_from(sorted(node) if isinstance(node, dict) else range(len(node))))
        if node[key] and isinstance(node[key], dict | list) and draw(st.booleans()):
            node = node[key]
            continue
        node[key] = draw(ANYTHING)
        return item


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(item=damaged())
def test_any_type_in_any_field_is_stored_or_refused(store: Store, item: Any) -> None:
    before = store.query("union * | count").rows[0][0]
    body = json.dumps([item, request("good")]).encode("utf-8", errors="surrogatepass")

    result = ingest(store, body)

    assert result.status in {200, 206}
    assert all(refusal.status == 400 for refusal in result.refusals)
    assert store.query("union * | count").rows[0][0] == before + 2 - len(result.refusals)
