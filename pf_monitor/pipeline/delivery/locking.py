"""A lock that the operating system lets go of when its process ends, however that happens."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class FileLock:
    """A lock on a file, which is held until it is released or the process ends.

    A forked child shares it with its parent, until it calls `forget`.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def taken(cls, path: Path) -> FileLock | None:
        """Take the lock, or return None when another holds it.

        Raises:
            OSError: When the file can be neither opened nor made.
        """
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _take(descriptor)
        except OSError:
            os.close(descriptor)
            return None
        return cls(path, descriptor)

    def release(self) -> None:
        """Let go, and remove the file."""
        if sys.platform == "win32":  # where an open file cannot be removed
            self.forget()
        with contextlib.suppress(OSError):
            self._path.unlink()
        if sys.platform != "win32":
            self.forget()

    def forget(self) -> None:
        """Close the file without letting go for the others that share the lock."""
        with contextlib.suppress(OSError):
            os.close(self._descriptor)
