"""Let the flow's threads have the interpreter in between: who wants it else waits for it five milliseconds.

Python takes the interpreter from a thread that computes only after that time (`sys.getswitchinterval`), and each time
that a thread of the flow wakes up it would pay for what the monitor is computing.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")

HELD_S = 0.0005
"""How long the interpreter is held at a stretch, in seconds."""

BREATH_S = 0.00005
"""How long it is let go of, in seconds: long enough for a thread to wake up. The system makes twice of it."""


class _Thread(threading.local):
    taken = 0.0


_thread = _Thread()


def breathe() -> None:
    """Let go of the interpreter for a moment, if this thread has held it for a while."""
    if time.perf_counter() - _thread.taken > HELD_S:
        time.sleep(BREATH_S)
        _thread.taken = time.perf_counter()


def in_breaths(things: Iterable[T]) -> Iterator[T]:
    """Yield things one by one, with a breath now and then after one of them."""
    for thing in things:
        yield thing
        breathe()


class Breathed(list[T]):
    """A list that whoever goes through it does so in breaths."""

    def __iter__(self) -> Iterator[T]:
        return in_breaths(super().__iter__())
