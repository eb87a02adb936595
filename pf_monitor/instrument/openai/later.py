"""What is left to read of answers, away from the caller's path: bounded, and let go of with the step that it is for."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

from pf_monitor.forking import in_forked_child

if TYPE_CHECKING:
    from collections.abc import Callable

    from pf_monitor.model.step import Step

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


class Later:
    """Reads an answer when it is called, if ever: steps that are shed or not sampled are dropped with what they hold.

    Args:
        read: What reads it.
        size: How many bytes wait for that.
    """

    __slots__ = ("_read", "_size")

    def __init__(self, read: Callable[[Step], None], size: int) -> None:
        self._read = read
        self._size = size

    def __call__(self, step: Step) -> None:
        """Read the answer into its step."""
        self._read(step)

    def __del__(self) -> None:
        _room.leave(self._size)


def later(read: Callable[[Step], None], size: int) -> Later | None:
    """Return what reads an answer later; None where too much waits already.

    Args:
        read: What reads it.
        size: How many bytes wait for that.
    """
    return Later(read, size) if _room.take(size) else None
