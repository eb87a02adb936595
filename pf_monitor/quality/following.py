"""Stays, and runs a monitor whenever its trigger comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from pf_monitor.quality.monitor import RecurrenceTrigger, Trigger
from pf_monitor.quality.times import next_time

_LONGEST_NAP_S: Final = 20.0
"""A machine that slept, or whose clock was set, is late by at most this."""

_MOST_COUNTED: Final = 1000


@dataclass(frozen=True, slots=True)
class Due:
    """A time at which the monitor is to run.

    Attributes:
        moment: When, in UTC.
        missed: How many times passed while the run before was still busy, or the machine asleep.
    """

    moment: datetime
    missed: int = 0


def times(trigger: Trigger, clock: Callable[[], datetime]) -> Iterator[Due]:
    """Give the times of a trigger, one after the other; what passes while one is being used is left out.

    Args:
        trigger: The trigger. A recurrence without a start begins now, as Azure ML begins when a schedule is created.
        clock: Says what time it is, aware of its zone.
    """
    begun = clock()
    # A recurrence may come at the moment that it begins; a cron expression has come already.
    after = begun - timedelta(microseconds=1) if isinstance(trigger, RecurrenceTrigger) else begun
    while (moment := next_time(trigger, after, begun)) is not None:
        due = _latest(trigger, moment, begun, clock())
        yield due
        after = due.moment


def _latest(trigger: Trigger, moment: datetime, begun: datetime, now: datetime) -> Due:
    """Return the last time that has passed already, to be made up for; else the one that is to come."""
    for missed in range(_MOST_COUNTED):
        later = next_time(trigger, moment, begun)
        if later is None or later > now:
            return Due(moment, missed)
        moment = later
    return Due(now, _MOST_COUNTED)


def naps(until: datetime, clock: Callable[[], datetime]) -> Iterator[float]:
    """Give how many seconds to sleep, again and again, until a moment has come."""
    while (left := (until - clock()).total_seconds()) > 0:
        yield min(left, _LONGEST_NAP_S)


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)
