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
import threading
import time
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from pf_monitor import notices
from pf_monitor.pipeline.delivery.batch import MOST_BYTES as MOST_BYTES_A_BATCH
from pf_monitor.pipeline.delivery.batch import Batch, Shipment, joined, pack, parse, texts, trace_of, traces_of, unpack
from pf_monitor.pipeline.delivery.locking import FileLock
from pf_monitor.pipeline.delivery.place import BATCH_SUFFIX
from pf_monitor.pipeline.losses import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pf_monitor.pipeline.delivery.batch import Item, Text

MOST_BYTES = 50 << 20
"""On disk, compressed, in the folders of all processes that send to the same resource."""

MOST_BYTES_IN_MEMORY = 8 << 20
"""Where nothing can be written to disk."""

LONGEST_S = 48 * 3600.0
"""How long a batch waits: what is older, nobody looks for any more."""

MOST_REMEMBERED = 10_000
"""Dropped traces that are remembered, so that what comes of them late is dropped too."""

_TRIES = 5
_UNFINISHED_SUFFIX = ".new"
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
        dropped: Callable[[Reason, int], None],
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
        self._growing: Batch | None = None
        self._shipped: Shipment | None = None
        self._bytes_of_others = 0
        self._number = 0
        self._looked = -math.inf
        self._dropped_traces: OrderedDict[str, None] = OrderedDict()

    # What is put in, and what is taken out.

    def put(self, text: bytes) -> None:
        """Take what the exporter has serialised; it is on disk when this returns.

        Args:
            text: A JSON list of items.
        """
        try:
            items = parse(text)
        except ValueError as error:
            notices.say_once("spool-body", "pf_monitor drops a batch that is no telemetry: %r", error)
            self._dropped(Reason.DAMAGED, 1)
            return
        self.take(items)

    def take(self, items: list[Item]) -> None:
        """Take items, of plain JSON values; they are on disk when this returns."""
        self.write(self.texts(items))

    def texts(self, items: list[Item]) -> list[Text]:
        """Return items as `write` takes them; they need not all be at hand at a time."""
        with self._lock:
            items = self._without_dropped_traces(items)
        return list(texts(items)) if items else []

    def write(self, some: Iterable[Text]) -> None:
        """Take items as texts; they are on disk when this returns."""
        with self._lock:
            for text in joined(some):
                self._append(text)
            self._make_room()

    def next(self) -> Shipment | None:
        """Return the oldest batch, which is on its way from now on, until it is removed, kept or split."""
        with self._lock:
            self._drop_old()
            for batch in list(self._batches.values()):
                if (shipment := self._shipment(batch)) is not None:
                    self._shipped = shipment
                    if self._growing is batch:
                        self._growing = None
                    return shipment
            return None

    def keep(self, batch: Batch, items: list[Item] | None = None) -> None:
        """Take a batch back that was not acknowledged.

        Args:
            batch: The batch.
            items: What is left of it; None for all.
        """
        with self._lock:
            self._shipped = None
            if items is not None:
                self._rewrite(batch, items)
            self._make_room()

    def remove(self, batch: Batch) -> None:
        """Forget a batch, which was acknowledged or cannot be."""
        with self._lock:
            if self._shipped is not None and self._shipped.batch is batch:
                self._shipped = None
            if self._growing is batch:
                self._growing = None
            self._batches.pop(batch.name, None)
            if batch.path is not None:
                with contextlib.suppress(OSError):
                    batch.path.unlink()

    def split(self, batch: Batch, items: list[Item]) -> None:
        """Put two batches in the place of one that is too large."""
        middle = len(items) // 2
        with self._lock:
            for some in (items[:middle], items[middle:]):
                self._growing = None
                self._append_items(some)
            self._growing = None
            self.remove(batch)

    def last(self) -> int:
        """Return a number that says what has been put in by now, for `holds`."""
        return self._number

    def holds(self, last: int) -> bool:
        """Return whether something waits that was put in before `last` was asked for."""
        with self._lock:
            return any(0 < batch.number <= last for batch in self._batches.values())

    def is_on_disk(self) -> bool:
        """Return whether nothing would be lost if the process ended now."""
        with self._lock:
            return all(batch.path is not None for batch in self._batches.values())

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
            self._growing = None

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
                    self._bytes_of_others += sum(path.stat().st_size for path in folder.glob("*" + BATCH_SUFFIX))
                    continue
                self._take_over(folder)
                lock.release()
            self._make_room()

    def _take_over(self, folder: Path) -> None:
        for path in folder.glob("*" + BATCH_SUFFIX):
            with contextlib.suppress(OSError, ValueError):
                at = int(path.name.partition("-")[0]) / 1e9
                moved = path.rename(self._home() / path.name)
                self._batches[path.name] = Batch(path.name, at, path=moved, size=moved.stat().st_size)
        for path in folder.glob("*" + _UNFINISHED_SUFFIX):
            with contextlib.suppress(OSError):
                path.unlink()
        with contextlib.suppress(OSError):
            folder.rmdir()
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

    def _append_items(self, items: Sequence[Item]) -> None:
        for text in texts(items) if items else ():
            self._append(text)

    def _append(self, text: Text) -> None:
        portion = pack(text.text)
        self._number += 1
        batch = self._with_room(len(text.text))
        if batch.path is not None:
            try:
                _extend(batch.path, portion, batch.size)
            except OSError as error:
                _say_in_memory(self._folder, error)
                if not batch.size:
                    self.remove(batch)
                batch = self._begin_batch(None)
        if batch.path is None:
            batch.body += portion
        batch.size += len(portion)
        batch.plain_size += len(text.text)
        batch.portions += 1
        batch.number_of_items += text.number

    def _with_room(self, plain_size: int) -> Batch:
        """Return the batch that takes more, or a new one."""
        growing = self._growing
        if growing is not None and growing.plain_size + plain_size <= MOST_BYTES_A_BATCH:
            return growing
        try:
            return self._begin_batch(self._home())
        except OSError as error:
            _say_in_memory(self._folder, error)
            return self._begin_batch(None)

    def _begin_batch(self, folder: Path | None) -> Batch:
        now = self._clock()
        name = f"{int(now * 1e9):020d}-{os.getpid()}-{self._number}{BATCH_SUFFIX}"
        batch = Batch(name, now, self._number, folder / name if folder is not None else None)
        self._batches[name] = self._growing = batch
        return batch

    def _shipment(self, batch: Batch) -> Shipment | None:
        """Return what of a batch is to be sent; where that is nothing, the batch is removed."""
        try:
            body = batch.read()
            if batch.portions == 1 and not self._dropped_traces:
                return Shipment(batch, body, batch.number_of_items)
            stored, is_one_portion = unpack(body)
        except (OSError, ValueError) as error:
            notices.say_once(
                "spool-damaged", "pf_monitor drops a batch of telemetry that it cannot read: %s (%r)", batch.path, error
            )
            self.remove(batch)
            self._dropped(Reason.DAMAGED, 1)
            return None
        items = self._without_dropped_traces(stored)
        if len(items) < len(stored):
            self._rewrite(batch, items)
        if not items:
            self.remove(batch)
            return None
        if not is_one_portion or len(items) < len(stored):
            body = pack(orjson.dumps(items))
        return Shipment(batch, body, len(items))

    def _rewrite(self, batch: Batch, items: list[Item]) -> None:
        """Replace what a batch holds, at once: either all of it or nothing of it is on disk at any moment."""
        if not items:
            self.remove(batch)
            return
        body = pack(orjson.dumps(items))
        if batch.path is None:
            batch.body = body
        else:
            with contextlib.suppress(OSError):  # then all of it is sent again
                _replace(batch.path, body)
        batch.size, batch.portions, batch.number_of_items = len(body), 1, len(items)

    # What has to go.

    def _make_room(self) -> None:
        """Drop the oldest whole traces until the rest fits."""
        while self._bytes(on_disk=True) + self._bytes_of_others > self._most_bytes and self._drop_oldest(on_disk=True):
            pass
        while self._bytes(on_disk=False) > MOST_BYTES_IN_MEMORY and self._drop_oldest(on_disk=False):
            pass

    def _bytes(self, on_disk: bool) -> int:
        return sum(batch.size for batch in self._batches.values() if (batch.path is not None) is on_disk)

    def _drop_oldest(self, on_disk: bool) -> bool:
        """Drop the traces of the oldest batch, but for those that are on their way; metrics go last.

        Returns:
            Whether there was something to drop.
        """
        shipped = self._shipped
        untouchable = traces_of(shipped.items()) if shipped is not None else frozenset()
        for batch in list(self._batches.values()):
            if (batch.path is not None) is not on_disk or (shipped is not None and batch is shipped.batch):
                continue
            if (shipment := self._shipment(batch)) is None:
                return True
            items = shipment.items()
            if gone := traces_of(items) - untouchable:
                kept = [item for item in items if trace_of(item) not in gone]
            elif traces_of(items):
                continue
            else:
                kept = []
            self._remember_dropped(gone)
            if self._growing is batch:
                self._growing = None
            self._append_items(kept)
            self.remove(batch)
            self._dropped(Reason.SPOOL_FULL, len(items) - len(kept))
            return True
        return False

    def _remember_dropped(self, traces: frozenset[str]) -> None:
        self._dropped_traces.update(dict.fromkeys(traces))
        while len(self._dropped_traces) > MOST_REMEMBERED:
            self._dropped_traces.popitem(last=False)

    def _without_dropped_traces(self, items: list[Item]) -> list[Item]:
        if not self._dropped_traces:
            return items
        kept = [item for item in items if trace_of(item) not in self._dropped_traces]
        if len(kept) < len(items):
            self._dropped(Reason.SPOOL_FULL, len(items) - len(kept))
        return kept

    def _drop_old(self) -> None:
        latest = self._clock() - self._longest_s
        for batch in list(self._batches.values()):
            if batch.at >= latest:
                break
            if (shipment := self._shipment(batch)) is not None:
                self.remove(batch)
                self._dropped(Reason.TOO_OLD, shipment.number)


def _say_in_memory(folder: Path, error: OSError) -> None:
    notices.say_once(
        "spool-disk",
        "pf_monitor cannot write to %s (%s): telemetry that cannot be sent at once waits in memory, and is lost when "
        "the process ends. Free space there, or set TMPDIR to a folder that can be written to.",
        folder,
        error.strerror or error,
    )


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


def _private(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def _extend(path: Path, portion: bytes, size: int) -> None:
    """Put a portion at the end of a file; when that fails, the file is as before.

    Args:
        path: The file; made if it is not there.
        portion: What to put at its end.
        size: How long the file is.

    Raises:
        OSError: When that fails.
    """
    try:
        with open(path, "ab", opener=_private) as file:
            file.write(portion)
    except OSError:
        with contextlib.suppress(OSError):
            os.truncate(path, size)
        raise


def _replace(path: Path, body: bytes) -> None:
    """Replace a file, at once.

    Raises:
        OSError: When that fails; the file is as before.
    """
    unfinished = path.with_suffix(_UNFINISHED_SUFFIX)
    try:
        with open(unfinished, "wb", opener=_private) as file:
            file.write(body)
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
