"""When a monitor runs: `trigger` of the file."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pf_monitor.quality.monitor import CronTrigger, Frequency, RecurrenceTrigger, Trigger, WeekDay
from pf_monitor.quality.schedule_file.nodes import Node
from pf_monitor.quality.schedule_file.problems import listed, meant
from pf_monitor.quality.schedule_file.section import Section, as_number
from pf_monitor.quality.times import next_time

_RENAMED: Final = {"timezone": "time_zone", "pattern": "schedule"}
"""What the reference of Azure's CLI calls keys that its schema has by another name."""


class _Kind(StrEnum):
    CRON = "cron"
    RECURRENCE = "recurrence"


def read_trigger(document: Section) -> Trigger | None:
    """Return the trigger; None if there is none, or something is wrong with it."""
    section = document.section("trigger", required="say when the monitor runs, by 'type: cron' or 'type: recurrence'")
    if "trigger" not in document:
        return None
    kind = section.choice("type", _Kind, required=True)
    zone = _time_zone(section)
    start, end = _moment(section, "start_time", zone), _moment(section, "end_time", zone)
    _check_end(section, start, end)
    trigger: Trigger | None = None
    if kind is _Kind.CRON:
        trigger = _cron(section, zone, start, end)
    elif kind is _Kind.RECURRENCE:
        trigger = _recurrence(section, zone, start, end)
    if kind is not None:
        section.close(_RENAMED)
    return trigger


def windows_zone(name: str) -> str | None:
    """Return how Windows, and so Azure ML, spells a time zone, given any spelling of it; None if it has none."""
    from tzlocal.windows_tz import tz_win, win_tz

    spelled = {known.lower(): known for known in win_tz}
    iana = {known.lower(): windows for known, windows in tz_win.items()}
    return spelled.get(name.lower()) or iana.get(name.lower())


def _time_zone(section: Section) -> str:
    """Return the IANA name of the zone."""
    from tzlocal.windows_tz import win_tz

    node = section.place("time_zone")
    name = section.text("time_zone")
    if name is None or name.upper() == "UTC":
        return "UTC"
    windows = windows_zone(name)
    if windows is None:
        known = {zone.lower(): zone for zone in win_tz}
        near = meant(name, known)
        section.problems.error(
            node,
            f"{node} is not a time zone. Azure ML takes the names of Windows, such as Pacific Standard Time.{near}",
        )
        return "UTC"
    if windows.lower() != name.lower():
        section.problems.error(node, f"{node} is not how Azure ML calls this time zone: write {windows}")
    return _known_zone(win_tz[windows])


def _known_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except ZoneInfoNotFoundError:  # a system without time zones; those that count in UTC still work
        return "UTC"
    return name


def _moment(section: Section, key: str, zone: str) -> datetime | None:
    node = section.take(key)
    if node is None:
        return None
    if not isinstance(node.value, str):
        section.problems.error(node, f'{node} is not text: Azure ML refuses it without quotes. Write "{node.value}"')
        return None
    try:
        moment = datetime.fromisoformat(node.value)
    except ValueError:
        section.problems.error(node, f'{node} is not a time such as "2026-11-30T06:00:00"')
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))


def _check_end(section: Section, start: datetime | None, end: datetime | None) -> None:
    if end is None:
        return
    if start is not None and end <= start:
        section.problems.error(section.place("end_time"), "is not after start_time")
    elif end <= datetime.now(UTC):
        section.problems.warn(section.place("end_time"), "has passed: the monitor will not run by itself any more")


def _cron(section: Section, zone: str, start: datetime | None, end: datetime | None) -> CronTrigger | None:
    expression = section.text("expression", required='five fields, such as "15 10 * * *" for every day at 10:15')
    if expression is None:
        return None
    node = section.place("expression")
    trigger = CronTrigger(" ".join(expression.split()), zone, start, end)
    if (wrong := _wrong_cron(trigger)) is not None:
        section.problems.error(node, f"{node} {wrong}")
        return None
    _, _, days, months, _ = trigger.expression.split()
    if (days, months) != ("*", "*"):
        section.problems.warn(
            node,
            "Azure ML ignores the days and the months of a cron expression, and would run this on each day of the"
            " other fields. A recurrence with month_days means the same everywhere",
        )
    return trigger


_CRON_FIELDS: Final = (
    ("minutes", "0-59"),
    ("hours", "0-23"),
    ("days", "1-31"),
    ("months", "1-12"),
    ("days of the week", "0-6, 0 is Sunday"),
)


def _wrong_cron(trigger: CronTrigger) -> str | None:
    """Say what is wrong with an expression; None when nothing is."""
    from croniter import croniter

    fields = trigger.expression.split()
    if len(fields) != len(_CRON_FIELDS):
        names = listed(name for name, _ in _CRON_FIELDS)
        return f"has {len(fields)} fields where a cron expression has five: {names}"
    for position, (name, allowed) in enumerate(_CRON_FIELDS):
        alone = ["*"] * len(fields)
        alone[position] = fields[position]
        if not croniter.is_valid(" ".join(alone)):
            return f"has {fields[position]} for the {name}: allowed are {allowed}, ranges, lists and */STEP"
    never = next_time(CronTrigger(trigger.expression), datetime.now(UTC)) is None
    return "never comes: there is no such day" if never else None


def _recurrence(section: Section, zone: str, start: datetime | None, end: datetime | None) -> RecurrenceTrigger | None:
    frequency = section.choice("frequency", Frequency, required=True)
    interval = section.whole("interval", "a number of units between runs: a whole number from 1 up", 1)
    if "interval" not in section:
        section.take("interval", required="how many units lie between runs, from 1 up")
    pattern = section.section("schedule")
    hours = _numbers(pattern, "hours", 0, 23)
    minutes = _numbers(pattern, "minutes", 0, 59)
    month_days = _numbers(pattern, "month_days", 1, 31)
    week_days = _week_days(pattern)
    _check_pattern(section, pattern, frequency)
    pattern.close({"weekdays": "week_days", "monthdays": "month_days"})
    if frequency is None or interval is None:
        return None
    return RecurrenceTrigger(frequency, interval, hours, minutes, week_days, month_days, zone, start, end)


def _check_pattern(section: Section, pattern: Section, frequency: Frequency | None) -> None:
    if "schedule" not in section:
        return
    for key in ("hours", "minutes"):
        if key not in pattern:
            section.problems.error(
                pattern.place(key), "is missing: Azure ML takes a schedule with both hours and minutes"
            )
    fitting = {"week_days": (Frequency.WEEK,), "month_days": (Frequency.MONTH,)}
    for key, frequencies in fitting.items():
        if key in pattern and frequency is not None and frequency not in frequencies:
            section.problems.error(pattern.place(key), f"goes with 'frequency: {frequencies[0]}' only")


def _numbers(section: Section, key: str, lowest: int, highest: int) -> tuple[int, ...]:
    found = []
    for node in _one_or_more(section, key):
        number = as_number(node)
        if number is None or not number.is_integer() or not lowest <= number <= highest:
            section.problems.error(node, f"{node} is not one of {lowest} to {highest}")
        else:
            found.append(int(number))
    return tuple(sorted(set(found)))


def _week_days(section: Section) -> tuple[WeekDay, ...]:
    days = [day.value for day in WeekDay]
    found = set()
    for node in _one_or_more(section, "week_days"):
        word = str(node.value).lower()
        if word in days:
            found.add(WeekDay(word))
        else:
            section.problems.error(node, f"{node} is not one of {listed(days)}.{meant(word, days)}")
    return tuple(day for day in WeekDay if day in found)


def _one_or_more(section: Section, key: str) -> list[Node]:
    node = section.take(key)
    if node is None:
        return []
    return node.value if isinstance(node.value, list) else [node]
