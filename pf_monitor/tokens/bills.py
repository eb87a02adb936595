"""What a model call spent and costs, found out when somebody asks: in the pipeline, away from the caller's path."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from pf_monitor.tokens.prices import cost_usd

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.util.types import AttributeValue

    from pf_monitor.tokens.usage import Usage


class Spent(NamedTuple):
    """What is known of a call once it has been answered.

    Attributes:
        usage: Its tokens, or None when nobody knows.
        provider: See `cost_usd`.
        model: Likewise.
        facts: Attributes of the call that its answer tells, such as the model that answered.
        known_usd: The price where it is known already, in US dollars; the list is not asked then.
    """

    usage: Usage | None = None
    provider: str = ""
    model: str = ""
    facts: Mapping[str, AttributeValue] = MappingProxyType({})
    known_usd: float | None = None


_NOT_YET = Spent()


class Bill:
    """What one call spent. Several ask for it: the call's own item, and the sums of what is above it.

    Args:
        find: Finds it out, when it is first asked for; let go of after that. It must not raise.
    """

    __slots__ = ("_find", "_is_priced", "_spent", "_usd")

    def __init__(self, find: Callable[[], Spent]) -> None:
        self._find: Callable[[], Spent] | None = find
        self._spent = _NOT_YET
        self._usd: float | None = None
        self._is_priced = False

    def settle(self) -> Spent:
        """Find out, unless that has been done."""
        # Two threads at once would both find out the same.
        if (find := self._find) is not None:
            self._spent = find()
            self._find = None
        return self._spent

    @property
    def usage(self) -> Usage | None:
        """The tokens, or None when nobody knows."""
        return self.settle().usage

    @property
    def facts(self) -> Mapping[str, AttributeValue]:
        """Attributes of the call that its answer tells."""
        return self.settle().facts

    @property
    def usd(self) -> float | None:
        """The price in US dollars, or None when nobody knows."""
        if not self._is_priced:
            spent = self.settle()
            self._usd = spent.known_usd
            if self._usd is None and spent.usage is not None:
                self._usd = cost_usd(spent.provider, spent.model, spent.usage)
            self._is_priced = True
        return self._usd
