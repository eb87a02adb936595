"""Where collected data lies: a folder here, a container of Azure Blob Storage there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

_HOUR: Final = re.compile(r"/(\d{4})/(\d{2})/(\d{2})/(\d{2})/[^/]+$")
_CHUNK: Final = 1 << 20
_SUFFIXES: Final = (".jsonl", ".json")
_SCHEMES: Final = ("https", "http", "wasbs", "wasb", "abfss", "abfs")
_SLACK: Final = timedelta(hours=1)
"""A record is filed under the hour in which it was written, and a request may take its time."""

Span = tuple[datetime, datetime]


class PlaceError(Exception):
    """A place cannot be read or written; the message says what to do."""


class Place(Protocol):
    """Files below one address."""

    @property
    def name(self) -> str:
        """What people call it; without secrets."""

    def files(self) -> Iterable[str]:
        """Return the paths of all data files.

        Raises:
            PlaceError: They cannot be listed.
        """

    def read(self, path: str) -> Iterator[bytes]:
        """Yield a file in pieces.

        Raises:
            PlaceError: It cannot be read.
        """

    def append(self, path: str, data: bytes) -> None:
        """Add to the end of a file, which is made if need be; when this returns, the data is kept for good.

        Raises:
            PlaceError: It cannot be written.
        """

    def close(self) -> None:
        """Let go of connections."""


class Folder:
    """A folder of files, or a single file.

    Args:
        path: The folder; it need not be there before something is written.
    """

    def __init__(self, path: Path) -> None:
        self._root = path
        self.name = str(path)

    def files(self) -> list[str]:
        """Return the paths of all data files; see `Place`."""
        if self._root.is_file():
            return [""]
        if not self._root.is_dir():
            raise PlaceError(f"There is no folder {self._root}. Name the folder that the data was collected in.")
        found = [
            path.relative_to(self._root).as_posix()
            for suffix in _SUFFIXES
            for path in self._root.rglob(f"*{suffix}")
            if path.is_file()
        ]
        return sorted(found)

    def read(self, path: str) -> Iterator[bytes]:
        """Yield a file in pieces; see `Place`."""
        try:
            with (self._root / path if path else self._root).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise PlaceError(f"{self._root / path} cannot be read: {error.strerror}.") from error

    def append(self, path: str, data: bytes) -> None:
        """Add to the end of a file, and wait until it is on the disk; see `Place`."""
        target = self._root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
            size = os.fstat(file).st_size
            try:
                while data:
                    data = data[os.write(file, data) :]
                os.fsync(file)
            except OSError:  # it will be tried again: no half of it shall stay
                os.ftruncate(file, size)
                raise
            finally:
                os.close(file)
        except OSError as error:
            raise PlaceError(f"{target} cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """Nothing is held open."""


def place(address: str, base: Path | None = None) -> Place:
    """Return the place of an address.

    Args:
        address: A path, or the URL of a container or of a folder in one: `https://ACCOUNT.blob.core.windows.net/...`,
            `wasbs://` or `abfss://`.
        base: The folder that paths start from; None means the current one.

    Raises:
        PlaceError: The address says nothing, or a package is missing for it.
    """
    parts = urlsplit(address)
    if parts.scheme in _SCHEMES:
        from pf_monitor.collected.blobs import Blobs

        return Blobs.at(address)
    if "://" in address and parts.scheme != "file":
        known = ", ".join(f"{scheme}://" for scheme in _SCHEMES)
        raise PlaceError(f"{parts.scheme}:// is no place of collected data: write a folder, or a URL with {known}")
    return Folder((base or Path()) / (parts.path if parts.scheme == "file" else address))


def within(paths: Iterable[str], window: Span) -> list[str]:
    """Return the paths that may hold records of a window: those of its hours, and those that name none."""
    since, until = window
    kept = []
    for path in paths:
        hour = _HOUR.search(f"/{path}")
        if hour is not None:
            year, month, day, hours = map(int, hour.groups())
            try:
                begin = datetime(year, month, day, hours, tzinfo=UTC)
            except ValueError:
                continue
            if begin + _SLACK + timedelta(hours=1) <= since or begin - _SLACK >= until:
                continue
        kept.append(path)
    return kept
