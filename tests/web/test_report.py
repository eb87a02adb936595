"""The report as one page: nothing to load, nothing that runs, the same numbers."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime

from shown import Shown
from web_items import FAILED

from pf_monitor.cli._source import Source
from pf_monitor.queries import Filters
from pf_monitor.views.scope import Scope
from pf_monitor.web.report import html_report

SCOPE = Scope(datetime(2024, 5, 1, 12, tzinfo=UTC), datetime(2024, 5, 1, 13, tzinfo=UTC))


def test_the_page_needs_nothing_else(source: Source) -> None:
    page = html_report(source, SCOPE)
    found = Shown(page)

    assert not [tag for tag, _ in found.elements if tag in {"script", "link", "img", "a", "form", "button", "iframe"}]
    for tag, attributes in found.elements:
        assert not {"href", "src", "style", "onclick"} & attributes.keys(), (tag, attributes)
    [style] = re.findall(r"<style>(.*?)</style>", page, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert {"http-equiv": "Content-Security-Policy", "content": f"default-src 'none'; style-src 'sha256-{digest}'"} in (
        found.all("meta")
    )
    assert "url(" not in style
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_the_page_has_the_numbers_and_the_failed_requests(source: Source) -> None:
    found = Shown(html_report(source, SCOPE))

    assert (found.number("requests"), found.number("total_tokens")) == (3, 3702)
    assert "Failed requests The latest" in found.words
    assert FAILED in found.words
    assert "user_feedback 0.0 % 1" in found.words
    assert "groundedness pass rate ? inconclusive 296 more judged answers settle it 75.0 %" in found.words
    assert "openai.RateLimitError" in found.words


def test_filters_and_emptiness_are_said(source: Source) -> None:
    found = Shown(html_report(source, Scope(SCOPE.since, SCOPE.until, filters=Filters(flow="<other>"))))

    assert "flow <other>" in found.words
    assert "No request in this time" in found.words
    assert "No request failed in this time." in found.words
