"""How many items were given up, and why: what is lost is counted, and the count is sent as a metric."""

from __future__ import annotations

import threading
from collections import Counter


class Losses:
    """Counts what is given up, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counted: Counter[str] = Counter()

    def add(self, reason: str, number: int) -> None:
        """Count items.

        Args:
            reason: Why they were given up; one of those in docs/telemetry.md.
            number: How many.
        """
        with self._lock:
            self._counted[reason] += number

    def counted(self) -> dict[str, int]:
        """Return the number of items by reason, since this process began."""
        with self._lock:
            return dict(self._counted)

    def forget(self) -> None:
        """In a forked child: what its parent has given up is its parent's to tell."""
        self._lock = threading.Lock()
        self._counted.clear()
