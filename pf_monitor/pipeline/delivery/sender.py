"""The thread that sends what waits in the spool, and goes on trying when the service does not take it."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pf_monitor import notices
from pf_monitor.pipeline.delivery.answers import Answer, Verdict, understand
from pf_monitor.pipeline.delivery.connection import Connection, NoAnswerError
from pf_monitor.pipeline.losses import Reason
from pf_monitor.pipeline.quiet import quiet

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pf_monitor.pipeline.delivery.batch import Shipment
    from pf_monitor.pipeline.delivery.spool import Spool

MOST_UNCLEAR = 3
"""How often a batch is sent whose answers say neither yes nor no: each time it may arrive once more."""

_MOST_REDIRECTS = 5
_LAST_TRIES_S = (0.1, 0.3)
"""At the end of a process, what is not taken at once is tried again after these."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the sender waits for what, in seconds.

    Attributes:
        connect_s: For a connection.
        answer_s: For a request as a whole.
        first_s: After the first failure; doubled with each further one.
        longest_s: After any number of failures.
        quota_s: When the day's quota is used up.
        look_s: Between two looks for what processes have left that are no more.
    """

    connect_s: float = 5.0
    answer_s: float = 30.0
    first_s: float = 1.0
    longest_s: float = 30.0
    quota_s: float = 600.0
    look_s: float = 10.0


class Sender:
    """Sends what waits in a spool, one batch at a time, the oldest first.

    Args:
        spool: What waits; closed by this when it ends.
        url: Where it goes.
        dropped: Told why, and how many items, when some are given up.
        patience: How long it waits for what.
    """

    def __init__(
        self, spool: Spool, url: str, dropped: Callable[[Reason, int], None], patience: Patience = Patience()
    ) -> None:
        self._headers: Mapping[str, str] = {}
        """Of the exporter's last request. Kept in memory alone: it may hold a token."""
        self._spool = spool
        self._home = self._url = url
        self._dropped = dropped
        self._patience = patience
        self._connection = Connection(patience.connect_s, patience.answer_s)
        self._random = random.Random()  # noqa: S311 - spreads retries; own, so that a user's seed repeats none
        self._changed = threading.Condition()
        self._awake = threading.Event()
        self._failures = self._failures_in_a_row = self._redirects = 0
        self._not_before = 0.0
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="pf_monitor sender", daemon=True)
        self._thread.start()

    def learn(self, url: str, headers: Mapping[str, str]) -> None:
        """Hear how the exporter has asked for what waits, or is about to, to be sent."""
        if url != self._home:
            self._home = self._url = url
        self._headers = headers

    def wake(self) -> None:
        """Hear that something waits: before it does, the sender would look in vain and sleep on."""
        self._awake.set()

    def flush(self, timeout: float) -> bool:
        """Send what waits now; try at once, even if the service was away a moment ago.

        Args:
            timeout: How long to wait at most, in seconds.

        Returns:
            Whether it was sent, before two tries in a row failed or the time was up.
        """
        deadline = time.monotonic() + timeout
        last = self._spool.last()
        # One may fail because the kept connection was just being closed by the other side.
        return self._try(last, timeout) or self._try(last, deadline - time.monotonic())

    def _try(self, last: int, timeout: float) -> bool:
        failures = self._failures
        with self._changed:
            self._not_before = 0.0
            self._awake.set()
            self._changed.wait_for(
                lambda: not self._spool.holds(last) or self._failures > failures or not self._thread.is_alive(), timeout
            )
        return not self._spool.holds(last)

    def stop(self, timeout: float) -> None:
        """Send what waits, as far as that goes in time, and end the thread.

        Args:
            timeout: How long to wait at most, in seconds.
        """
        deadline = time.monotonic() + timeout
        sent = self.flush(timeout * 0.9)
        for wait_s in _LAST_TRIES_S:
            left_s = deadline - time.monotonic() - wait_s
            if sent or left_s <= 0:
                break
            time.sleep(wait_s)
            sent = self.flush(left_s * 0.9)
        self._ending = True
        self._awake.set()
        self._thread.join(max(0.0, deadline - time.monotonic()) / 2)
        if self._thread.is_alive():
            self._connection.hang_up()
            self._thread.join(max(0.0, deadline - time.monotonic()))

    def _run(self) -> None:
        with quiet():
            while not self._ending:
                self._spool.adopt(self._patience.look_s)
                waits_s = self._not_before - time.monotonic()
                shipment = self._spool.next() if waits_s <= 0 else None
                if shipment is None:
                    self._awake.wait(min(waits_s, self._patience.look_s) if waits_s > 0 else self._patience.look_s)
                    self._awake.clear()
                    continue
                self._send(shipment)
            self._connection.close()
            self._spool.close()

    def _send(self, shipment: Shipment) -> None:
        answer = self._ask(shipment)
        try:
            self._conclude(shipment, answer)
        finally:
            with self._changed:
                if answer.verdict is not Verdict.TAKEN:
                    self._failures += 1
                self._changed.notify_all()

    def _ask(self, shipment: Shipment) -> Answer:
        headers = {"Content-Type": "application/json", **self._headers, "Content-Encoding": "gzip"}
        try:
            status, answered, content = self._connection.post(self._url, shipment.body, headers)
            return understand(self._url, status, answered, content, shipment.number)
        except NoAnswerError as error:
            return Answer(Verdict.AWAY, str(error))
        except Exception as error:  # noqa: BLE001 - one strange answer must not end the thread
            return Answer(Verdict.UNCLEAR, repr(error))

    def _conclude(self, shipment: Shipment, answer: Answer) -> None:
        batch = shipment.batch
        match answer.verdict:
            case Verdict.TAKEN:
                self._spool.remove(batch)
                self._failures_in_a_row = self._redirects = 0
            case Verdict.PARTLY:
                self._refuse(len(answer.refused), answer)
                items = shipment.items()
                self._spool.keep(batch, [items[index] for index in answer.again])
                if answer.again:
                    self._wait(answer)
            case Verdict.TOO_LARGE if shipment.number > 1:
                self._spool.split(batch, shipment.items())
            case Verdict.REFUSED | Verdict.TOO_LARGE:
                self._spool.remove(batch)
                self._refuse(shipment.number, answer)
            case Verdict.UNCLEAR if batch.unclear + 1 >= MOST_UNCLEAR:
                self._spool.remove(batch)
                self._dropped(Reason.UNCLEAR, shipment.number)
            case Verdict.UNCLEAR:
                batch.unclear += 1
                self._spool.keep(batch)
                self._wait(answer)
            case Verdict.ELSEWHERE if self._redirects < _MOST_REDIRECTS:
                self._redirects += 1
                self._url = answer.location
                self._spool.keep(batch)
            case _:
                self._spool.keep(batch)
                self._wait(answer)

    def _refuse(self, number: int, answer: Answer) -> None:
        if not number:
            return
        self._dropped(Reason.REFUSED, number)
        notices.say_once(
            "refused",
            "pf_monitor: the endpoint refuses telemetry, which is lost: %.500s Is the connection string that of "
            "your resource? `pf-monitor doctor` tells more.",
            answer.says,
        )

    def _wait(self, answer: Answer) -> None:
        """Leave the service alone for a while, the longer the more often it did not take anything."""
        self._url, self._redirects = self._home, 0
        wait_s = min(self._patience.longest_s, self._patience.first_s * 2 ** min(self._failures_in_a_row, 30))
        if answer.verdict is Verdict.OVER_QUOTA:
            wait_s = self._patience.quota_s
        self._failures_in_a_row += 1
        if answer.wait_s is not None:
            wait_s = max(wait_s, answer.wait_s)
        self._not_before = time.monotonic() + wait_s * self._random.uniform(0.5, 1.0)
        if self._failures_in_a_row > 1:  # once may be a connection that was closed while it was idle
            notices.say_once(
                "export",
                "pf_monitor cannot deliver telemetry at the moment: %.500s It is kept on disk and sent later. "
                "`pf-monitor doctor` tells more; without an Azure resource, start `pf-monitor up`.",
                answer.says,
            )
