"""When a trigger comes next, in its time zone, over changes of the clocks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from pf_monitor.quality.monitor import CronTrigger, Frequency, RecurrenceTrigger, Trigger, WeekDay

_FIXED: Final = {
    Frequency.MINUTE: timedelta(minutes=1),
    Frequency.HOUR: timedelta(hours=1),
    Frequency.DAY: timedelta(days=1),
    Frequency.WEEK: timedelta(weeks=1),
}
"""The units that are always of the same length."""


def next_time(trigger: Trigger, after: datetime, origin: datetime | None = None) -> datetime | None:
    """Return when a trigger comes next.

    A local time that the clocks leave out comes as much later as they are put forward; one that comes twice counts
    the first time.

    Args:
        trigger: The trigger.
        after: The answer is after this moment, which is aware of its zone.
        origin: From when the intervals of a recurrence without a start are counted, likewise; None means `after`.

    Returns:
        The moment in UTC; None when the trigger has ended, or never comes.
    """
    after = after.astimezone(UTC)
    if trigger.start is not None:
        after = max(after, trigger.start.astimezone(UTC) - timedelta(microseconds=1))
    if isinstance(trigger, CronTrigger):
        moment = _next_cron(trigger, after)
    else:
        moment = _next_recurrence(trigger, after, trigger.start or origin or after)
    over = moment is not None and trigger.end is not None and moment > trigger.end
    return None if over else moment


def _next_cron(trigger: CronTrigger, after: datetime) -> datetime | None:
    from croniter import CroniterBadDateError, croniter

    zone = ZoneInfo(trigger.time_zone)
    # Both the day and the day of the week must fit, as in Azure's NCrontab; elsewhere, either may.
    times = croniter(trigger.expression, _local(after, zone), ret_type=datetime, day_or=False)
    try:
        while (moment := _universal(times.get_next(datetime), zone)) <= after:
            pass
    except CroniterBadDateError:
        return None
    return moment


def _next_recurrence(trigger: RecurrenceTrigger, after: datetime, origin: datetime) -> datetime | None:
    from dateutil.rrule import DAILY, HOURLY, MINUTELY, MONTHLY, WEEKLY, rrule

    units: Mapping[Frequency, Literal[1, 2, 3, 4, 5]] = {
        Frequency.MINUTE: MINUTELY,
        Frequency.HOUR: HOURLY,
        Frequency.DAY: DAILY,
        Frequency.WEEK: WEEKLY,
        Frequency.MONTH: MONTHLY,
    }
    by_clock = bool(trigger.hours or trigger.minutes) or trigger.frequency not in (Frequency.MINUTE, Frequency.HOUR)
    zone = ZoneInfo(trigger.time_zone if by_clock else "UTC")  # every hour is every hour, whatever the clocks do
    seen = _local(after, zone)
    rule = rrule(
        units[trigger.frequency],
        dtstart=_near(_local(origin, zone), seen, trigger),
        interval=trigger.interval,
        byhour=trigger.hours or None,
        byminute=trigger.minutes or None,
        bysecond=0 if by_clock and trigger.minutes else None,
        byweekday=[_WEEK_DAYS.index(day) for day in trigger.week_days] or None,
        bymonthday=trigger.month_days or None,
    )
    for local in rule.xafter(seen - timedelta(hours=2)):  # by the clocks, what is after may come before
        moment = _universal(local, zone)
        if moment > after:
            return moment
    return None


_WEEK_DAYS: Final = list(WeekDay)


def _near(start: datetime, seen: datetime, trigger: RecurrenceTrigger) -> datetime:
    """Return a start as many whole intervals later as there are up to now, so that none of them is gone through."""
    unit = _FIXED.get(trigger.frequency)
    if unit is None or seen <= start:
        return start
    step = unit * trigger.interval
    return start + step * max(0, (seen - start) // step - 1)


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    """Return what the clocks of a zone show."""
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def _universal(local: datetime, zone: ZoneInfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)
