"""Say each thing once: what is wrong and what to do about it, without filling the log of the monitored process."""

from __future__ import annotations

import logging
import threading

_logger = logging.getLogger("pf_monitor")
_MOST_NOTICES = 200
_said: set[str] = set()
_lock = threading.Lock()


def say_once(key: str, message: str, *args: object) -> None:
    """Log a warning, unless one with the same key was logged in this process.

    Args:
        key: What makes two notices the same.
        message: What is wrong and what to do, with `%s` places for the arguments.
        args: The arguments.
    """
    with _lock:
        if key in _said or len(_said) >= _MOST_NOTICES:
            return
        _said.add(key)
    _logger.warning(message, *args)


def forget() -> None:
    """Let every notice be said again; for a new configuration, and for tests."""
    with _lock:
        _said.clear()
