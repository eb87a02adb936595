"""Signing in with a real browser, at a server that asks for a token."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pf_monitor.insights.access import Access
from pf_monitor.insights.server import running
from pf_monitor.web.site import routes

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
TOKEN = "correct horse battery staple"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: apt-get install chromium"),
]


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with running(tmp_path, pages=routes, access=Access(frozenset(), TOKEN)) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(params=["light", "dark"])
def page(request: pytest.FixtureRequest) -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_context(color_scheme=request.param).new_page()
        browser.close()


def test_a_reader_signs_in_once(page: Any, url: str) -> None:
    page.goto(f"{url}/requests?last=7d")
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).fontSize") == "20px"  # the style is let in
    assert axe.Axe().run(page).response["violations"] == []

    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    assert page.get_by_role("status").inner_text() == "This is not the server's token."
    page.get_by_label("Token").fill(TOKEN)
    page.keyboard.press("Enter")
    sync_api.expect(page.get_by_role("heading", level=1)).to_have_text("Requests")
    assert page.url == f"{url}/requests?last=7d"

    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.get_by_role("link", name="Overview").click()
    sync_api.expect(page.get_by_role("heading", level=1)).to_have_text("Overview")
    page.wait_for_load_state("networkidle")
    assert complaints == []
    assert page.evaluate("document.cookie") == ""
