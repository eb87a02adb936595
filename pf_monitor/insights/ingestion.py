"""What an ingestion request comes to: its items parsed, stored, and each refused one named."""

from __future__ import annotations

from typing import NamedTuple, Self

from pf_monitor.insights.body import Unreadable, parse_items
from pf_monitor.insights.envelope import EnvelopeError, Row, to_row
from pf_monitor.insights.store import Store, StoreError


class Refusal(NamedTuple):
    """An item that was not accepted."""

    position: int
    status: int
    reason: str


class Outcome(NamedTuple):
    """What became of the items of a request."""

    received: int
    refusals: list[Refusal]

    @classmethod
    def refusal(cls, status: int, reason: str) -> Self:
        """The outcome of a body of which no item could be read."""
        return cls(0, [Refusal(0, status, reason)])

    @property
    def status(self) -> int:
        """The HTTP status: 200 if all was accepted, 206 if some was, else the status of the first refusal."""
        if not self.refusals:
            return 200
        return 206 if len(self.refusals) < self.received else self.refusals[0].status

    def as_json(self) -> dict[str, object]:
        """The answer that SDKs read, in which `index` says which items to send again or to drop."""
        errors = [{"index": one.position, "statusCode": one.status, "message": one.reason} for one in self.refusals]
        accepted = max(0, self.received - len(self.refusals))
        return {"itemsReceived": self.received, "itemsAccepted": accepted, "errors": errors}


def ingest(store: Store, body: bytes) -> Outcome:
    """Store the items of a request's body; when it returns, the accepted ones are durable and can be queried."""
    items = parse_items(body)
    if not items:
        return Outcome.refusal(400, "The body holds no telemetry items")
    rows: list[Row] = []
    positions: list[int] = []
    refusals: list[Refusal] = []
    for position, item in enumerate(items):
        if isinstance(item, Unreadable):
            refusals.append(Refusal(position, 400, item.reason))
            continue
        try:
            rows.append(to_row(item))
            positions.append(position)
        except EnvelopeError as error:
            refusals.append(Refusal(position, 400, str(error)))
    try:
        refused = store.append(rows) if rows else {}
    except StoreError as error:
        # 503 makes senders keep the items and try again.
        refusals.extend(Refusal(position, 503, str(error)) for position in positions)
    else:
        refusals.extend(Refusal(positions[row], 400, reason) for row, reason in refused.items())
    return Outcome(len(items), sorted(refusals))
