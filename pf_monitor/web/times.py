"""How times are written: in UTC on the server, in the reader's zone where the page's script runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from markupsafe import Markup

from pf_monitor.web.markup import element

Precision = Literal["day", "minute", "second", "millisecond"]

_FORMATS: dict[Precision, str] = {
    "day": "%Y-%m-%d",
    "minute": "%Y-%m-%d %H:%M",
    "second": "%Y-%m-%d %H:%M:%S",
    "millisecond": "%Y-%m-%d %H:%M:%S.%f",
}


def parse_moment(text: str) -> datetime:
    """Read an ISO time as queries give it; without a zone it is UTC.

    Raises:
        ValueError: If it is not one.
    """
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def iso(moment: datetime) -> str:
    """Write a time as ISO in UTC, to the millisecond where it has any."""
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.astimezone(UTC).isoformat(timespec=spec).replace("+00:00", "Z")


def time_element(moment: datetime | str, precision: Precision = "second") -> Markup:
    """Make the element that shows a time, with its ISO form on hover.

    Args:
        moment: The time, or its ISO text.
        precision: What is shown of it.
    """
    when = parse_moment(moment) if isinstance(moment, str) else moment.astimezone(UTC)
    text = when.strftime(_FORMATS[precision])
    shown = text[:-3] if precision == "millisecond" else text
    return element("time", shown, datetime=iso(when), title=iso(when), data_precision=precision)
