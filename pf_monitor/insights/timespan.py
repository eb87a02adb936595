"""The time range of a query, as the query API takes it: ISO-8601 durations and intervals."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_DURATION = re.compile(
    r"P(?!$)(?:(?P<years>\d+)Y)?(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+(?:\.\d+)?)D)?"
    r"(?:T(?!$)(?:(?P<hours>\d+(?:\.\d+)?)H)?(?:(?P<minutes>\d+(?:\.\d+)?)M)?(?:(?P<seconds>\d+(?:\.\d+)?)S)?)?"
)


class Timespan(NamedTuple):
    """A range of time in UTC, its start included, its end not."""

    start: datetime
    end: datetime


def parse_timespan(text: str, now: datetime | None = None) -> Timespan:
    """Read a time range.

    Args:
        text: `P1D` or `PT6H` (up to now), or an interval: `start/end`, `start/duration`, `duration/end`, its times
            ISO-8601 and in UTC unless they say otherwise.
        now: What a duration alone counts back from; the present by default.

    Raises:
        ValueError: If the text is none of these.
    """
    try:
        return _parse(text.strip(), now or datetime.now(UTC))
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is not a time range: give an ISO-8601 duration such as PT1H or P1D,"
            " or an interval such as 2024-01-01T00:00:00Z/PT1H"
        ) from None


def _parse(text: str, now: datetime) -> Timespan:
    first, slash, second = text.partition("/")
    if not slash:
        return Timespan(now - _duration(first), now)
    if first.startswith("P"):
        end = _moment(second)
        return Timespan(end - _duration(first), end)
    start = _moment(first)
    return Timespan(start, start + _duration(second) if second.startswith("P") else _moment(second))


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(text)
    parts = {unit: float(amount) for unit, amount in match.groupdict(default="0").items()}
    # A month is 30 days and a year 365, as in .NET's XmlConvert, which Azure's own API reads durations with.
    days = parts["years"] * 365 + parts["months"] * 30 + parts["days"]
    return timedelta(
        weeks=parts["weeks"], days=days, hours=parts["hours"], minutes=parts["minutes"], seconds=parts["seconds"]
    )
