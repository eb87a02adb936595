"""What a page is asked for, and links to it and to others that keep the time range and the filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode

from pf_monitor.views.scope import LASTS, Scope

Pairs = Sequence[tuple[str, str]]

FILTERS: Final = ("flow", "deployment", "model", "node", "outcome")

_DIMENSION: Final = "dim."


@dataclass(frozen=True)
class Asked:
    """A request for a page.

    Attributes:
        path: The page's.
        scope: The time range and the filters.
        own: The parameters that only this page has.
        parts: What the path names, such as an operation.
    """

    path: str
    scope: Scope
    own: Mapping[str, str] = field(default_factory=dict)
    parts: Mapping[str, str] = field(default_factory=dict)

    @property
    def pairs(self) -> Pairs:
        """The parameters of the scope."""
        return self.scope.to_query()

    @property
    def kept(self) -> Pairs:
        """The page's own parameters that hold when the scope changes: all but the page number."""
        return [(name, value) for name, value in self.own.items() if value and name != "page"]

    def to(self, path: str) -> str:
        """Link to another page in the same scope."""
        return link(path, self.pairs)

    def twin(self, suffix: str = ".json") -> str:
        """Link to the same as JSON, or in another form."""
        path = "/overview" if self.path == "/" else self.path
        return link(f"{path}{suffix}", [*self.pairs, *self.own.items()])

    def having(self, **own: str | int | None) -> str:
        """Link to this page with some of its own parameters changed, or left out where None."""
        changed = {**self.own, **{name: None if value is None else str(value) for name, value in own.items()}}
        return link(self.path, [*self.pairs, *((name, value) for name, value in changed.items() if value)])

    def lasting(self, last: str) -> str:
        """Link to this page with a time range up to now."""
        return link(self.path, [("last", last), *self.filters, *self.kept])

    def without(self, name: str, value: str) -> str:
        """Link to this page without one of its filters."""
        return link(self.path, [pair for pair in [*self.pairs, *self.kept] if pair != (name, value)])

    def filtered(self, name: str, value: str) -> str:
        """Link to this page with one more filter."""
        others = [pair for pair in self.filters if pair[0] != name]
        return link(self.path, [*self.range, *others, (name, value), *self.kept])

    @property
    def range(self) -> Pairs:
        """The parameters of the time range."""
        return [pair for pair in self.pairs if pair[0] in {"last", "from", "to"}]

    @property
    def filters(self) -> Pairs:
        """The parameters of the filters."""
        return [pair for pair in self.pairs if pair not in self.range]

    @property
    def dimensions(self) -> Pairs:
        """The filters by custom dimension."""
        return [pair for pair in self.filters if pair[0].startswith(_DIMENSION)]

    @property
    def lasts(self) -> Iterable[str]:
        """The names of the time ranges up to now."""
        return LASTS


def link(path: str, pairs: Pairs) -> str:
    """Write a URL of this site."""
    return f"{path}?{urlencode(pairs, quote_via=quote)}" if pairs else path


def tidied(pairs: Pairs) -> Pairs | None:
    """Return the parameters that a form should have sent, or None where it did.

    A form sends its empty fields too, and cannot put a key into a field's name.
    """
    given = dict(pairs)
    key, value = given.get("dim_key", ""), given.get("dim_value", "")
    tidy = [(name, one) for name, one in pairs if one and name not in {"dim_key", "dim_value"}]
    if key and value:
        name = f"{_DIMENSION}{key}"
        tidy = [*(pair for pair in tidy if pair[0] != name), (name, value)]
    if "from" in given or "to" in given:
        tidy = [pair for pair in tidy if pair[0] != "last" or not (given.get("from") or given.get("to"))]
    return tidy if tidy != list(pairs) else None
