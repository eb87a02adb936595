"""How many items were given up, and why: what is lost is counted, and the count is sent as a metric."""

from __future__ import annotations

import threading
from collections import Counter
from enum import Enum


class Reason(Enum):
    """Why something is given up."""

    OVERLOAD = "overload"
    """More comes than can be prepared."""
    UNSENDABLE = "unsendable"
    """The exporter cannot make anything of it."""
    SPOOL_FULL = "spool_full"
    """The endpoint was away for so long that the spool is full."""
    TOO_OLD = "too_old"
    """The endpoint was away for longer than anybody waits."""
    REFUSED = "refused"
    """The endpoint refuses it for good."""
    UNCLEAR = "unclear"
    """The endpoint's answers do not say whether it has arrived; it may have, once for each answer."""
    DAMAGED = "damaged"
    """What was stored cannot be read; how many items it held is not known, so it counts as one."""


class Losses:
    """Counts what is given up, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()

    def add(self, reason: Reason, number: int) -> None:
        """Count items.

        Args:
            reason: Why they were given up.
            number: How many.
        """
        with self._lock:
            self._counted[reason.value] += number

    def counted(self) -> dict[str, int]:
        """Return the number of items by reason, since this process began."""
        with self._lock:
            return dict(self._counted)

    def forget(self) -> None:
        """In a forked child: what its parent has given up is its parent's to tell."""
        self._lock = threading.Lock()
        self._counted.clear()
