"""What a forked child does: it has neither its parent's threads nor a right to what its parent is about to send."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def in_forked_child(method: Callable[[], None]) -> None:
    """Call a method in each child that is forked from now on, as long as its object lives.

    Args:
        method: A bound method. Those of several objects are called in the order in which they were given.
    """
    if not hasattr(os, "register_at_fork"):  # Windows, where nothing forks
        return
    reborn = weakref.WeakMethod(method)

    def call() -> None:
        if (alive := reborn()) is not None:
            alive()

    os.register_at_fork(after_in_child=call)
