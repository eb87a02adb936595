"""Requests: the table of requests, searched, sorted, a page of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pf_monitor.views.requests import PARAMETERS, SIZES, Paging, Requests, requests
from pf_monitor.web.asked import Asked
from pf_monitor.web.page import Data, Page, Source


def collect(source: Source, asked: Asked) -> Data:
    """Return the view's data."""
    return requests(source, asked.scope, Paging.from_query(asked.own))


def present(data: Requests, asked: Asked) -> Mapping[str, Any]:
    """Return where the heads of the table and the pager lead."""
    first = (data["page"] - 1) * data["size"]
    return {
        "heads": {name: _head(name, data, asked) for name in ("time", "duration", "tokens", "cost")},
        "first": first + 1,
        "last": first + len(data["rows"]),
        "previous": asked.having(page=data["page"] - 1) if data["page"] > 1 else None,
        "next": asked.having(page=data["page"] + 1) if data["page"] < data["pages"] else None,
        "sizes": SIZES,
        "kept": [pair for pair in asked.kept if pair[0] not in {"search", "size"}],
    }


def _head(name: str, data: Requests, asked: Asked) -> Mapping[str, str | None]:
    """A head that sorts by its column, the other way round where the table is sorted by it already."""
    is_sorted = data["sort"] == name
    turned = is_sorted and data["direction"] == "desc"
    return {
        "link": asked.having(sort=name, direction="asc" if turned else "desc", page=None),
        "sorted": {"desc": "descending", "asc": "ascending"}[data["direction"]] if is_sorted else None,
    }


PAGE: Final = Page(
    path="/requests", title="Requests", template="requests.html", collect=collect, present=present, own=PARAMETERS
)
