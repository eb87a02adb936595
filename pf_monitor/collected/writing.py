"""Writes collected records in the background: batched, bounded, and tried again while their place is away.

What has been written is on the disk, or has been confirmed by Azure. A process that is killed loses what it had not
written yet: at most what came within `DELAY_S`, or while the place was away.
"""

from __future__ import annotations

import threading
from typing import Final
from uuid import uuid4

from pf_monitor import notices
from pf_monitor.collected.places import Place, place
from pf_monitor.forking import in_forked_child

DELAY_S: Final = 5.0
"""How long a record waits for company at most, in seconds."""

MOST_BYTES: Final = 32_000_000
"""What waits or is being written at a time; what comes on top of that is dropped."""

_AT_ONCE: Final = 1_000_000
"""Bytes that need not wait for more."""

_LONGEST_PAUSE_S: Final = 60.0


class Collector:
    """Takes records from any thread and writes them from its own.

    Args:
        address: A folder, or the URL of a folder in a blob container; see `places.place`.
        delay_s: How long a record waits for company at most, in seconds.

    Attributes:
        instance: What this process's files are called: nobody else writes to them.
        dropped: Records for which there was no room.
    """

    def __init__(self, address: str, delay_s: float = DELAY_S) -> None:
        self._address = address
        self._delay_s = delay_s
        self._stopping = False
        self._changed: threading.Condition
        self._begin()
        # A forked child has neither the thread nor a right to what its parent is about to write.
        in_forked_child(self._after_fork)

    def put(self, path: str, line: bytes) -> bool:
        """Take a record; it is dropped and counted when too much is waiting.

        Returns:
            Whether it was taken.
        """
        with self._changed:
            if self._size + len(line) > MOST_BYTES:
                self.dropped += 1
                notices.say_once(
                    "collected-full",
                    "pf_monitor drops collected data: more of it comes than can be written to its place. The flow is "
                    "not held up.",
                )
                return False
            self._waiting.setdefault(path, []).append(line)
            self._size += len(line)
            if self._size >= _AT_ONCE:
                self._changed.notify_all()
        return True

    def flush(self, timeout: float) -> bool:
        """Write what is waiting.

        Args:
            timeout: How long to wait for it at most, in seconds.

        Returns:
            Whether all of it was written in time.
        """
        with self._changed:
            self._asked += 1
            mine = self._asked
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._answered >= mine, timeout)
            return not self._size

    def stop(self, timeout: float) -> None:
        """Write what is left, and end the thread.

        Args:
            timeout: How long to wait for it at most, in seconds.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout)
        if self._size:
            notices.say_once(
                "collected-lost",
                "pf_monitor could not write all collected data to its place before the process ended: %d bytes are "
                "lost.",
                self._size,
            )

    def _begin(self) -> None:
        self.instance = uuid4().hex
        self.dropped = 0
        self._place: Place | None = None
        self._waiting: dict[str, list[bytes]] = {}
        self._size = 0
        self._asked = self._answered = 0
        self._is_away = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="pf_monitor_collected", daemon=True)
        self._thread.start()

    def _after_fork(self) -> None:
        if not self._stopping:
            self._begin()

    def _run(self) -> None:
        pause = self._delay_s
        is_last = False
        while not is_last:
            with self._changed:
                self._changed.wait_for(self._is_due, pause)
                is_last, asked = self._stopping, self._asked
                batch, self._waiting = self._waiting, {}
            unwritten = self._write(batch)
            with self._changed:
                self._is_away = bool(unwritten)
                for path, lines in self._waiting.items():
                    unwritten.setdefault(path, []).extend(lines)
                self._waiting = unwritten
                self._size = sum(len(line) for lines in unwritten.values() for line in lines)
                self._answered = asked
                self._changed.notify_all()
            pause = min(_LONGEST_PAUSE_S, pause * 2) if self._is_away else self._delay_s
        if self._place is not None:
            self._place.close()

    def _is_due(self) -> bool:
        return self._stopping or self._asked > self._answered or (self._size >= _AT_ONCE and not self._is_away)

    def _write(self, batch: dict[str, list[bytes]]) -> dict[str, list[bytes]]:
        """Write a batch and return what could not be written."""
        unwritten = {}
        for path, lines in batch.items():
            try:
                if self._place is None:
                    self._place = place(self._address)
                self._place.append(path, b"".join(lines))
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not end the thread
                unwritten[path] = lines
                notices.say_once(
                    "collected-away",
                    "pf_monitor cannot write collected data: %s. It is kept in memory and tried again until %d bytes "
                    "are waiting.",
                    error,
                    MOST_BYTES,
                )
        return unwritten
