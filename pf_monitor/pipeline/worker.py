"""A bounded queue and the thread that empties it, so that the monitored flow never waits for the monitor."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

from pf_monitor import notices
from pf_monitor.forking import in_forked_child

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

QUEUE_LENGTH = 4_096
BATCH_LENGTH = 128
DELAY_S = 0.5
"""How long a finished step waits for company at most, in seconds: it shall be on disk within one."""

REST = 1.0
"""How long the thread rests after a batch, in times of what that has taken, unless it is told to rest longer: the flow
needs the interpreter too."""

OVERLOAD = QUEUE_LENGTH // 2
"""How much may wait before some of it is shed."""

_LOOK_S = 0.02
"""How often a resting thread looks whether there is too much, in seconds."""

_LAST_BATCH_S = 0.5
"""How long a thread that was told to end is waited for beyond the time it was given, in seconds. Python ends a thread
that still runs when the process does wherever it is; within a library in C++, such as google-re2, that ends the process
too, with an abort in the place of its own exit status."""

_URGENT_LENGTH = 2 * QUEUE_LENGTH
"""Room for what is urgent: what was taken out to be thinned comes back beside all that has come meanwhile."""


class Worker(Generic[T]):
    """Hands what is put in over to a function, in batches, on a thread of its own.

    Args:
        deliver: Takes a batch; runs on the worker's thread, or on that of a caller of `flush`.
        delay_s: How long something waits for company at most, in seconds.
        thin: Takes all that waits when that is too much, and returns what is still to be delivered; likewise.
        look: Told now and then how much waits, as a share of what is too much, and after how many seconds; returns how
            long to rest, in times of what delivering has taken; likewise.
    """

    def __init__(
        self,
        deliver: Callable[[list[T]], None],
        delay_s: float = DELAY_S,
        thin: Callable[[list[T]], list[T]] | None = None,
        look: Callable[[float, float], float] | None = None,
    ) -> None:
        self._deliver = deliver
        self._thin = thin
        self._look = look
        self._looked = time.monotonic()
        self._rest_ratio = REST
        self._delay_s = delay_s
        self._queue: deque[T] = deque()
        self._stopping = threading.Event()
        self._is_late = False
        """Whether the time for stopping is over, and what is left is given up."""
        self.dropped = 0
        self._begin()
        # A forked child has neither the thread nor a right to what its parent is about to send.
        in_forked_child(self._after_fork)

    def put(self, thing: T, urgent: bool = False) -> bool:
        """Take something to be delivered; when the queue is full, it is dropped and counted.

        Args:
            thing: What is to be delivered.
            urgent: Whether there is room for it where there is none for the others.

        Returns:
            Whether it was taken.
        """
        waiting = len(self._queue)
        if waiting >= QUEUE_LENGTH and (not urgent or waiting >= _URGENT_LENGTH):
            self.dropped += 1
            notices.say_once(
                "queue-full",
                "pf_monitor drops telemetry: more of it comes than can be sent. The flow is not held up. "
                "Metrics stay exact.",
            )
            return False
        self._queue.append(thing)
        if waiting + 1 >= BATCH_LENGTH and not self._wake.is_set():
            self._wake.set()
        return True

    def flush(self, timeout: float) -> bool:
        """Deliver all that is in the queue now.

        Args:
            timeout: How long to wait at most, in seconds.

        Returns:
            Whether all of it was handed over in time.
        """
        deadline = time.monotonic() + timeout
        if not self._delivering.acquire(timeout=timeout):
            return False
        try:
            while self._queue and time.monotonic() < deadline:
                self._deliver_batch()
        finally:
            self._delivering.release()
        return not self._queue

    def stop(self, timeout: float) -> None:
        """Deliver what is left, as far as there is time, and end the thread; a batch that it has begun it ends."""
        self._stopping.set()
        self._wake.set()
        deadline = time.monotonic() + timeout
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._is_late = True
            self._thread.join(_LAST_BATCH_S)
        if self._queue:
            self.flush(max(0.0, deadline - time.monotonic()))

    def _begin(self) -> None:
        self._wake = threading.Event()
        self._delivering = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="pf_monitor", daemon=True)
        self._thread.start()

    def _after_fork(self) -> None:
        self._queue.clear()
        self.dropped = 0
        if not self._stopping.is_set():
            self._stopping = threading.Event()  # its lock may have been held while the process was forked
            self._begin()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._delay_s)
            self._wake.clear()
            with self._delivering:
                self._ease()  # also where nothing waits: it may be that nothing is let in
            while self._queue and not self._stopping.is_set():
                begun = time.perf_counter()
                with self._delivering:
                    self._deliver_batch()
                self._rest((time.perf_counter() - begun) * self._rest_ratio)
        with self._delivering:
            while self._queue and not self._is_late:
                self._deliver_batch()

    def _rest(self, left_s: float) -> None:
        """Leave the interpreter to the flow for a while, but for shedding what is too much meanwhile."""
        while left_s > 0 and not self._stopping.wait(min(left_s, _LOOK_S)):
            left_s -= _LOOK_S
            with self._delivering:
                self._ease()

    def _deliver_batch(self) -> None:
        self._ease()
        batch: list[T] = []
        while self._queue and len(batch) < BATCH_LENGTH:
            batch.append(self._queue.popleft())
        try:
            self._deliver(batch)
        except Exception as error:  # noqa: BLE001 - one bad batch must not end the thread
            notices.say_once("deliver", "pf_monitor could not send a batch: %r", error)

    def _ease(self) -> None:
        if self._look is not None:
            now = time.monotonic()
            self._rest_ratio = self._look(len(self._queue) / OVERLOAD, now - self._looked)
            self._looked = now
        if self._thin is None or len(self._queue) <= OVERLOAD:
            return
        waiting = [self._queue.popleft() for _ in range(len(self._queue))]
        try:
            waiting = self._thin(waiting)
        except Exception as error:  # noqa: BLE001 - likewise
            notices.say_once("deliver", "pf_monitor could not send a batch: %r", error)
        self._queue.extendleft(reversed(waiting))
