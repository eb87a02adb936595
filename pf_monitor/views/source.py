"""Where the views get answers from."""

from __future__ import annotations

import math
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
    table = source.query(scope.load(name, **parameters))
    reals = {column.name for column in table.columns if column.type == "real"}
    return [
        {name: _finite(value) if name in reals else value for name, value in record.items()}
        for record in table.records()
    ]


def _finite(value: Any) -> float | None:
    """A number, or None for what Azure has where there is none: not a number, as a float or as text."""
    return value if isinstance(value, int | float) and math.isfinite(value) else None
