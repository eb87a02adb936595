"""The scope of a page: a time range and filters, read from the page's URL and written to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Self, TypedDict

from pf_monitor import queries
from pf_monitor.queries import Filters, Parameter

LASTS: Final[Mapping[str, timedelta]] = {
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
    "3d": timedelta(days=3),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}
"""The time ranges up to now, by the name that they have in a URL."""

DEFAULT_LAST: Final = "1d"

OUTCOMES: Final = ("ok", "error", "cancelled", "abandoned")

_FILTERS: Final = ("flow", "deployment", "model", "node", "outcome")
_DIMENSION: Final = "dim."
_MOST_DIMENSIONS: Final = 10
_LONGEST_VALUE: Final = 1_000
_LONGEST_RANGE: Final = timedelta(days=366)

_MOST_BINS: Final = 72
_STEPS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        *(1, 5, 10, 15, 30),
        *(minutes * 60 for minutes in (1, 2, 5, 10, 15, 30)),
        *(hours * 3600 for hours in (1, 2, 3, 6, 12, 24, 48, 168)),
    )
)
"""Lengths of a bin that people read easily."""


class ScopeError(ValueError):
    """A time range or filter that cannot be; the message says what is allowed."""


class ScopeData(TypedDict):
    """A scope as the JSON twins have it; times are ISO-8601 in UTC, `step_s` the length of a bin in seconds."""

    since: str
    until: str
    last: str | None
    flow: str | None
    deployment: str | None
    model: str | None
    node: str | None
    outcome: str | None
    dimensions: dict[str, str]
    step_s: float


@dataclass(frozen=True)
class Scope:
    """A time range, its start included, its end not, and which requests in it count.

    Attributes:
        since: The start.
        until: The end.
        last: The name of a range up to now, when it is one.
        filters: Which requests count.
    """

    since: datetime
    until: datetime
    last: str | None = None
    filters: Filters = field(default_factory=Filters)

    @classmethod
    def of_last(cls, last: str, now: datetime, filters: Filters | None = None) -> Self:
        """Return the scope of a range up to now.

        Raises:
            ScopeError: If there is no range of this name.
        """
        if last not in LASTS:
            raise ScopeError(f"last={last!r} is not a time range: give one of {', '.join(LASTS)}")
        return cls(now - LASTS[last], now, last, filters or Filters())

    @classmethod
    def from_query(cls, pairs: Iterable[tuple[str, str]], now: datetime, also: Collection[str] = ()) -> Self:
        """Read a scope from the parameters of a URL.

        Args:
            pairs: Names and values, decoded. Empty values count as not given, as forms send them.
            now: The present, where a range up to now ends.
            also: Parameters of the page's own, which are passed over.

        Raises:
            ScopeError: If a parameter is unknown, given twice, or has a value that it cannot have.
        """
        given: dict[str, str] = {}
        for name, value in pairs:
            if name in also or not value:
                continue
            if name in given:
                raise ScopeError(f"{name} is given twice: give it once")
            if len(value) > _LONGEST_VALUE:
                raise ScopeError(f"{name} is longer than {_LONGEST_VALUE} characters")
            given[name] = value
        filters = _filters(given)
        if "from" in given or "to" in given:
            if "last" in given:
                raise ScopeError("Give last, or from and to, not both")
            return cls(*_range(given, now), None, filters)
        return cls.of_last(given.get("last", DEFAULT_LAST), now, filters)

    def to_query(self) -> list[tuple[str, str]]:
        """Return the parameters of a URL that `from_query` reads this scope from."""
        pairs = [("last", self.last)] if self.last else [("from", _iso(self.since)), ("to", _iso(self.until))]
        pairs += [(name, value) for name in _FILTERS if (value := getattr(self.filters, name)) is not None]
        return pairs + [(f"{_DIMENSION}{key}", value) for key, value in self.filters.dimensions]

    def as_json(self) -> ScopeData:
        """Return the scope as the JSON twins have it."""
        filters = self.filters
        return ScopeData(
            since=_iso(self.since),
            until=_iso(self.until),
            last=self.last,
            flow=filters.flow,
            deployment=filters.deployment,
            model=filters.model,
            node=filters.node,
            outcome=filters.outcome,
            dimensions=dict(filters.dimensions),
            step_s=self.step.total_seconds(),
        )

    def before(self) -> Self:
        """Return the scope of the period of the same length just before."""
        return replace(self, since=self.since - (self.until - self.since), until=self.since, last=None)

    def everything(self) -> Self:
        """Return the scope without its filters."""
        return replace(self, filters=Filters())

    @property
    def step(self) -> timedelta:
        """The length of a bin when the range is shown over time: about 60 of them make up the range."""
        span = self.until - self.since
        return next((step for step in _STEPS if span <= step * _MOST_BINS), _STEPS[-1])

    def load(self, name: str, **parameters: Parameter) -> str:
        """Return one of our queries in this scope, as it runs unchanged in the Azure portal.

        Args:
            name: The query's name.
            **parameters: What else the query leaves open.
        """
        return queries.load(name, self.filters, since=self.since, until=self.until, **parameters)


def _filters(given: Mapping[str, str]) -> Filters:
    known = ("last", "from", "to", *_FILTERS)
    dimensions = tuple((name.removeprefix(_DIMENSION), value) for name, value in given.items() if _is_dimension(name))
    if unknown := [name for name in given if name not in known and not _is_dimension(name)]:
        raise ScopeError(f"{unknown[0]!r} is not a parameter here: give {', '.join(known)} or {_DIMENSION}KEY")
    if len(dimensions) > _MOST_DIMENSIONS:
        raise ScopeError(f"There are {len(dimensions)} parameters {_DIMENSION}KEY: give at most {_MOST_DIMENSIONS}")
    outcome = given.get("outcome")
    if outcome is not None and outcome not in OUTCOMES:
        raise ScopeError(f"outcome={outcome!r} is not an outcome: give one of {', '.join(OUTCOMES)}")
    return Filters(**{name: given.get(name) for name in _FILTERS}, dimensions=dimensions)


def _is_dimension(name: str) -> bool:
    return name.startswith(_DIMENSION) and len(name) > len(_DIMENSION)


def _range(given: Mapping[str, str], now: datetime) -> tuple[datetime, datetime]:
    until = _moment("to", given["to"]) if "to" in given else now
    since = _moment("from", given["from"]) if "from" in given else until - LASTS[DEFAULT_LAST]
    if since >= until:
        raise ScopeError(f"from={_iso(since)} is not before to={_iso(until)}")
    if until - since > _LONGEST_RANGE:
        raise ScopeError(f"from and to are more than {_LONGEST_RANGE.days} days apart")
    return since, until


def _moment(name: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ScopeError(f"{name}={text!r} is not a time: give ISO-8601 such as 2024-05-01T12:00:00Z") from None


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
