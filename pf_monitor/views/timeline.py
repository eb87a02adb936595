"""Time series without holes: what a query leaves out of a range is put in again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from pf_monitor.views.scope import Scope

_EPOCH = datetime(1, 1, 1, tzinfo=UTC)
"""What `bin()` counts from."""


def filled(records: Iterable[Mapping[str, Any]], scope: Scope, empty: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Give one record a bin of the scope, in time order.

    Args:
        records: Rows of a query `by t = bin(timestamp, step)`.
        scope: The range, and the length of a bin.
        empty: What a bin has in which nothing happened.
    """
    found = {_moment(str(record["t"])): record for record in records}
    for moment in bins(scope):
        text = moment.isoformat().replace("+00:00", "Z")
        yield {**empty, **found.get(moment, {}), "t": text}


def bins(scope: Scope) -> Iterator[datetime]:
    """Give the starts of the bins of a scope; the first and the last may reach out of it."""
    moment = _EPOCH + (scope.since - _EPOCH) // scope.step * scope.step
    while moment < scope.until:
        yield moment
        moment += scope.step


def _moment(text: str) -> datetime:
    # Azure gives seven digits of a second, of which Python reads six.
    return datetime.fromisoformat(text).astimezone(UTC) if text else _EPOCH
