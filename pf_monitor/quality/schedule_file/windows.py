"""The time that a signal looks back on: `data_window` of the file, and what Azure ML takes without one."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

from pf_monitor.quality.monitor import Frequency, RecurrenceTrigger, Trigger, Window
from pf_monitor.quality.schedule_file.section import Section

_DURATION: Final = re.compile(
    r"P(?:(?P<weeks>\d{1,4})W)?(?:(?P<days>\d{1,4})D)?"
    r"(?:T(?:(?P<hours>\d{1,5})H)?(?:(?P<minutes>\d{1,6})M)?(?:(?P<seconds>\d{1,7})S)?)?"
)
_ALLOWED: Final = "an ISO 8601 duration of weeks, days, hours and minutes, such as P7D or PT12H"
_LONGEST: Final = timedelta(days=3660)

_UNITS: Final = {
    Frequency.DAY: timedelta(days=1),
    Frequency.WEEK: timedelta(days=7),
    Frequency.MONTH: timedelta(days=30),
}


def default_window(trigger: Trigger | None) -> Window:
    """Return the window that Azure ML takes where the file has none: the time between two runs, or a week."""
    if not isinstance(trigger, RecurrenceTrigger):
        return Window()
    unit = _UNITS.get(trigger.frequency)
    return Window(timedelta(days=1) if unit is None else unit * trigger.interval)


def read_window(data: Section, default: Window) -> Window:
    """Return the window of one entry of production data."""
    section = data.section("data_window")
    if "data_window" not in data:
        return default
    for key in ("window_start", "window_end"):
        if section.take(key) is not None:
            section.problems.error(
                section.place(key), "is ignored by Azure ML for this signal: write lookback_window_size, such as P7D"
            )
    section.take("lookback_window_size", required=_ALLOWED)
    size = _duration(section, "lookback_window_size")
    if size is not None and not size:
        section.problems.error(section.place("lookback_window_size"), f"is empty: it is {_ALLOWED}")
    offset = _duration(section, "lookback_window_offset")
    section.close()
    return Window(size or default.size, offset or timedelta(0))


def _duration(section: Section, key: str) -> timedelta | None:
    text = section.text(key)
    if text is None:
        return None
    match = _DURATION.fullmatch(text)
    parts = {unit: int(count) for unit, count in match.groupdict().items() if count} if match else {}
    if not parts or text.endswith("T") or timedelta(**parts) > _LONGEST:
        section.problems.error(section.place(key), f"{section.place(key)} is not {_ALLOWED}")
        return None
    return timedelta(**parts)
