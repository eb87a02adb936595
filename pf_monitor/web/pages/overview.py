"""Overview: the numbers of a range, how they have changed, and the range over time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pf_monitor.views.overview import Overview, overview
from pf_monitor.web import over_time
from pf_monitor.web.asked import Asked
from pf_monitor.web.changes import change
from pf_monitor.web.page import Data, Page, Source
from pf_monitor.web.scope_bar import period_before
from pf_monitor.web.tiles import number_tiles


def collect(source: Source, asked: Asked) -> Data:
    """Return the view's data."""
    return overview(source, asked.scope)


def present(data: Overview, asked: Asked) -> Mapping[str, Any]:
    """Return tiles, charts and pass rates with their changes."""
    than = period_before(asked)
    scope, points = data["scope"], data["series"]
    return {
        "tiles": number_tiles(data["now"], data["before"], points, than),
        "drawn": [
            draw(scope, points) for draw in (over_time.requests, over_time.latency, over_time.tokens, over_time.cost)
        ],
        "pass_rates": [
            (row, change(row["pass_rate"], row["pass_rate_before"], good="more", than=than, points=True))
            for row in data["quality"]
        ],
    }


PAGE: Final = Page(path="/", title="Overview", template="overview.html", collect=collect, present=present)
