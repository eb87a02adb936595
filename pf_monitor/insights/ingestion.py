"""What an ingestion request comes to: its items parsed, stored, and each refused one named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import NamedTuple, Self

from pf_monitor.insights.body import Unreadable, parse_items
from pf_monitor.insights.envelope import read
from pf_monitor.insights.rows import Batch
from pf_monitor.insights.store import Store
from pf_monitor.insights.writer import StoreError


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


class Submission(NamedTuple):
    """A request's items on their way to the disk."""

    received: int
    places: list[int]
    """Where in the body the items stood that are being stored."""
    refusals: list[Refusal]
    stored: Future[Mapping[int, str]]

    def outcome(self) -> Outcome:
        """Wait until the rows are durable and can be queried, or refused, and say what became of all."""
        refusals = list(self.refusals)
        try:
            refused = self.stored.result()
        except StoreError as error:
            # 503 makes senders keep the items and try again.
            refusals += [Refusal(place, 503, str(error)) for place in self.places]
        else:
            refusals += [Refusal(place, 400, reason) for place, reason in refused.items()]
        return Outcome(self.received, sorted(refusals))


def ingest(store: Store, body: bytes) -> Outcome:
    """Store the items of a request's body; when it returns, the accepted ones are durable and can be queried."""
    return submit(store, body).outcome()


def submit(store: Store, body: bytes) -> Submission:
    """Like `ingest`, without waiting for the disk."""
    items = parse_items(body)
    refusals = [] if items else [Refusal(0, 400, "The body holds no telemetry items")]
    refusals += [Refusal(place, 400, item.reason) for place, item in enumerate(items) if isinstance(item, Unreadable)]
    reading = read((place, item) for place, item in enumerate(items) if not isinstance(item, Unreadable))
    refusals += [Refusal(place, 400, reason) for place, reason in reading.refused.items()]
    places = [place for batch in reading.batches for place in batch.places]
    return Submission(len(items), places, refusals, _stored(store, reading.batches))


def _stored(store: Store, batches: Sequence[Batch]) -> Future[Mapping[int, str]]:
    if batches:
        try:
            return store.submit(batches)
        except StoreError as error:
            failed: Future[Mapping[int, str]] = Future()
            failed.set_exception(error)
            return failed
    nothing: Future[Mapping[int, str]] = Future()
    nothing.set_result({})
    return nothing
