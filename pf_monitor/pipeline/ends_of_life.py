"""See that nothing is lost when the process ends: normally, as a child of multiprocessing, or by SIGTERM."""

from __future__ import annotations

import atexit
import contextlib
import signal
import threading
from multiprocessing import util as multiprocessing_util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

LONGEST_S = 5.0
"""How long a stop may take, in seconds: platforms kill ten seconds or more after SIGTERM."""

_ending = threading.Event()
_kept: list[Callable[[], None]] = []
"""What multiprocessing knows by a weak reference only: from Python 3.13 on a forked child forgets what atexit holds."""


def watch(stop: Callable[[], None]) -> None:
    """Call a function when this process ends, and in forked children when those end.

    Args:
        stop: Sends what is pending, in bounded time; may be called more than once.
    """
    if _kept:  # once a process
        return

    def end() -> None:
        _ending.set()
        stop()

    atexit.register(end)
    # Children of multiprocessing leave by os._exit, past atexit, but not past this. A forked child forgets what its
    # parent had registered, and registers again.
    _kept.append(end)
    _at_end_of_child(end)
    multiprocessing_util.register_after_fork(end, _at_end_of_child)
    stop_on_sigterm(stop)


def _at_end_of_child(end: Callable[[], None]) -> None:
    multiprocessing_util.Finalize(None, end, exitpriority=100)


def stop_on_sigterm(stop: Callable[[], None]) -> None:
    """Call a function before SIGTERM ends the process, where nobody else handles that signal.

    Does nothing outside the main thread: Python allows no handler to be set there.

    Args:
        stop: Sends what is pending, in bounded time.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return

    def handle(number: int, _: FrameType | None) -> None:
        if _ending.is_set():
            return  # it is what this has interrupted, and goes on
        # On a thread of its own: the main one may hold a lock at this moment that stopping needs.
        stopping = threading.Thread(target=stop, name="pf_monitor stop", daemon=True)
        stopping.start()
        stopping.join(LONGEST_S)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    with contextlib.suppress(ValueError):  # no signals in a sub-interpreter
        signal.signal(signal.SIGTERM, handle)
