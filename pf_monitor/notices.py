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
    if args:
        message, args = "%s", (_scrubbed(message, args),)
    _logger.warning(message, *args)


def _scrubbed(message: str, args: tuple[object, ...]) -> str:
    """Return a message without secrets: what is told may quote an exception, and that an argument."""
    try:
        from pf_monitor.redaction.scrubber import default_scrubber

        return default_scrubber().scrub(message % args)[0]
    except Exception:  # noqa: BLE001 - the place of what cannot be examined stays empty
        return message % tuple(0 if isinstance(arg, int | float) else "…" for arg in args)


def forget() -> None:
    """Let every notice be said again; for a new configuration, and for tests."""
    with _lock:
        _said.clear()
