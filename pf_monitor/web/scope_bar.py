"""The bar above each page that sets the time range and the filters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pf_monitor.views.scope import OUTCOMES
from pf_monitor.web.asked import FILTERS, Asked

SPOKEN: Final[Mapping[str, str]] = {
    "15m": "15 minutes",
    "1h": "hour",
    "4h": "4 hours",
    "12h": "12 hours",
    "1d": "day",
    "3d": "3 days",
    "7d": "7 days",
    "30d": "30 days",
}
"""The time ranges up to now, as one says them after *the last*."""


def describe(asked: Asked, *, has_filters: bool) -> Mapping[str, Any]:
    """Return what the bar shows.

    Args:
        asked: What the page is asked for.
        has_filters: Whether filters apply to the page. Their values are free text, which a script makes lists of.
    """
    chosen = dict(asked.filters)
    names = [name for name in FILTERS if name != "outcome"]
    return {
        "spoken": SPOKEN,
        "since": _field(asked.scope.since.isoformat()),
        "until": _field(asked.scope.until.isoformat()),
        "has_filters": has_filters,
        "names": [(name, chosen.get(name, "")) for name in names],
        "outcomes": OUTCOMES,
        "outcome": chosen.get("outcome"),
        "besides_range": [*asked.filters, *asked.kept],
        "besides_filters": [*asked.range, *asked.dimensions, *asked.kept],
        "choices": asked.to("/choices.json"),
    }


def period_before(asked: Asked) -> str:
    """Say which period a change is counted from: `the day before`."""
    last = asked.scope.last
    return "the period before" if last is None else f"the {SPOKEN[last]} before"


def _field(iso: str) -> str:
    """A time as an input of type `datetime-local` has it."""
    return iso[:19]
