"""Room for what is left to read of answers, away from the caller's path: bounded, and given back when it is dropped."""

from __future__ import annotations

import threading
from collections import deque
from typing import Final

from pf_monitor.forking import in_forked_child

_MOST_WAITING: Final = 32_000_000
"""Bytes of answers that may wait to be read, in this process."""


class _Room:
    """How many bytes wait."""

    def __init__(self) -> None:
        self._begin()
        in_forked_child(self._begin)  # the lock may have been held while the process was forked

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._waiting = 0
        self._let_go: deque[int] = deque()
        """What no longer waits. The garbage collector may say so at any time, even while the lock is held."""

    def take(self, size: int) -> bool:
        with self._lock:
            while self._let_go:
                self._waiting -= self._let_go.popleft()
            if self._waiting + size > _MOST_WAITING:
                return False
            self._waiting += size
            return True

    def leave(self, size: int) -> None:
        self._let_go.append(size)


_room = _Room()


class Held:
    """Something that waits to be read, if ever: steps that are shed or not sampled are dropped with what they hold."""

    __slots__ = ("_held",)

    def hold(self, size: int) -> bool:
        """Take room, until nobody refers to this any more.

        Args:
            size: Bytes.

        Returns:
            Whether there was so much; otherwise it has to be read at once.
        """
        if _room.take(size):
            self._held = size
            return True
        return False

    def __del__(self) -> None:
        if held := getattr(self, "_held", 0):  # most often it is there: only what never held anything has none
            _room.leave(held)
