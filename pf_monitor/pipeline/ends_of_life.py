"""See that nothing is lost when the process ends: normally, as a child of multiprocessing, or by SIGTERM."""

from __future__ import annotations

import atexit
import contextlib
import signal
import threading
from multiprocessing import util as multiprocessing_util
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

LONGEST_S = 5.0
"""How long a stop may take, in seconds: platforms kill ten seconds or more after SIGTERM."""

_ENDS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)
"""The signals by which people, platforms and servers ask a process to end."""

_ending = threading.Event()
_by_signal: threading.Thread | None = None
"""What stops the monitor because of a SIGTERM, once one has come."""

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
        try:
            _end(stop)
        except (KeyboardInterrupt, SystemExit):  # by a signal's handler, in the moment before none of them is heard
            _end(stop)

    atexit.register(end)
    # Children of multiprocessing leave by os._exit, past atexit, but not past this. A forked child forgets what its
    # parent had registered, and registers again.
    _kept.append(end)
    _at_end_of_child(end)
    multiprocessing_util.register_after_fork(end, _at_end_of_child)
    stop_on_sigterm(stop)


def _end(stop: Callable[[], None]) -> None:
    _ending.set()
    with _signals_unheard():
        if _by_signal is not None and _by_signal.is_alive():  # it may not have been possible to start it
            _by_signal.join(LONGEST_S)
        stop()


@contextlib.contextmanager
def _signals_unheard() -> Iterator[None]:
    """Let nobody's signal handler raise into the end of the process, which is short and what the signal asks for.

    A master passes on to its workers what the whole group has got already, so that each gets it twice, and handlers
    raise: promptflow's KeyboardInterrupt (a DAG flow's scheduler leaves it in place), gunicorn's SystemExit.
    """
    replaced = {}
    with contextlib.suppress(ValueError):  # in another thread, or a sub-interpreter, no handler is called
        for number in _ENDS:
            if callable(handler := signal.getsignal(number)):
                signal.signal(number, _go_on)
                replaced[number] = handler
    try:
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)


def _go_on(_: int, __: FrameType | None) -> None:
    """Handle a signal by doing nothing: the system would end the process where it is to ignore none."""


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
        global _by_signal  # noqa: PLW0603 - one end of the process
        if _ending.is_set() or _by_signal is not None:
            return  # it is what this has interrupted, and goes on
        # On a thread of its own: the main one may hold a lock at this moment that stopping needs.
        _by_signal = threading.Thread(target=stop, name="pf_monitor stop", daemon=True)
        _by_signal.start()
        _by_signal.join(LONGEST_S)
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)

    with contextlib.suppress(ValueError):  # no signals in a sub-interpreter
        signal.signal(signal.SIGTERM, handle)
