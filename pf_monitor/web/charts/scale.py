"""Where ticks stand: round values that a reader would have chosen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final


@dataclass(frozen=True)
class Scale:
    """A linear axis from the first tick to the last.

    Attributes:
        ticks: At least two, evenly spaced.
    """

    ticks: Sequence[float]

    @property
    def step(self) -> float:
        """How far apart ticks are."""
        return self.ticks[1] - self.ticks[0]

    def place(self, value: float) -> float:
        """Return where a value stands, as a share of the axis."""
        low, high = self.ticks[0], self.ticks[-1]
        return min(1.0, max(0.0, (value - low) / (high - low)))


def linear(low: float, high: float, *, whole: bool = False, count: int = 4) -> Scale:
    """Choose an axis that holds both ends, its ticks multiples of 1, 2 or 5.

    Args:
        low: The least value.
        high: The greatest.
        whole: Whether ticks are whole numbers.
        count: How many steps there are, about.
    """
    span = high - low
    if not math.isfinite(span) or span <= 0:
        high = low + (abs(low) if low and math.isfinite(low) else 1.0)
        span = high - low
    step = _round_step(span / count)
    if whole:
        step = max(1.0, step)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return Scale([index * step for index in range(first, max(last, first + 1) + 1)])


def _round_step(rough: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 5, 10) if rough <= factor * power * 1.000001)


_STEPS: Final = tuple(
    timedelta(seconds=seconds)
    for seconds in (
        *(1, 2, 5, 10, 15, 30),
        *(60, 120, 300, 600, 900, 1800),
        *(3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600),
        *(86400, 2 * 86400, 5 * 86400, 7 * 86400, 14 * 86400, 30 * 86400, 90 * 86400, 365 * 86400),
    )
)
_EPOCH: Final = datetime(2001, 1, 1, tzinfo=UTC)  # a Monday, so that weeks begin on one


@dataclass(frozen=True)
class TimeScale:
    """An axis of time."""

    since: datetime
    until: datetime

    def place(self, moment: datetime) -> float:
        """Return where a moment stands, as a share of the axis."""
        return (moment - self.since) / (self.until - self.since)

    def ticks(self, count: int = 6) -> list[datetime]:
        """Return round moments within, `count` at most."""
        span = self.until - self.since
        step = next((one for one in _STEPS if span / one <= count), span / count)
        first = _EPOCH + math.ceil((self.since - _EPOCH) / step) * step
        found = [first + index * step for index in range(count + 1)]
        return [moment for moment in found if moment <= self.until]

    def label(self, moment: datetime) -> str:
        """Write a tick: time of day, date, or both, as the range needs."""
        return moment.strftime({"day": "%d %b", "minute": "%H:%M", "second": "%H:%M:%S"}[self.precision])

    @property
    def precision(self) -> str:
        """What labels tell apart: `second`, `minute` or `day`."""
        span = self.until - self.since
        if span <= timedelta(minutes=5):
            return "second"
        return "minute" if span <= timedelta(days=2) else "day"
