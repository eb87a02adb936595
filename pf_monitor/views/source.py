"""Where the views get answers from."""

from __future__ import annotations

from typing import Any, Protocol

from pf_monitor.queries import Parameter
from pf_monitor.table import Table
from pf_monitor.views.scope import Scope

Record = dict[str, Any]


class Source(Protocol):
    """Something that answers KQL: the local Application Insights, its store, or Azure."""

    def query(self, kql: str) -> Table:
        """Run a query.

        Raises:
            QueryError: If the query is wrong, runs too long or returns too much.
        """


def ask(source: Source, name: str, scope: Scope, **parameters: Parameter) -> list[Record]:
    """Return the rows of one of our queries in a scope.

    Args:
        source: What answers.
        name: The query's name.
        scope: Its time range and filters.
        **parameters: What else the query leaves open.
    """
    return source.query(scope.load(name, **parameters)).records()
