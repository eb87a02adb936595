"""What a page is: its data, which is its JSON twin, and how its template is filled in from that."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pf_monitor.insights import Timespan
from pf_monitor.table import Table
from pf_monitor.web.asked import Asked

Data = Mapping[str, Any]


class Source(Protocol):
    """Something that answers KQL on a time range: the store of the local Application Insights."""

    def query(self, kql: str, timespan: Timespan | None = None) -> Table:
        """Run a query.

        Raises:
            QueryError: If the query is wrong, runs too long or returns too much.
        """


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        path: Where it is; its twin has `.json` after it.
        title: Its name, in the navigation too.
        template: The file that shows it.
        collect: Returns its data, which is what the twin answers.
        present: Returns what its template needs besides the data, such as charts.
        own: Parameters of the URL that only this page has.
        in_navigation: Whether the navigation leads to it.
        has_range: Whether the time range applies to it.
        has_filters: Whether filters do.
    """

    path: str
    title: str
    template: str
    collect: Callable[[Source, Asked], Data]
    present: Callable[[Any, Asked], Mapping[str, Any]]
    own: tuple[str, ...] = ()
    in_navigation: bool = True
    has_range: bool = True
    has_filters: bool = True


class NotFoundError(LookupError):
    """What a page is about does not exist; the message says what to do."""
