"""The values that stand in a telemetry item, and what a table has for each.

Functions of one value, as JSON parsing gives it: anything may arrive. One that cannot be is refused with a reason that
the item's sender is told.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

import orjson

Json = Any
"""A value as JSON parsing gives it."""


class EnvelopeError(ValueError):
    """An item that cannot be accepted, with the reason that its sender is told."""


def mapping(value: Json, name: str) -> dict[str, Json]:
    """A JSON object."""
    if isinstance(value, dict):
        return value
    raise EnvelopeError(f"'{name}' must be an object, not {shown(value)}")


def text(value: Json, field: str) -> str:
    """Text as it is; a number or truth value in a text field as its JSON text, as some SDKs send result codes."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return _json(value)
    raise EnvelopeError(f"Field '{field}' must be a string, not {shown(value)}")


def _json(value: Json) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # an integer of more than 64 bits
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def number(value: Json, field: str) -> float | None:
    """A number, or None where there is none; `NaN` and infinities cannot be stored and count as none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise EnvelopeError(f"Field '{field}' must be a number, not {shown(value)}")
    try:
        read = float(value)
    except (ValueError, OverflowError):
        raise EnvelopeError(f"Field '{field}' must be a number, not {shown(value)}") from None
    return read if math.isfinite(read) else None


def int32(value: float, field: str) -> int:
    """A whole number that a 32-bit column can hold."""
    if abs(value) >= 2**31:
        raise EnvelopeError(f"Field '{field}' must be a 32-bit integer, not {shown(value)}")
    return int(value)


def success(value: Json) -> str:
    """Azure keeps success as the text `True` or `False`; SDKs send a truth value, its text, or (Python) a number."""
    if isinstance(value, str):
        lowered = value.strip().lower()
        if lowered in {"true", "false"}:
            return lowered.capitalize()
    elif value is None:
        return "True"
    elif isinstance(value, bool | int | float):
        return str(bool(value))
    raise EnvelopeError(f"Field 'success' must be true or false, not {shown(value)}")


_SEVERITIES: Final = {"verbose": 0, "information": 1, "warning": 2, "error": 3, "critical": 4}


def severity(value: Json) -> int | None:
    """A severity level as number; Python sends the number, the other SDKs the name."""
    if isinstance(value, str) and value.lower() in _SEVERITIES:
        return _SEVERITIES[value.lower()]
    level = number(value, "severityLevel")
    if level is None:
        return None
    if level not in range(5):
        raise EnvelopeError(f"Field 'severityLevel' must be 0 to 4 or its name, not {shown(value)}")
    return int(level)


_DURATION = re.compile(r"(?:(\d{1,8})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)")
_SECONDS = re.compile(r"0\.00:00:(\d\d\.\d{1,9})")
"""What nearly all durations are."""


def milliseconds(value: Json) -> float:
    """A duration `d.hh:mm:ss.fffffff`."""
    if isinstance(value, str) and (match := _SECONDS.fullmatch(value)):
        read = float(match[1]) * 1000
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        days, hours, minutes, seconds = match.groups()
        read = ((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60_000 + float(seconds) * 1000
    else:
        raise EnvelopeError(f"Field 'duration' must look like 0.00:00:01.234, not {shown(value)}")
    return round(read, 4)  # seven decimals of a second, without the noise of the multiplication


_BUCKETS: Final = (
    *("<250ms", "250ms-500ms", "500ms-1sec", "1sec-3sec", "3sec-7sec", "7sec-15sec", "15sec-30sec", "30sec-1min"),
    *("1min-2min", "2min-5min", ">=5min"),
)
_BUCKETS_END: Final = (250, 500, 1_000, 3_000, 7_000, 15_000, 30_000, 60_000, 120_000, 300_000)
"""In milliseconds; the last bucket has no end."""


def bucket(duration: float) -> str:
    """The name of the bucket that Azure puts a duration in milliseconds into."""
    return _BUCKETS[bisect_right(_BUCKETS_END, duration)]


def moment(value: Json) -> datetime:
    """An ISO-8601 time as a naive one in UTC, which is how the store keeps times."""
    try:
        if value[10:11] == "T" and value[-1:] == "Z":  # as exporters send it: without its zone it is read in a third
            read = datetime.fromisoformat(value[:-1])
            if read.tzinfo is None:
                return read
        read = datetime.fromisoformat(value)
        return read.astimezone(UTC).replace(tzinfo=None) if read.tzinfo else read
    except (TypeError, ValueError, OverflowError):
        raise EnvelopeError(f"Field 'time' must be an ISO-8601 time, not {shown(value)}") from None


def item_count(sample_rate: Json) -> int:
    """How many items this one stands for: a sample rate of 25 (percent) makes it four."""
    if sample_rate is None:
        return 1
    rate = number(sample_rate, "sampleRate")
    if not rate or rate <= 0:
        return 1
    return int32(round(100 / rate), "sampleRate")


def properties(value: Json) -> dict[str, Any]:
    """The custom dimensions: scalars as they come, anything deeper as JSON text, as Azure has them; null is absent."""
    if value is None:
        return {}
    present = mapping(value, "properties")
    if set(map(type, present.values())) == {str}:  # as exporters send them
        return present
    return {
        key: _json(value) if isinstance(value, dict | list) else value
        for key, value in present.items()
        if value is not None
    }


def measurements(value: Json) -> dict[str, float | None]:
    """Numbers by name."""
    return {key: number(one, key) for key, one in mapping(value, "measurements").items()}


def shown(value: Json) -> str:
    """A value for an error message, short whatever its size."""
    said = repr(value) if isinstance(value, str | int | float | bool | None) else f"a JSON {_JSON_NAMES[type(value)]}"
    return said if len(said) <= 80 else f"{said[:77]}..."


_JSON_NAMES: Final[Mapping[type, str]] = {dict: "object", list: "array"}
