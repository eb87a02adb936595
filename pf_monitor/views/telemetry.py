"""How much telemetry there is, what it is made of, what a month of it costs, and what each setting would save."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, TypedDict

from pf_monitor.views.numbers import requests
from pf_monitor.views.scope import Scope, ScopeData
from pf_monitor.views.source import Record, Source, ask

_MONTH: Final = timedelta(days=30)
_BYTES_PER_GB: Final = 1e9
"""As Azure Monitor counts them."""

_CONTENT: Final = (
    "question", "answer", "context", "ground_truth", "inputs", "output", "query", "messages", "instructions", "tools",
    "feedback",
)  # fmt: skip
_COLUMNS: Final = (*_CONTENT, "errors", "user")
_SAMPLED: Final = frozenset({"request", "dependency", "exception", "trace"})
"""What belongs to spans, and so is sent with a share of the requests; metrics and feedback are sent in any case."""

_RATIO: Final = 0.1
_PREFIX: Final = "PF_MONITOR"


class Items(TypedDict):
    """The items of one table and kind. Sizes are bytes, about: characters of text."""

    table: str
    kind: str
    items: int
    items_per_request: float | None
    size: int
    size_per_request: float | None


class Column(TypedDict):
    """What one column takes. `numbers, ids, names` is what no switch of a column is about."""

    column: str
    size: int
    size_per_request: float | None
    share: float
    month_usd: float | None


class Saving(TypedDict):
    """What a setting would save."""

    setting: str
    size_per_request: float | None
    share: float
    month_usd: float | None


class Telemetry(TypedDict):
    """The report.

    Attributes:
        requests: Flow runs, as `summary.kql` counts them.
        month_gb: What a month of 30 days comes to, when it goes on as in the range.
        price: US dollars for a GB, as given; None where none was.
        savings: The largest first.
    """

    scope: ScopeData
    requests: int
    items: int
    items_per_request: float | None
    size: int
    size_per_request: float | None
    month_gb: float
    price: float | None
    month_usd: float | None
    by_item: list[Items]
    by_column: list[Column]
    savings: list[Saving]


def telemetry(source: Source, scope: Scope, price: float | None = None) -> Telemetry:
    """Return how much telemetry there is.

    Args:
        source: What answers queries.
        scope: Its time range; filters are not heeded.
        price: US dollars for a GB of data.
    """
    found = ask(source, "telemetry_volume", scope)
    volume = _Volume(requests(source, scope), sum(row["size"] for row in found), scope, price)
    sizes = {column: sum(row[column] for row in found) for column in _COLUMNS}
    sizes["numbers, ids, names"] = volume.size - sum(sizes.values())
    items = sum(row["items"] for row in found)
    return Telemetry(
        scope=scope.as_json(),
        requests=volume.requests,
        items=items,
        items_per_request=volume.per_request(items),
        size=volume.size,
        size_per_request=volume.per_request(volume.size),
        month_gb=volume.month_gb(volume.size),
        price=price,
        month_usd=volume.month_usd(volume.size),
        by_item=[volume.items(row) for row in found],
        by_column=[volume.column(name, size) for name, size in _largest_first(sizes)],
        savings=[volume.saving(setting, size) for setting, size in _largest_first(_savings(found, sizes))],
    )


class _Volume:
    """Puts sizes in relation to the requests, the whole, a month and a price."""

    def __init__(self, requests: int, size: int, scope: Scope, price: float | None) -> None:
        self.requests = requests
        self.size = size
        self._months = (scope.until - scope.since) / _MONTH
        self._price = price

    def per_request(self, amount: float) -> float | None:
        return amount / self.requests if self.requests else None

    def month_gb(self, size: float) -> float:
        return size / self._months / _BYTES_PER_GB

    def month_usd(self, size: float) -> float | None:
        return None if self._price is None else self.month_gb(size) * self._price

    def items(self, row: Record) -> Items:
        return Items(
            table=row["itemType"],
            kind=row["item_kind"],
            items=row["items"],
            items_per_request=self.per_request(row["items"]),
            size=row["size"],
            size_per_request=self.per_request(row["size"]),
        )

    def column(self, name: str, size: int) -> Column:
        return Column(
            column=name,
            size=size,
            size_per_request=self.per_request(size),
            share=size / self.size,
            month_usd=self.month_usd(size),
        )

    def saving(self, setting: str, size: int) -> Saving:
        return Saving(
            setting=setting,
            size_per_request=self.per_request(size),
            share=size / self.size,
            month_usd=self.month_usd(size),
        )


def _savings(found: list[Record], sizes: dict[str, int]) -> dict[str, int]:
    """Return the bytes that each setting would save."""
    spans = sum(row["size"] for row in found if row["itemType"] in _SAMPLED)
    return {
        "PF_MONITOR_CAPTURE_CONTENT: false": sum(sizes[column] for column in _CONTENT),
        f"PF_MONITOR_SAMPLING_RATIO: {_RATIO:g}": round(spans * (1 - _RATIO)),
        **{f"{_PREFIX}_CAPTURE_{column.upper()}: off": sizes[column] for column in _COLUMNS},
    }


def _largest_first(sizes: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(((name, size) for name, size in sizes.items() if size), key=lambda pair: -pair[1])
