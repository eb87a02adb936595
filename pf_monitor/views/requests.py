"""The table of requests: searched, sorted, a page of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, TypedDict, cast

from pf_monitor.views.scope import Scope, ScopeData, ScopeError
from pf_monitor.views.source import Record, Source, ask

SORTS: Final = ("time", "duration", "tokens", "cost")
DIRECTIONS: Final = ("desc", "asc")
SIZES: Final = (25, 50, 100, 200)

PARAMETERS: Final = ("search", "sort", "direction", "page", "size")
"""The page's own parameters in a URL."""

_FARTHEST: Final = 10_000
"""Requests that one can page through; farther ones are found by a narrower range or a search."""

_LONGEST_SEARCH: Final = 1_000


@dataclass(frozen=True)
class Paging:
    """Which part of the table is shown.

    Attributes:
        search: What question, answer or id must have, whatever its case; empty for all.
        sort: By what, one of `SORTS`.
        direction: `desc` for the latest, longest, most expensive first, or `asc`.
        page: The page, counted from 1.
        size: Rows of a page.
    """

    search: str = ""
    sort: str = "time"
    direction: str = "desc"
    page: int = 1
    size: int = 50

    @classmethod
    def from_query(cls, given: Mapping[str, str]) -> Self:
        """Read the page's own parameters of a URL; others are passed over.

        Raises:
            ScopeError: If one has a value that it cannot have.
        """
        search = given.get("search", "").strip()
        if len(search) > _LONGEST_SEARCH:
            raise ScopeError(f"search is longer than {_LONGEST_SEARCH} characters")
        return cls(
            search=search,
            sort=_one_of("sort", given.get("sort") or "time", SORTS),
            direction=_one_of("direction", given.get("direction") or "desc", DIRECTIONS),
            page=_number("page", given.get("page") or "1", _FARTHEST),
            size=int(_one_of("size", given.get("size") or "50", tuple(str(size) for size in SIZES))),
        )

    def to_query(self) -> list[tuple[str, str]]:
        """Return the parameters of a URL that `from_query` reads this from, without those that are as usual."""
        usual = type(self)()
        return [(name, str(getattr(self, name))) for name in PARAMETERS if getattr(self, name) != getattr(usual, name)]


class RequestRow(TypedDict):
    """One flow run. The duration is milliseconds; texts are as long as a custom dimension, tokens None if unknown."""

    timestamp: str
    flow: str
    outcome: str
    success: str
    duration: float
    prompt_tokens: int | None
    completion_tokens: int | None
    total_tokens: int | None
    cost_usd: float | None
    question: str
    answer: str
    session: str
    user: str
    deployment: str
    error_type: str
    request_id: str
    operation_Id: str
    id: str


class Requests(TypedDict):
    """The page's data.

    Attributes:
        total: Requests of the scope that the search finds.
        pages: How many pages they make, of those that one can page through.
        rows: Those of this page.
    """

    scope: ScopeData
    search: str
    sort: str
    direction: str
    page: int
    size: int
    pages: int
    total: int
    rows: list[RequestRow]


def requests(source: Source, scope: Scope, paging: Paging | None = None) -> Requests:
    """Return a page of the table of requests; beyond the last page, the last."""
    paging = paging or Paging()
    upto = min(paging.page * paging.size, _FARTHEST)
    found = ask(
        source,
        "requests_page",
        scope,
        words=paging.search,
        sorted_by=paging.sort,
        descending=paging.direction == "desc",
        upto=upto,
        size=paging.size,
    )
    total = int(found[0]["found"]) if found else 0
    pages = max(1, -(-min(total, _FARTHEST) // paging.size))
    page = min(paging.page, pages)
    # Beyond the last page, what was found reaches into the page before the last.
    rows = found[: min(upto, total) - (page - 1) * paging.size]
    return Requests(
        scope=scope.as_json(),
        search=paging.search,
        sort=paging.sort,
        direction=paging.direction,
        page=page,
        size=paging.size,
        pages=pages,
        total=total,
        rows=[_row(row) for row in reversed(rows)],
    )


def _row(record: Record) -> RequestRow:
    return cast(RequestRow, {name: value for name, value in record.items() if name != "found"})


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ScopeError(f"{name}={value!r} is not possible: give one of {', '.join(allowed)}")
    return value


def _number(name: str, value: str, most: int) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) < 9 and 1 <= int(value) <= most):
        raise ScopeError(f"{name}={value!r} is not possible: give a number from 1 to {most}")
    return int(value)
