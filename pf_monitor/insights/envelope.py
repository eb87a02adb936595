"""One telemetry item of the ingestion protocol becomes one row of a table.

The protocol ("Breeze") is what every Application Insights SDK and exporter sends: an envelope with a time, an
instrumentation key, context tags and `data`, of which `baseType` says what kind of item `baseData` is. The field names
are those of Microsoft's published schema (the ApplicationInsights-Home repository, EndpointSpecs/Schemas/Bond).

Pure functions: nothing here knows of HTTP or of the database.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import orjson

Json = Any
"""A value as JSON parsing gives it: the one place where anything may arrive."""


class Row(NamedTuple):
    """A row for a table; a column that is absent stays empty, but for `itemId`, which the store makes."""

    table: str
    values: dict[str, object]


class EnvelopeError(ValueError):
    """An item that cannot be accepted, with the reason that its sender is told."""


def to_row(envelope: Json) -> Row:
    """Return the table and row that one envelope stands for.

    Args:
        envelope: A telemetry item as parsed from JSON, of whatever type arrived.

    Raises:
        EnvelopeError: If it is not an envelope, is of an unknown kind, or a field has a type that it cannot have.
    """
    item = _object(envelope, "Envelope")
    data = _object(item.get("data"), "Envelope.data")
    base_type = data.get("baseType")
    if not isinstance(base_type, str) or base_type not in _KINDS:
        raise EnvelopeError(f"Unknown baseType {_shown(base_type)}; known are {', '.join(_KINDS)}")
    table, item_type, read = _KINDS[base_type]
    base = _object(data.get("baseData"), base_type)
    values = read(base)
    values["timestamp"] = _timestamp(item.get("time"))
    values["itemType"] = item_type
    values["itemCount"] = _item_count(item.get("sampleRate"))
    values["iKey"] = _text(item.get("iKey"), "Envelope.iKey")
    values["customDimensions"] = _properties(base.get("properties"))
    if measurements := base.get("measurements"):
        values["customMeasurements"] = _measurements(measurements)
    values.update(_context(item.get("tags")))
    if "category" in values:
        return Row("performanceCounters", values | {"itemType": "performanceCounter"})
    return Row(table, values)


def _request(base: Mapping[str, Json]) -> dict[str, object]:
    return {
        **_texts(base, ("id", "source", "name", "url")),
        "success": _success(base.get("success")),
        "resultCode": _text(base.get("responseCode"), "responseCode"),
        **_duration(base.get("duration")),
    }


def _dependency(base: Mapping[str, Json]) -> dict[str, object]:
    return {
        **_texts(base, ("id", "target", "type", "name", "data", "resultCode")),
        "success": _success(base.get("success")),
        **_duration(base.get("duration")),
    }


def _exception(base: Mapping[str, Json]) -> dict[str, object]:
    chain = base.get("exceptions")
    if not isinstance(chain, list) or not chain:
        raise EnvelopeError("Field 'exceptions' of 'ExceptionData' must be an array with at least one exception")
    details = [_exception_detail(_object(one, "ExceptionDetails")) for one in chain]
    outer, innermost = details[0], details[-1]
    outer_frame, innermost_frame = _top_frame(outer), _top_frame(innermost)
    problem_id = _text(base.get("problemId"), "problemId")
    if not problem_id:
        problem_id = " at ".join(filter(None, (str(outer["type"]), outer_frame["method"])))
    return {
        "problemId": problem_id,
        "handledAt": _text(base.get("handledAt"), "handledAt"),
        "type": outer["type"],
        "message": outer["message"],
        "assembly": outer_frame["assembly"],
        "method": outer_frame["method"],
        "outerType": outer["type"],
        "outerMessage": outer["message"],
        "outerAssembly": outer_frame["assembly"],
        "outerMethod": outer_frame["method"],
        "innermostType": innermost["type"],
        "innermostMessage": innermost["message"],
        "innermostAssembly": innermost_frame["assembly"],
        "innermostMethod": innermost_frame["method"],
        "severityLevel": _severity(base.get("severityLevel")),
        "details": details,
    }


def _exception_detail(one: Mapping[str, Json]) -> dict[str, object]:
    """One link of an exception chain, under the names that the `details` column has in Azure."""
    frames = one.get("parsedStack") or []
    if not isinstance(frames, list):
        raise EnvelopeError("Field 'parsedStack' of 'ExceptionDetails' must be an array")
    return {
        "id": _text(one.get("id"), "id"),
        "outerId": _text(one.get("outerId"), "outerId"),
        "type": _text(one.get("typeName"), "typeName"),
        "message": _text(one.get("message"), "message"),
        "parsedStack": [_frame(_object(frame, "StackFrame")) for frame in frames],
        "rawStack": _text(one.get("stack"), "stack"),
    }


def _frame(frame: Mapping[str, Json]) -> dict[str, object]:
    return {
        "level": _number(frame.get("level"), "level"),
        "method": _text(frame.get("method"), "method"),
        "assembly": _text(frame.get("assembly"), "assembly"),
        "fileName": _text(frame.get("fileName"), "fileName"),
        "line": _number(frame.get("line"), "line"),
    }


def _top_frame(detail: Mapping[str, object]) -> Mapping[str, str]:
    frames: Any = detail["parsedStack"]
    return frames[0] if frames else {"method": "", "assembly": ""}


def _message(base: Mapping[str, Json]) -> dict[str, object]:
    return {
        "message": _text(base.get("message"), "message"),
        "severityLevel": _severity(base.get("severityLevel")),
    }


def _event(base: Mapping[str, Json]) -> dict[str, object]:
    return {"name": _text(base.get("name"), "name")}


_COUNTER_NAME = re.compile(r"\\(?P<category>[^\\(]+)(?:\((?P<instance>[^)]*)\))?\\(?P<counter>.+)")
"""A Windows performance counter's path, `\\Category(instance)\\Counter`: the form in which every SDK sends them."""


def _metric(base: Mapping[str, Json]) -> dict[str, object]:
    """A metric, or what a performance counter has if its name says that it is one.

    The protocol allows a list of data points, of which Application Insights stores the first.
    """
    points = base.get("metrics")
    if not isinstance(points, list) or not points:
        raise EnvelopeError("Field 'metrics' of 'MetricData' must be an array with one data point")
    point = _object(points[0], "DataPoint")
    name = _text(point.get("name"), "name")
    value = _number(point.get("value"), "value")
    if counter := _COUNTER_NAME.fullmatch(name):
        return {
            "name": counter["counter"],
            "category": counter["category"],
            "counter": counter["counter"],
            "instance": counter["instance"] or "",
            "value": value,
        }
    minimum, maximum = _number(point.get("min"), "min"), _number(point.get("max"), "max")
    count = _number(point.get("count"), "count")
    return {
        "name": name,
        "value": value,
        "valueCount": 1 if count is None else _int32(count, "count"),
        "valueSum": value,
        "valueMin": value if minimum is None else minimum,
        "valueMax": value if maximum is None else maximum,
        "valueStdDev": _number(point.get("stdDev"), "stdDev") or 0.0,
    }


def _page_view(base: Mapping[str, Json]) -> dict[str, object]:
    return {
        **_texts(base, ("id", "name", "url")),
        **(_duration(base["duration"]) if base.get("duration") else {}),
    }


def _availability(base: Mapping[str, Json]) -> dict[str, object]:
    return {
        **_texts(base, ("id", "name")),
        "location": _text(base.get("runLocation"), "runLocation"),
        "success": _success(base.get("success")),
        "message": _text(base.get("message"), "message"),
        **_duration(base.get("duration")),
    }


_KINDS: Final[dict[str, tuple[str, str, Callable[[Mapping[str, Json]], dict[str, object]]]]] = {
    "RequestData": ("requests", "request", _request),
    "RemoteDependencyData": ("dependencies", "dependency", _dependency),
    "ExceptionData": ("exceptions", "exception", _exception),
    "MessageData": ("traces", "trace", _message),
    "EventData": ("customEvents", "customEvent", _event),
    "MetricData": ("customMetrics", "customMetric", _metric),
    "PageViewData": ("pageViews", "pageView", _page_view),
    "AvailabilityData": ("availabilityResults", "availabilityResult", _availability),
}
"""`baseType` -> table, the table's itemType, and what reads the item's own fields."""

_TAGS: Final[Mapping[str, str]] = {
    "ai.operation.name": "operation_Name",
    "ai.operation.id": "operation_Id",
    "ai.operation.parentId": "operation_ParentId",
    "ai.operation.syntheticSource": "operation_SyntheticSource",
    "ai.session.id": "session_Id",
    "ai.user.id": "user_Id",
    "ai.user.authUserId": "user_AuthenticatedId",
    "ai.user.accountId": "user_AccountId",
    "ai.application.ver": "application_Version",
    "ai.device.type": "client_Type",
    "ai.device.model": "client_Model",
    "ai.device.osVersion": "client_OS",
    "ai.location.city": "client_City",
    "ai.location.province": "client_StateOrProvince",
    "ai.location.country": "client_CountryOrRegion",
    "ai.cloud.role": "cloud_RoleName",
    "ai.cloud.roleInstance": "cloud_RoleInstance",
    "ai.internal.sdkVersion": "sdkVersion",
}
"""Context tags and their columns. A caller's address is not among them: Azure too stores 0.0.0.0 instead."""


def _context(tags: Json) -> dict[str, object]:
    if tags is None:
        return {}
    present = _object(tags, "Envelope.tags")
    return {
        column: value if type(value) is str else _text(value, tag)
        for tag, value in present.items()
        if (column := _TAGS.get(tag)) is not None
    }


def _properties(properties: Json) -> dict[str, object]:
    """The custom dimensions: scalars as they come, anything deeper as JSON text, as Azure has them; null is absent."""
    if properties is None:
        return {}
    present = _object(properties, "properties")
    if set(map(type, present.values())) == {str}:  # as exporters send them
        return present
    return {
        key: orjson.dumps(value).decode() if isinstance(value, dict | list) else value
        for key, value in present.items()
        if value is not None
    }


def _measurements(measurements: Json) -> dict[str, float | None]:
    return {key: _number(value, key) for key, value in _object(measurements, "measurements").items()}


def _object(value: Json, name: str) -> dict[str, Json]:
    if isinstance(value, dict):
        return value
    raise EnvelopeError(f"'{name}' must be an object, not {_shown(value)}")


def _text(value: Json, field: str) -> str:
    """Text as it is; a number or truth value in a text field as its JSON text, as some SDKs send result codes."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | int | float):
        return orjson.dumps(value).decode()
    raise EnvelopeError(f"Field '{field}' must be a string, not {_shown(value)}")


def _texts(base: Mapping[str, Json], fields: tuple[str, ...]) -> dict[str, object]:
    """Fields whose column has the same name."""
    return {name: value if type(value := base.get(name)) is str else _text(value, name) for name in fields}


def _number(value: Json, field: str) -> float | None:
    """A number, or None where there is none; `NaN` and infinities cannot be stored and count as none."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise EnvelopeError(f"Field '{field}' must be a number, not {_shown(value)}")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise EnvelopeError(f"Field '{field}' must be a number, not {_shown(value)}") from None
    return number if math.isfinite(number) else None


def _int32(number: float, field: str) -> int:
    if abs(number) >= 2**31:
        raise EnvelopeError(f"Field '{field}' must be a 32-bit integer, not {_shown(number)}")
    return int(number)


def _success(value: Json) -> str:
    """Azure keeps success as the text `True` or `False`; SDKs send a truth value, its text, or (Python) a number."""
    if isinstance(value, str):
        lowered = value.strip().lower()
        if lowered in {"true", "false"}:
            return lowered.capitalize()
    elif value is None:
        return "True"
    elif isinstance(value, bool | int | float):
        return str(bool(value))
    raise EnvelopeError(f"Field 'success' must be true or false, not {_shown(value)}")


_SEVERITIES: Final = {"verbose": 0, "information": 1, "warning": 2, "error": 3, "critical": 4}


def _severity(value: Json) -> int | None:
    """A severity level as number; Python sends the number, the other SDKs the name."""
    if isinstance(value, str) and value.lower() in _SEVERITIES:
        return _SEVERITIES[value.lower()]
    number = _number(value, "severityLevel")
    if number is None:
        return None
    if number not in range(5):
        raise EnvelopeError(f"Field 'severityLevel' must be 0 to 4 or its name, not {_shown(value)}")
    return int(number)


_DURATION = re.compile(r"(?:(\d{1,8})\.)?(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d{1,9})?)")
_SECONDS = re.compile(r"0\.00:00:(\d\d\.\d{1,9})")
"""What nearly all durations are."""


def _duration(value: Json) -> dict[str, object]:
    """A duration `d.hh:mm:ss.fffffff` in milliseconds, and the bucket that Azure puts it in."""
    if isinstance(value, str) and (match := _SECONDS.fullmatch(value)):
        milliseconds = float(match[1]) * 1000
    elif isinstance(value, str) and (match := _DURATION.fullmatch(value)):
        days, hours, minutes, seconds = match.groups()
        milliseconds = ((int(days or 0) * 24 + int(hours)) * 60 + int(minutes)) * 60_000 + float(seconds) * 1000
    else:
        raise EnvelopeError(f"Field 'duration' must look like 0.00:00:01.234, not {_shown(value)}")
    milliseconds = round(milliseconds, 4)  # seven decimals of a second, without the noise of the multiplication
    return {"duration": milliseconds, "performanceBucket": _bucket(milliseconds)}


_BUCKETS: Final = (
    *("<250ms", "250ms-500ms", "500ms-1sec", "1sec-3sec", "3sec-7sec", "7sec-15sec", "15sec-30sec", "30sec-1min"),
    *("1min-2min", "2min-5min", ">=5min"),
)
_BUCKETS_END: Final = (250, 500, 1_000, 3_000, 7_000, 15_000, 30_000, 60_000, 120_000, 300_000)
"""In milliseconds; the last bucket has no end."""


def _bucket(milliseconds: float) -> str:
    return _BUCKETS[bisect_right(_BUCKETS_END, milliseconds)]


def _timestamp(value: Json) -> datetime:
    """An ISO-8601 time as a naive one in UTC, which is how the store keeps times."""
    try:
        if value[10:11] == "T" and value[-1:] == "Z":  # as exporters send it: without its zone it is read in a third
            moment = datetime.fromisoformat(value[:-1])
            if moment.tzinfo is None:
                return moment
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (TypeError, ValueError, OverflowError):
        raise EnvelopeError(f"Field 'time' must be an ISO-8601 time, not {_shown(value)}") from None


def _item_count(sample_rate: Json) -> int:
    """How many items this one stands for: a sample rate of 25 (percent) makes it four."""
    if sample_rate is None:
        return 1
    rate = _number(sample_rate, "sampleRate")
    if not rate or rate <= 0:
        return 1
    return _int32(round(100 / rate), "sampleRate")


def _shown(value: Json) -> str:
    """A value for an error message, short whatever its size."""
    text = repr(value) if isinstance(value, str | int | float | bool | None) else f"a JSON {_JSON_NAMES[type(value)]}"
    return text if len(text) <= 80 else f"{text[:77]}..."


_JSON_NAMES: Final[Mapping[type, str]] = {dict: "object", list: "array"}
