"""The pages: one module a page, listed here in the order of the navigation.

A page is its view's data and a template. To add one, write its module and put its `PAGE` into the list.
Alerts need what no query knows, and are made for the rules that are evaluated.
"""

from __future__ import annotations

from typing import Final

from pf_monitor.alerts.status import Watched
from pf_monitor.web.page import Page
from pf_monitor.web.pages import alerts, logs, operations, overview, quality, requests, tokens, trace


def pages(watched: Watched | None) -> tuple[Page, ...]:
    """Return all pages.

    Args:
        watched: The alert rules that are evaluated, if any are.
    """
    return (
        overview.PAGE,
        tokens.PAGE,
        quality.PAGE,
        operations.PAGE,
        requests.PAGE,
        trace.PAGE,
        alerts.page(watched),
        logs.PAGE,
    )


NAVIGATION: Final = tuple(page for page in pages(None) if page.in_navigation)
"""What every page leads to."""
