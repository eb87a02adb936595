"""How fast to ask: as many calls at once as may be, and no faster than the server allows.

A server that answers 429 says how long to wait, and everybody waits. From then on calls are spaced: at first by the
rate at which the server has been answering, and some more. With each further refusal the rate falls a little, though
never below that at which the server answers, and meanwhile it grows.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Final

_REMEMBERED: Final = 64
"""Answers that the server's rate is measured by."""

_GROWTH_A_SECOND: Final = 0.1
"""By how much the rate grows while nothing is refused: enough to find a new limit within seconds."""

_FIRST_GUESS: Final = 1.5
"""The rate after the first refusal, as a multiple of that of the answers so far: from above, a few refusals find what
is allowed within a second; from below it would take long."""

_UNTOLD_WAIT_S: Final = 1.0
"""The first wait when a server does not say for how long; it doubles with each further refusal."""

_FALL: Final = 0.97
"""What a refusal leaves of the rate. A machine that was busy with other things answers fewer calls than are allowed, so
that the rate of answers alone would fall and fall."""

LONGEST_WAIT_S: Final = 120.0
"""More than that nobody waits at once, whatever a server says: it is asked again then."""


class Throttle:
    """Lets calls through.

    Args:
        concurrency: How many may be under way at once.
    """

    def __init__(self, concurrency: int) -> None:
        self._slots = asyncio.Semaphore(concurrency)
        self._pacing = asyncio.Lock()
        self._answered: deque[float] = deque(maxlen=_REMEMBERED)
        self._rate: float | None = None
        self._rate_since = 0.0
        self._not_before = 0.0
        self._refusals = 0

    async def __aenter__(self) -> None:
        """Wait until a call may be made."""
        await self._slots.acquire()
        try:
            async with self._pacing:
                while (wait := self._not_before - time.monotonic()) > 0:
                    await asyncio.sleep(wait)
                if self._rate is not None:
                    now = time.monotonic()
                    self._not_before = now + 1 / self._grown(now)
        except BaseException:
            self._slots.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._slots.release()

    def answered(self) -> None:
        """Note that a call was answered."""
        self._answered.append(time.monotonic())
        self._refusals = 0

    def refused(self, headers: Mapping[str, str]) -> None:
        """Note that a call was refused with 429, or 503, and what the server says about waiting."""
        now = time.monotonic()
        told = retry_after_s(headers)
        wait = told if told is not None else _UNTOLD_WAIT_S * 2 ** min(self._refusals, 7)
        self._refusals += 1
        self._not_before = max(self._not_before, now + min(wait, LONGEST_WAIT_S))
        is_first_of_many = now >= self._rate_since  # what was under way then is refused too, and says nothing new
        if len(self._answered) >= 2 and is_first_of_many:
            measured = (len(self._answered) - 1) / max(now - self._answered[0], 1e-3)
            self._rate = _FIRST_GUESS * measured if self._rate is None else max(measured, self._grown(now) * _FALL)
            self._rate_since = self._not_before

    def _grown(self, now: float) -> float:
        return (self._rate or 0.0) * (1 + _GROWTH_A_SECOND * max(0.0, now - self._rate_since))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds a server asks to wait, or None where it does not say.

    Sources: RFC 9110, section 10.2.3; `retry-after-ms` is Azure OpenAI's.
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) * unit)
        except (KeyError, ValueError):
            continue
    try:
        return max(0.0, parsedate_to_datetime(headers["retry-after"]).timestamp() - time.time())
    except (KeyError, ValueError, TypeError):
        return None
