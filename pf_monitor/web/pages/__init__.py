"""The pages: one module a page, listed here in the order of the navigation.

A page is its view's data and a template. To add one, write its module and put its `PAGE` into the list.
"""

from __future__ import annotations

from typing import Final

from pf_monitor.web.page import Page
from pf_monitor.web.pages import logs, operations, overview, quality, requests, tokens, trace

PAGES: Final[tuple[Page, ...]] = (
    overview.PAGE,
    tokens.PAGE,
    quality.PAGE,
    operations.PAGE,
    requests.PAGE,
    trace.PAGE,
    logs.PAGE,
)
