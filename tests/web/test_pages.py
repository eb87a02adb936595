"""Every page answers, says what its view says, holds nothing that runs, and survives what people write."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from dashboard import browsing
from shown import Shown
from web_items import BEFORE, FAILED, GOOD, HOSTILE, NASTY, NASTY_SHOWN, PAGES, RANGE, flow, item

from pf_monitor.cli._source import Source
from pf_monitor.insights import StoreError, Timespan
from pf_monitor.table import QueryError, Table
from pf_monitor.views.operations import operations
from pf_monitor.views.overview import overview
from pf_monitor.views.quality import quality
from pf_monitor.views.requests import requests
from pf_monitor.views.scope import Scope
from pf_monitor.views.tokens import tokens
from pf_monitor.views.trace import trace
from pf_monitor.web.formats import MISSING
from pf_monitor.web.site import routes


def shown(client: httpx.Client, address: str, status: int = 200) -> Shown:
    answer = client.get(address)
    assert answer.status_code == status, answer.text
    return Shown(answer.text)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_answers_and_keeps_to_itself(client: httpx.Client, page: str) -> None:
    answer = client.get(f"{page}?{RANGE}")

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.split(" ", 1) for part in answer.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {policy[kind] for kind in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_landmarks_and_nothing_inline(client: httpx.Client, page: str) -> None:
    found = shown(client, f"{page}?{RANGE}")

    tags = [tag for tag, _ in found.elements]
    assert (tags.count("h1"), tags.count("main"), tags.count("header"), "style" in tags) == (1, 1, 1, False)
    assert all(script["src"].startswith("/static/") for script in found.all("script"))
    assert all("lang" in html for html in found.all("html"))
    for tag, attributes in found.elements:
        assert not [name for name in attributes if name == "style" or name.startswith("on")], (tag, attributes)
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("page", PAGES)
def test_links_stay_on_this_site_and_hold_the_range(client: httpx.Client, page: str) -> None:
    found = shown(client, f"{page}?{RANGE}")

    addresses = [
        one.get("href", one.get("src", "")) for tag in ("a", "link", "script", "img") for one in found.all(tag)
    ]
    assert all(address.startswith(("/", "#")) for address in addresses), addresses
    navigation = [a["href"] for a in found.all("a") if a["href"].startswith(("/tokens", "/quality", "/logs"))]
    assert navigation
    assert all("from=2024-05-01T12" in link or "last=" in link for link in navigation)


SCOPE = Scope(datetime(2024, 5, 1, 12, tzinfo=UTC), datetime(2024, 5, 1, 13, tzinfo=UTC))
VIEWS: Mapping[str, Callable[[Any], Any]] = {
    "/overview": lambda source: overview(source, SCOPE),
    "/tokens": lambda source: tokens(source, SCOPE),
    "/quality": lambda source: quality(source, SCOPE),
    "/operations": lambda source: operations(source, SCOPE),
    "/requests": lambda source: requests(source, SCOPE),
    f"/requests/{GOOD}": lambda source: trace(source, GOOD),
}


@pytest.mark.parametrize("page", VIEWS)
def test_the_twin_is_the_view(client: httpx.Client, source: Source, page: str) -> None:
    expected = json.loads(json.dumps(VIEWS[page](source)))

    twin = client.get(f"{page}.json?{RANGE}")
    address = page.replace("/overview", "/")
    negotiated = client.get(f"{address}?{RANGE}", headers={"accept": "application/json"})

    assert twin.headers["content-type"] == "application/json"
    assert twin.json() == negotiated.json() == expected


def test_the_overview_shows_the_numbers(client: httpx.Client) -> None:
    found = shown(client, f"/?{RANGE}")

    assert {
        key: found.number(key) for key in ("requests", "total_tokens", "cost_usd", "p50_ms", "p95_ms", "p99_ms")
    } == {
        "requests": 3,
        "total_tokens": 3702,
        "cost_usd": 0.0075,
        "p50_ms": 2000,
        "p95_ms": 4000,
        "p99_ms": 4000,
    }
    assert found.number("error_rate") == pytest.approx(1 / 3)
    assert "Error rate 33.3 % 1 failed nothing in the period before" in found.words
    assert "Tokens 3,702 3,600 prompt, 102 completion" in found.words


@pytest.mark.parametrize("page", ["/requests", f"/requests/{HOSTILE}", "/quality", "/tokens"])
def test_what_people_write_is_text(client: httpx.Client, page: str) -> None:
    found = shown(client, f"{page}?{RANGE}")

    assert NASTY_SHOWN in found.text or NASTY_SHOWN[:200] in found.text
    assert "49" not in found.words.split()
    assert not found.all("img")
    assert "alert(1)</script>" not in found.page
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", found.page)
    said = [attributes for _, attributes in found.elements if "said" in attributes.get("class", "")]
    assert any(attributes.get("dir") == "auto" for attributes in said)


def test_hostile_text_in_parameters_is_text(client: httpx.Client) -> None:
    nasty = '"><script>alert(1)</script>'
    for address in (f"/?{RANGE}", f"/requests?{RANGE}"):
        path, _, query = address.partition("?")
        answer = client.get(path, params=[*parse_pairs(query), ("flow", nasty), ("dim.<b>", nasty)])
        assert answer.status_code == 200
        found = Shown(answer.text)
        assert nasty in found.text
        assert all("src" in script for script in found.all("script"))


def parse_pairs(query: str) -> list[tuple[str, str]]:
    return [(name, value) for name, values in parse_qs(query).items() for value in values]


def test_a_trace_shows_steps_talk_errors_and_ids(client: httpx.Client) -> None:
    found = shown(client, f"/requests/{FAILED}?{RANGE}")

    for text in (
        "model chat gpt-4o ✕ failed",
        "system Be brief.",
        "assistant As you like.",
        "openai.RateLimitError slow down <b>now</b>",
        'File "chat.py", line 3, in ask',
        "request id request-b Copy",
        f'let operation = "{FAILED}";',
    ):
        assert text in found.words, text
    assert FAILED in [button.get("data-copy") for button in found.all("button")]
    assert len(found.all("summary")) > 2
    feedback = shown(client, f"/requests/{HOSTILE}?{RANGE}").words
    assert "user_feedback 0 fail" in feedback
    assert "warning" in feedback


@pytest.mark.parametrize("page", ["/", "/tokens", "/operations", "/requests"])
def test_an_empty_store_says_what_to_do(empty: httpx.Client, page: str) -> None:
    words = shown(empty, page).words

    assert "No request in this time" in words
    assert "pf-monitor demo --keep" in words


def test_without_scores_quality_says_where_they_come_from(empty: httpx.Client) -> None:
    words = shown(empty, "/quality").words

    assert "Nothing was judged in this time" in words
    assert "record_feedback" in words


def test_quality_shows_what_monitors_say(client: httpx.Client) -> None:
    words = shown(client, f"/quality?{RANGE}").words

    window = "2024-04-30 12:00 to 2024-05-01 12:00 said 2024-05-01 12:45 gpt-4o, azure-ai-evaluation 1.18.10"
    for line in (
        "answers flow chat groundedness pass rate ? inconclusive 296 more judged answers settle it 75.0 %"
        f" 59.8 % to 85.8 % at least 70.0 % 40 {window}",
        f"answers flow chat groundedness average score ✓ pass 4.1 {MISSING} at least 3.5 40 {window}",
        f"answers flow chat tokens total tokens ✕ fail The run ended: out of budget 1,234,567 {MISSING}"
        f" at most 1,000,000 40 {window}",
    ):
        assert line in words, words
    assert "49" not in words.split()


def test_the_latest_verdict_is_shown_where_nothing_was_judged_lately(client: httpx.Client) -> None:
    later = shown(client, "/quality?from=2024-05-20T12:00:00Z&to=2024-05-20T13:00:00Z").words
    assert "? inconclusive" in later
    assert "Nothing was judged in this time" in later
    of_another_flow = shown(client, f"/quality?{RANGE}&flow=other").words
    assert "inconclusive" not in of_another_flow


def test_a_filter_that_fits_nothing_says_so(client: httpx.Client) -> None:
    found = shown(client, f"/?{RANGE}&flow=other")

    assert "No request fits the filters" in found.words
    removing = [
        a["href"] for a in found.all("a") if "Remove the filter flow" in found.page and "flow=" not in a["href"]
    ]
    assert any(urlsplit(link).path == "/" for link in removing)


def test_one_request_and_a_long_gap_break_no_page(client: httpx.Client) -> None:
    for page in ("/", "/tokens", "/quality", "/operations", "/requests"):
        shown(client, f"{page}?from=2024-04-01T00:00:00Z&to=2024-05-01T12:02:00Z")
        shown(client, f"{page}?from=2024-05-01T12:00:59.9Z&to=2024-05-01T12:01:00.1Z")
        shown(client, f"{page}?{BEFORE}")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/?last=9y", "give one of 15m"),
        ("/?from=yesterday", "give ISO-8601"),
        ("/tokens?outcome=bad", "give one of ok, error"),
        ("/?colour=red", "'colour' is not a parameter here"),
        ("/requests?page=0", "give a number"),
        ("/requests?sort=name", "give one of time"),
        ("/logs.csv?last=9y", "give one of 15m"),
    ],
)
def test_a_wrong_parameter_is_explained(client: httpx.Client, address: str, message: str) -> None:
    page = shown(client, address, 400)
    twin = client.get(address, headers={"accept": "application/json"})

    assert message in page.words
    assert (twin.status_code, message in twin.json()["error"]["message"]) == (400, True)


@pytest.mark.parametrize("address", ["/nowhere", "/requests/0000", "/static/nothing.css", "/static/..%2fsite.py"])
def test_what_is_not_there_is_said(client: httpx.Client, address: str) -> None:
    assert "Not found" in shown(client, address, 404).words
    assert client.get(address, headers={"accept": "application/json"}).json()["error"]["title"] == "Not found"


class Broken:
    """A store that cannot answer."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def query(self, kql: str, timespan: Timespan | None = None) -> Table:
        raise self.error


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (QueryError("The query ran longer than 60 s"), 400, "The query failed"),
        (StoreError("The disk is gone"), 503, "The telemetry cannot be read"),
    ],
)
def test_a_store_that_fails_is_said(tmp_path: Path, error: Exception, status: int, title: str) -> None:
    with browsing(tmp_path, lambda _: routes(Broken(error))) as broken:
        words = shown(broken, "/", status).words
        twin = broken.get("/overview.json").json()

    assert title in words
    assert str(error) in words
    assert twin["error"] == {"title": title, "message": str(error)}


def test_what_a_form_sends_is_tidied(client: httpx.Client) -> None:
    answer = client.get("/?last=1d&flow=chat&model=&dim_key=tenant&dim_value=a%26b")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?last=1d&flow=chat&dim.tenant=a%26b")

    answer = client.get("/requests?search=x&size=50&from=2024-05-01T12:00:00&to=2024-05-01T13:00:00&last=1d")
    assert parse_qs(urlsplit(answer.headers["location"]).query) == {
        "search": ["x"],
        "size": ["50"],
        "from": ["2024-05-01T12:00:00"],
        "to": ["2024-05-01T13:00:00"],
    }


def test_requests_are_searched_sorted_and_paged(client: httpx.Client) -> None:
    found = shown(client, f"/requests?{RANGE}&sort=duration&direction=desc&search=euros")
    assert "1 request " in found.words
    assert "Ten euros." in found.text

    rows = re.findall(r'href="/requests/(\w+)\?', shown(client, f"/requests?{RANGE}&sort=duration").page)
    assert rows == [FAILED, GOOD, HOSTILE]
    heads = [th.get("aria-sort") for th in shown(client, f"/requests?{RANGE}&sort=duration").all("th")]
    assert heads.count("descending") == 1


def test_static_files_may_be_kept(client: httpx.Client) -> None:
    page = shown(client, f"/?{RANGE}")
    addresses = [link["href"] for link in page.all("link")] + [script["src"] for script in page.all("script")]

    for address in addresses:
        answer = client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_what_nests_too_deeply_or_has_no_encoding_is_shown(empty: httpx.Client) -> None:
    """A message that is deep JSON, or has half a character in it, breaks no page."""
    client = empty
    operation = "d" * 32
    item = flow(400, operation, 1, question="[" * 5_000, answer="\\ud800 \ud83d", context="[" * 5_000 + "]" * 5_000)
    assert client.post("/v2.1/track", content=json.dumps([item])).status_code in {200, 206}
    shown(client, f"/requests/{operation}")
    assert client.get(f"/requests/{operation}.json").status_code == 200


def test_choices_are_the_names_of_the_range(client: httpx.Client) -> None:
    assert client.get(f"/choices.json?{RANGE}").json() == {
        "flows": ["chat"],
        "deployments": [],
        "models": ["gpt-4o"],
        "nodes": ["ask"],
        "outcomes": ["ok", "error", "cancelled", "abandoned"],
    }


def test_nasty_is_nasty() -> None:
    assert "\x07" in NASTY
    assert "\u202e" in NASTY


@pytest.mark.parametrize("score", ["nan", "inf", "-inf", "1e308", "five"])
def test_scores_that_are_no_numbers_break_no_page(empty: httpx.Client, score: str) -> None:
    properties = {"gen_ai.evaluation.name": "relevance", "gen_ai.evaluation.score.value": score}
    judged = item("EventData", 5, GOOD, properties, parent="flow-a", name="gen_ai.evaluation.result")
    assert empty.post("/v2.1/track", content=json.dumps([flow(4, GOOD, 1), judged])).status_code == 200

    for page in ("/", "/quality", f"/requests/{GOOD}"):
        shown(empty, f"{page}?{RANGE}")
        assert (
            empty.get(f"{page.replace('/', '/overview', 1) if page == '/' else page}.json?{RANGE}").status_code == 200
        )
