"""Where batches wait until they are acknowledged: on disk, bounded by size and age, outliving the process.

Every process has a folder of its own and a lock on it, which the operating system lets go of when the process ends. A
folder whose lock is free belonged to a process that is no more: whoever finds it takes over what is in it. So no two
processes ever send the same batch, and none waits for another.
"""

from __future__ import annotations

import contextlib
import math
import os
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from pf_monitor import notices
from pf_monitor.pipeline.delivery.batch import Batch, pack, parse, parts, trace_of, traces_of
from pf_monitor.pipeline.delivery.locking import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pf_monitor.pipeline.delivery.batch import Item

MOST_BYTES = 50 << 20
"""On disk, compressed, in the folders of all processes that send to the same resource."""

MOST_BYTES_IN_MEMORY = 8 << 20
"""Where nothing can be written to disk."""

LONGEST_S = 48 * 3600.0
"""How long a batch waits: what is older, nobody looks for any more."""

MOST_REMEMBERED = 10_000
"""Dropped traces that are remembered, so that what arrives of them late is dropped too."""

_ROOM = 0.95
"""How full it may be after something had to go: dropping a little more is rarer."""

_TRIES = 5
_SUFFIX = ".batch"
_LOCK_SUFFIX = ".lock"


class Spool:
    """Keeps batches of one resource, the oldest first.

    Args:
        folder: For this resource; each process makes a folder of its own in it.
        dropped: Told why, and how many items, when something had to go.
        most_bytes: How much may wait on disk.
        longest_s: How long it may wait, in seconds.
        clock: Wall clock in seconds since 1970.
    """

    def __init__(
        self,
        folder: Path,
        dropped: Callable[[str, int], None],
        *,
        most_bytes: int = MOST_BYTES,
        longest_s: float = LONGEST_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._dropped = dropped
        self._most_bytes = most_bytes
        self._longest_s = longest_s
        self._clock = clock
        self._lock = threading.RLock()
        self._own: Path | None = None
        self._owned: FileLock | None = None
        self._batches: OrderedDict[str, Batch] = OrderedDict()
        self._bytes = self._bytes_of_others = 0
        self._number = 0
        self._looked = -math.inf
        self._dropped_traces: OrderedDict[str, None] = OrderedDict()

    # What is put in, and what is taken out.

    def put(self, body: bytes) -> None:
        """Take a body as the exporter has serialised it; it is on disk when this returns.

        Args:
            body: JSON, a list of items, compressed or not.
        """
        try:
            items = parse(body)
        except ValueError as error:
            notices.say_once("spool-body", "pf_monitor drops a batch that is no telemetry: %r", error)
            self._dropped("damaged", 1)
            return
        with self._lock:
            for some in parts(self._without_dropped_traces(items)):
                if some:
                    self._add(some)
            self._make_room()

    def next(self) -> Batch | None:
        """Return the oldest batch, marked as on its way; None when there is none."""
        with self._lock:
            self._drop_old()
            for batch in self._batches.values():
                if not batch.sending:
                    batch.sending = True
                    return batch
            return None

    def keep(self, batch: Batch, items: list[Item] | None = None) -> None:
        """Take a batch back that was not acknowledged.

        Args:
            batch: The batch.
            items: What is left of it; None for all.
        """
        with self._lock:
            batch.sending = False
            if items is not None and batch.name in self._batches:
                self._rewrite(batch, items)
            self._make_room()

    def remove(self, batch: Batch) -> None:
        """Forget a batch, which was acknowledged or cannot be."""
        with self._lock:
            if self._batches.pop(batch.name, None) is None:
                return
            self._bytes -= batch.size
            if batch.path is not None:
                with contextlib.suppress(FileNotFoundError):
                    batch.path.unlink()

    def split(self, batch: Batch, items: list[Item]) -> None:
        """Put two batches in the place of one that is too large."""
        middle = len(items) // 2
        with self._lock:
            for some in (items[:middle], items[middle:]):
                self._add(some)
            self.remove(batch)

    def last(self) -> int:
        """Return a number that says which batches have been put in by now, for `holds`."""
        return self._number

    def holds(self, last: int) -> bool:
        """Return whether a batch waits that was put in before `last` was asked for."""
        with self._lock:
            return any(0 < batch.number <= last for batch in self._batches.values())

    def is_on_disk(self) -> bool:
        """Return whether nothing would be lost if the process ended now."""
        with self._lock:
            return not self._in_memory()

    def __len__(self) -> int:
        return len(self._batches)

    def close(self) -> None:
        """Let go of the folder; what waits in it is for whoever comes next."""
        with self._lock:
            own, owned, self._own, self._owned = self._own, self._owned, None, None
            if own is not None:
                with contextlib.suppress(OSError):
                    own.rmdir()  # if nothing is in it
            if owned is not None:
                owned.release()
            with contextlib.suppress(OSError):
                self._folder.rmdir()
            self._batches.clear()
            self._bytes = 0

    def forget(self) -> None:
        """In a forked child: leave all to the parent."""
        if self._owned is not None:
            self._owned.forget()

    # What a process that is no more has left.

    def adopt(self, every_s: float) -> None:
        """Take over what processes have left that are no more.

        Args:
            every_s: How long ago the last look has to be, in seconds, for there to be another.
        """
        if time.monotonic() - self._looked < every_s:
            return
        self._looked = time.monotonic()
        with self._lock, contextlib.suppress(OSError):
            others = [path for path in self._folder.iterdir() if path.is_dir() and path != self._own]
            self._bytes_of_others = 0
            for folder in others:
                if (lock := FileLock.taken(folder.with_suffix(_LOCK_SUFFIX))) is None:
                    self._bytes_of_others += sum(path.stat().st_size for path in folder.glob("*" + _SUFFIX))
                    continue
                self._take_over(folder)
                lock.release()
            self._make_room()

    def _take_over(self, folder: Path) -> None:
        for path in sorted(folder.glob("*" + _SUFFIX)):
            with contextlib.suppress(OSError, ValueError):
                moved = path.rename(self._home() / path.name)
                at = int(path.name.partition("-")[0]) / 1e9
                self._insert(Batch(path.name, at, moved.stat().st_size, path=moved))
        shutil.rmtree(folder, ignore_errors=True)
        self._batches = OrderedDict(sorted(self._batches.items()))

    # How it is stored.

    def _home(self) -> Path:
        """Return this process's own folder, made and locked.

        Raises:
            OSError: When it cannot be.
        """
        if self._own is None:
            _make_private(self._folder.parent)
            own = self._folder / f"{os.getpid()}-{secrets.token_hex(8)}"
            for left in reversed(range(_TRIES)):
                self._folder.mkdir(mode=0o700, exist_ok=True)
                try:
                    self._owned = FileLock.taken(own.with_suffix(_LOCK_SUFFIX))
                    break
                except FileNotFoundError:  # another process has just removed the folder, because it was empty
                    if not left:
                        raise
            own.mkdir(mode=0o700)
            self._own = own
        return self._own

    def _add(self, items: Sequence[Item]) -> None:
        body = pack(items)
        self._number += 1
        now = self._clock()
        name = f"{int(now * 1e9):020d}-{os.getpid()}-{self._number}{_SUFFIX}"
        batch = Batch(name, now, len(body), self._number, traces=traces_of(items))
        try:
            batch.path = self._home() / name
            _write(batch.path, body)
        except OSError as error:
            notices.say_once(
                "spool-disk",
                "pf_monitor cannot write to %s (%s): telemetry that cannot be sent at once waits in memory, and is "
                "lost when the process ends. Free space there, or set TMPDIR to a folder that can be written to.",
                self._folder,
                error.strerror or error,
            )
            batch.path, batch.body = None, body
        self._insert(batch)

    def _insert(self, batch: Batch) -> None:
        self._batches[batch.name] = batch
        self._bytes += batch.size

    def _rewrite(self, batch: Batch, items: list[Item]) -> None:
        """Replace what a batch holds, at once: either all of it or nothing of it is on disk at any moment."""
        if not items:
            self.remove(batch)
            return
        body = pack(items)
        if batch.path is not None:
            with contextlib.suppress(OSError):
                _write(batch.path, body)
        else:
            batch.body = body
        self._bytes += len(body) - batch.size
        batch.size, batch.traces = len(body), traces_of(items)

    # What has to go.

    def _make_room(self) -> None:
        self._shrink(lambda: self._bytes + self._bytes_of_others, self._most_bytes, self._batches.values)
        self._shrink(lambda: sum(batch.size for batch in self._in_memory()), MOST_BYTES_IN_MEMORY, self._in_memory)

    def _in_memory(self) -> list[Batch]:
        return [batch for batch in self._batches.values() if batch.path is None]

    def _shrink(self, size: Callable[[], int], most: int, batches: Callable[[], Iterable[Batch]]) -> None:
        """Drop the oldest traces of some batches until these are small enough; metrics go last."""
        if size() <= most:
            return
        while size() > most * _ROOM:
            if traces := self._oldest_traces(batches()):
                self._drop_traces(traces)
            elif (batch := next((batch for batch in batches() if not batch.sending), None)) is not None:
                self._drop_batch(batch, "spool_full")
            else:
                return

    def _oldest_traces(self, batches: Iterable[Batch]) -> frozenset[str]:
        """Return the traces of the oldest batch that has any, without those that are on their way just now."""
        sending = frozenset[str]().union(*(self._traces(batch) for batch in self._being_sent()))
        for batch in list(batches):
            if not batch.sending and (traces := self._traces(batch) - sending):
                return traces
        return frozenset()

    def _being_sent(self) -> list[Batch]:
        return [batch for batch in self._batches.values() if batch.sending]

    def _drop_traces(self, traces: frozenset[str]) -> None:
        for trace in traces:
            self._dropped_traces[trace] = None
        while len(self._dropped_traces) > MOST_REMEMBERED:
            self._dropped_traces.popitem(last=False)
        for batch in [batch for batch in self._batches.values() if self._traces(batch) & traces]:
            items = self._items(batch)
            kept = [item for item in items if trace_of(item) not in traces]
            self._rewrite(batch, kept)
            self._dropped("spool_full", len(items) - len(kept))

    def _drop_old(self) -> None:
        latest = self._clock() - self._longest_s
        for batch in list(self._batches.values()):
            if batch.at >= latest:
                break
            if not batch.sending:
                self._drop_batch(batch, "too_old")

    def _drop_batch(self, batch: Batch, reason: str) -> None:
        number = len(self._items(batch))
        if batch.name in self._batches:
            self.remove(batch)
            self._dropped(reason, number)

    def _without_dropped_traces(self, items: list[Item]) -> list[Item]:
        if not self._dropped_traces:
            return items
        kept = [item for item in items if trace_of(item) not in self._dropped_traces]
        if len(kept) == len(items):
            return items
        self._dropped("spool_full", len(items) - len(kept))
        return kept

    def _traces(self, batch: Batch) -> frozenset[str]:
        if batch.traces is None:
            batch.traces = traces_of(self._items(batch))
        return batch.traces

    def _items(self, batch: Batch) -> list[Item]:
        """Return the items of a batch; a file that is damaged counts as one, and is removed."""
        try:
            return parse(batch.read())
        except (OSError, ValueError, EOFError) as error:
            self.damaged(batch, error)
            return []

    def damaged(self, batch: Batch, error: Exception) -> None:
        """Remove a batch that cannot be read."""
        notices.say_once(
            "spool-damaged", "pf_monitor drops a batch of telemetry that it cannot read: %s (%r)", batch.path, error
        )
        self.remove(batch)
        self._dropped("damaged", 1)


def _make_private(folder: Path) -> None:
    """Make a folder that its owner alone can read.

    Raises:
        OSError: When there is one that belongs to somebody else, who could read what is put in.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid"):
        status = folder.lstat()
        if folder.is_symlink() or status.st_uid != os.getuid():
            raise PermissionError(13, "it belongs to somebody else", str(folder))
        if status.st_mode & 0o077:
            folder.chmod(0o700)


def _write(path: Path, body: bytes) -> None:
    """Write a file that is there as a whole or not at all."""
    unfinished = path.with_suffix(".new")
    try:
        with open(unfinished, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            file.write(body)
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
