"""A trigger comes when its file says, in its time zone, over changes of the clocks; what is missed is left out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from pf_monitor.quality.following import Due, naps, times
from pf_monitor.quality.monitor import CronTrigger, Frequency, RecurrenceTrigger, WeekDay
from pf_monitor.quality.times import next_time

BERLIN = "Europe/Berlin"
NOW = datetime(2026, 11, 21, 12, 40, tzinfo=UTC)  # a Saturday


def moments(trigger, after, count, origin=None):
    """Return the next times of a trigger as its zone's clocks show them."""
    found = []
    while len(found) < count and (after := next_time(trigger, after, origin)) is not None:
        found.append(f"{after.astimezone(ZoneInfo(trigger.time_zone)):%a %m-%d %H:%M %z}")
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("15 10 * * *", ["Sun 11-22 10:15 +0000", "Mon 11-23 10:15 +0000"]),
        ("*/20 12 * * *", ["Sun 11-22 12:00 +0000", "Sun 11-22 12:20 +0000"]),
        ("0 9 * * 1-5", ["Mon 11-23 09:00 +0000", "Tue 11-24 09:00 +0000"]),
        ("0 9 * * 0", ["Sun 11-22 09:00 +0000", "Sun 11-29 09:00 +0000"]),
        ("0 0 13 * 5", ["Fri 08-13 00:00 +0000", "Fri 10-13 00:00 +0000"]),
    ],
)
def test_a_cron_expression(expression, expected):
    assert moments(CronTrigger(expression), NOW, 2) == expected


def test_the_clocks_are_put_forward():
    night = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert moments(CronTrigger("30 2 * * *", BERLIN), night, 3) == [
        "Sun 03-29 03:30 +0200",  # there is no 02:30 on this day
        "Mon 03-30 02:30 +0200",
        "Tue 03-31 02:30 +0200",
    ]


def test_the_clocks_are_put_back():
    night = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert moments(CronTrigger("30 2 * * *", BERLIN), night, 2) == ["Sun 10-25 02:30 +0200", "Mon 10-26 02:30 +0100"]


def test_a_recurrence_keeps_to_the_clocks_of_its_zone():
    trigger = RecurrenceTrigger(Frequency.DAY, 1, (6,), (30,), time_zone=BERLIN)
    assert moments(trigger, datetime(2026, 3, 28, 0, tzinfo=UTC), 3) == [
        "Sat 03-28 06:30 +0100",
        "Sun 03-29 06:30 +0200",
        "Mon 03-30 06:30 +0200",
    ]


def test_every_few_hours_is_every_few_hours_whatever_the_clocks_do():
    trigger = RecurrenceTrigger(Frequency.HOUR, 2, time_zone=BERLIN, start=datetime(2026, 3, 28, 22, tzinfo=UTC))
    assert moments(trigger, datetime(2026, 3, 28, 22, 30, tzinfo=UTC), 3) == [
        "Sun 03-29 01:00 +0100",
        "Sun 03-29 04:00 +0200",
        "Sun 03-29 06:00 +0200",
    ]


@pytest.mark.parametrize(
    ("trigger", "expected"),
    [
        (
            RecurrenceTrigger(Frequency.WEEK, 1, (9, 17), (0,), (WeekDay.MONDAY, WeekDay.FRIDAY)),
            ["Mon 11-23 09:00 +0000", "Mon 11-23 17:00 +0000", "Fri 11-27 09:00 +0000"],
        ),
        (
            RecurrenceTrigger(Frequency.MONTH, 1, (3,), (15,), month_days=(1, 15)),
            ["Tue 12-01 03:15 +0000", "Tue 12-15 03:15 +0000", "Fri 01-01 03:15 +0000"],
        ),
        (
            RecurrenceTrigger(Frequency.DAY, 2, start=datetime(2020, 1, 1, 8, 30, tzinfo=UTC)),
            ["Mon 11-23 08:30 +0000", "Wed 11-25 08:30 +0000", "Fri 11-27 08:30 +0000"],
        ),
        (
            RecurrenceTrigger(Frequency.MINUTE, 90, start=datetime(2020, 1, 1, tzinfo=UTC)),
            ["Sat 11-21 13:30 +0000", "Sat 11-21 15:00 +0000", "Sat 11-21 16:30 +0000"],
        ),
    ],
    ids=["week", "month", "every second day", "every 90 minutes"],
)
def test_a_recurrence(trigger, expected):
    assert moments(trigger, NOW, 3, NOW) == expected


def test_nothing_comes_before_the_start_or_after_the_end():
    trigger = CronTrigger("0 9 * * *", start=NOW + timedelta(days=2), end=NOW + timedelta(days=4))
    assert moments(trigger, NOW, 9) == ["Tue 11-24 09:00 +0000", "Wed 11-25 09:00 +0000"]


class Clock:
    """A clock that only moves when it is told."""

    def __init__(self):
        self.now = NOW

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += timedelta(seconds=seconds)


def test_what_passes_during_a_run_is_left_out_but_the_last():
    clock = Clock()
    due = times(CronTrigger("*/10 * * * *"), clock)
    first = next(due)
    clock.now = first.moment + timedelta(minutes=35)
    assert [first, next(due), next(due)] == [
        Due(datetime(2026, 11, 21, 12, 50, tzinfo=UTC)),
        Due(datetime(2026, 11, 21, 13, 20, tzinfo=UTC), missed=2),
        Due(datetime(2026, 11, 21, 13, 30, tzinfo=UTC)),
    ]


def test_a_machine_that_slept_for_a_month_runs_once():
    clock = Clock()
    due = times(CronTrigger("* * * * *"), clock)
    next(due)
    clock.now += timedelta(days=30)
    assert next(due) == Due(clock.now, 1000)
    assert next(due).moment == clock.now + timedelta(minutes=1)


def test_a_recurrence_without_a_start_begins_now():
    assert next(times(RecurrenceTrigger(Frequency.HOUR, 6), Clock())) == Due(NOW)


def test_naps_are_short_and_end_on_time():
    clock = Clock()
    slept = []
    for nap in naps(NOW + timedelta(seconds=50), clock):
        slept.append(nap)
        clock.sleep(nap)
    assert slept == [20, 20, 10]
