"""Telemetry items of the ingestion protocol become rows of tables.

The protocol ("Breeze") is what every Application Insights SDK and exporter sends: an envelope with a time, an
instrumentation key, context tags and `data`, of which `baseType` says what kind of item `baseData` is. The field names
are those of Microsoft's published schema (the ApplicationInsights-Home repository, EndpointSpecs/Schemas/Bond).

Items that have the same fields are read together, a column at a time. Where one of them cannot be, each is tried by
itself, and those that can are read together again.

Pure functions: nothing here knows of HTTP or of the database.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import is_
from typing import Any, Final, NamedTuple

from pf_monitor.insights.fields import (
    EnvelopeError,
    Json,
    bucket,
    int32,
    item_count,
    mapping,
    measurements,
    milliseconds,
    moment,
    number,
    properties,
    severity,
    shown,
    success,
    text,
)
from pf_monitor.insights.rows import Batch, Columns, Row, batches
from pf_monitor.insights.schema import DIMENSIONS

_MEASUREMENTS: Final = "customMeasurements"

_Objects = Sequence[Mapping[str, Json]]


class Reading(NamedTuple):
    """What items come to: each is in a batch or has been refused."""

    batches: list[Batch]
    refused: dict[int, str]
    """The reasons, by the item's place."""


def read(items: Iterable[tuple[int, Json]]) -> Reading:
    """Return the rows that items stand for.

    Args:
        items: Telemetry items as parsed from JSON, of whatever type arrived, each after its place.
    """
    alike: defaultdict[tuple[Any, ...], list[tuple[int, Json]]] = defaultdict(list)
    for place, item in items:
        try:
            alike[_shape(item)].append((place, item))
        except (AttributeError, LookupError, TypeError):
            alike[(place,)].append((place, item))
    reading = Reading([], {})
    for found in alike.values():
        _read(found, reading)
    return reading


def to_row(envelope: Json) -> Row:
    """Return the table and row that one envelope stands for.

    Args:
        envelope: A telemetry item as parsed from JSON, of whatever type arrived.

    Raises:
        EnvelopeError: If it is not an envelope, is of an unknown kind, or a field has a type that it cannot have.
    """
    ((_, row),) = (found for batch in _batches([0], [envelope]) for found in batch.rows())
    return row


def _read(items: Sequence[tuple[int, Json]], reading: Reading) -> None:
    try:
        _read_together(items, reading)
    except EnvelopeError:
        if readable := [one for one in items if _is_readable(*one, reading)]:
            _read_together(readable, reading)


def _read_together(items: Sequence[tuple[int, Json]], reading: Reading) -> None:
    reading.batches.extend(_batches([place for place, _ in items], [item for _, item in items]))


def _is_readable(place: int, item: Json, reading: Reading) -> bool:
    try:
        to_row(item)
    except EnvelopeError as error:
        reading.refused[place] = str(error)
        return False
    return True


def _shape(item: Json) -> tuple[Any, ...]:
    """What items have in common that are read together."""
    data, tags = item["data"], item.get("tags")
    base = data["baseData"]
    dimensions = base.get("properties")
    return (
        _kind_name(data["baseType"], base),
        tuple(item),
        tuple(base),
        tuple(tags) if type(tags) is dict else None,
        tuple(dimensions) if type(dimensions) is dict else None,
    )


def _batches(places: Sequence[int], items: Sequence[Json]) -> list[Batch]:
    """Read items of one shape.

    Raises:
        EnvelopeError: If one of them cannot be read; which one, it does not tell.
    """
    envelopes = _objects(items, "Envelope")
    data = _objects(_column(envelopes, "data"), "Envelope.data")
    kind = _kind(data[0])
    bases = _objects(_column(data, "baseData"), kind.base_type)
    columns: Columns = kind.read(bases)
    columns["timestamp"] = list(map(moment, _column(envelopes, "time")))
    columns["itemType"] = [kind.item_type] * len(places)
    columns["itemCount"] = list(map(item_count, _column(envelopes, "sampleRate")))
    columns["iKey"] = _texts(_column(envelopes, "iKey"), "Envelope.iKey")
    given = _column(bases, "properties")
    columns[DIMENSIONS] = list(map(properties, given))
    is_alike = all(map(is_, columns[DIMENSIONS], given)) or not any(columns[DIMENSIONS]) or len(places) == 1
    if any(measured := _column(bases, "measurements")):
        columns[_MEASUREMENTS] = [measurements(one) if one else None for one in measured]
        is_alike = is_alike and all(measured)
    columns.update(_context(_column(envelopes, "tags")))
    batch = Batch(kind.table, columns, places)
    return [batch] if is_alike else batches((place, _without_none(row)) for place, row in batch.rows())


def _without_none(row: Row) -> Row:
    """A row of which a column may be absent."""
    if row.values.get(_MEASUREMENTS, row) is None:
        del row.values[_MEASUREMENTS]
    return row


def _objects(values: Sequence[Json], name: str) -> Sequence[dict[str, Json]]:
    return values if set(map(type, values)) == {dict} else [mapping(value, name) for value in values]


def _column(objects: _Objects, field: str) -> list[Json]:
    """A field of each object, None where it is absent."""
    if field in objects[0]:
        try:
            return [one[field] for one in objects]
        except KeyError:
            pass
    return [one.get(field) for one in objects]


def _texts(values: Sequence[Json], field: str) -> Sequence[str]:
    return values if set(map(type, values)) == {str} else [text(value, field) for value in values]


def _same_texts(bases: _Objects, *fields: str) -> Columns:
    """Fields whose column has the same name."""
    return {field: _texts(_column(bases, field), field) for field in fields}


def _durations(bases: _Objects) -> Columns:
    durations = list(map(milliseconds, _column(bases, "duration")))
    return {"duration": durations, "performanceBucket": list(map(bucket, durations))}


def _requests(bases: _Objects) -> Columns:
    return {
        **_same_texts(bases, "id", "source", "name", "url"),
        "success": list(map(success, _column(bases, "success"))),
        "resultCode": _texts(_column(bases, "responseCode"), "responseCode"),
        **_durations(bases),
    }


def _dependencies(bases: _Objects) -> Columns:
    return {
        **_same_texts(bases, "id", "target", "type", "name", "data", "resultCode"),
        "success": list(map(success, _column(bases, "success"))),
        **_durations(bases),
    }


def _exceptions(bases: _Objects) -> Columns:
    found = [_exception(base) for base in bases]
    return {name: [one[name] for one in found] for name in found[0]}


def _exception(base: Mapping[str, Json]) -> dict[str, object]:
    chain = base.get("exceptions")
    if not isinstance(chain, list) or not chain:
        raise EnvelopeError("Field 'exceptions' of 'ExceptionData' must be an array with at least one exception")
    details = [_exception_detail(mapping(one, "ExceptionDetails")) for one in chain]
    outer, innermost = details[0], details[-1]
    outer_frame, innermost_frame = _top_frame(outer), _top_frame(innermost)
    problem_id = text(base.get("problemId"), "problemId")
    if not problem_id:
        problem_id = " at ".join(filter(None, (str(outer["type"]), outer_frame["method"])))
    return {
        "problemId": problem_id,
        "handledAt": text(base.get("handledAt"), "handledAt"),
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
        "severityLevel": severity(base.get("severityLevel")),
        "details": details,
    }


def _exception_detail(one: Mapping[str, Json]) -> dict[str, object]:
    """One link of an exception chain, under the names that the `details` column has in Azure."""
    frames = one.get("parsedStack") or []
    if not isinstance(frames, list):
        raise EnvelopeError("Field 'parsedStack' of 'ExceptionDetails' must be an array")
    return {
        "id": text(one.get("id"), "id"),
        "outerId": text(one.get("outerId"), "outerId"),
        "type": text(one.get("typeName"), "typeName"),
        "message": text(one.get("message"), "message"),
        "parsedStack": [_frame(mapping(frame, "StackFrame")) for frame in frames],
        "rawStack": text(one.get("stack"), "stack"),
    }


def _frame(frame: Mapping[str, Json]) -> dict[str, object]:
    return {
        "level": number(frame.get("level"), "level"),
        "method": text(frame.get("method"), "method"),
        "assembly": text(frame.get("assembly"), "assembly"),
        "fileName": text(frame.get("fileName"), "fileName"),
        "line": number(frame.get("line"), "line"),
    }


def _top_frame(detail: Mapping[str, object]) -> Mapping[str, str]:
    frames: Any = detail["parsedStack"]
    return frames[0] if frames else {"method": "", "assembly": ""}


def _messages(bases: _Objects) -> Columns:
    return {
        **_same_texts(bases, "message"),
        "severityLevel": list(map(severity, _column(bases, "severityLevel"))),
    }


def _events(bases: _Objects) -> Columns:
    return _same_texts(bases, "name")


_COUNTER_NAME = re.compile(r"\\(?P<category>[^\\(]+)(?:\((?P<instance>[^)]*)\))?\\(?P<counter>.+)")
"""A Windows performance counter's path, `\\Category(instance)\\Counter`: the form in which every SDK sends them."""


def _points(bases: _Objects) -> _Objects:
    """The first data point of each metric: the protocol allows a list, Application Insights stores the first."""
    points = []
    for base in bases:
        found = base.get("metrics")
        if not isinstance(found, list) or not found:
            raise EnvelopeError("Field 'metrics' of 'MetricData' must be an array with one data point")
        points.append(mapping(found[0], "DataPoint"))
    return points


def _counters(bases: _Objects) -> Columns:
    points = _points(bases)
    paths: list[Any] = [_COUNTER_NAME.fullmatch(point["name"]) for point in points]
    counters = [path["counter"] for path in paths]
    return {
        "name": counters,
        "category": [path["category"] for path in paths],
        "counter": counters,
        "instance": [path["instance"] or "" for path in paths],
        "value": [number(point.get("value"), "value") for point in points],
    }


def _metrics(bases: _Objects) -> Columns:
    points = _points(bases)
    numbers = {
        field: [number(value, field) for value in _column(points, field)]
        for field in ("value", "min", "max", "count", "stdDev")
    }
    values = numbers["value"]
    return {
        "name": _texts(_column(points, "name"), "name"),
        "value": values,
        "valueCount": [1 if count is None else int32(count, "count") for count in numbers["count"]],
        "valueSum": values,
        "valueMin": [value if least is None else least for least, value in zip(numbers["min"], values, strict=True)],
        "valueMax": [value if most is None else most for most, value in zip(numbers["max"], values, strict=True)],
        "valueStdDev": [deviation or 0.0 for deviation in numbers["stdDev"]],
    }


def _page_views(bases: _Objects) -> Columns:
    durations = [milliseconds(value) if value else None for value in _column(bases, "duration")]
    return {
        **_same_texts(bases, "id", "name", "url"),
        "duration": durations,
        "performanceBucket": ["" if duration is None else bucket(duration) for duration in durations],
    }


def _availability(bases: _Objects) -> Columns:
    return {
        **_same_texts(bases, "id", "name"),
        "location": _texts(_column(bases, "runLocation"), "runLocation"),
        "success": list(map(success, _column(bases, "success"))),
        "message": _texts(_column(bases, "message"), "message"),
        **_durations(bases),
    }


class _Kind(NamedTuple):
    """A kind of items: its `baseType`, its table, the table's itemType, and what reads the items' own fields."""

    base_type: str
    table: str
    item_type: str
    read: Callable[[_Objects], Columns]


_COUNTER: Final = "MetricData, a performance counter"
_KINDS: Final = {
    "RequestData": _Kind("RequestData", "requests", "request", _requests),
    "RemoteDependencyData": _Kind("RemoteDependencyData", "dependencies", "dependency", _dependencies),
    "ExceptionData": _Kind("ExceptionData", "exceptions", "exception", _exceptions),
    "MessageData": _Kind("MessageData", "traces", "trace", _messages),
    "EventData": _Kind("EventData", "customEvents", "customEvent", _events),
    "MetricData": _Kind("MetricData", "customMetrics", "customMetric", _metrics),
    "PageViewData": _Kind("PageViewData", "pageViews", "pageView", _page_views),
    "AvailabilityData": _Kind("AvailabilityData", "availabilityResults", "availabilityResult", _availability),
}
_COUNTERS: Final = _Kind("MetricData", "performanceCounters", "performanceCounter", _counters)


def _kind(data: Mapping[str, Json]) -> _Kind:
    base_type = data.get("baseType")
    name = _kind_name(base_type, data.get("baseData"))
    if name is _COUNTER:
        return _COUNTERS
    if not isinstance(base_type, str) or base_type not in _KINDS:
        raise EnvelopeError(f"Unknown baseType {shown(base_type)}; known are {', '.join(_KINDS)}")
    return _KINDS[base_type]


def _kind_name(base_type: Json, base: Json) -> Json:
    """A metric is a performance counter if its name says so; all else is what it says itself."""
    if base_type == "MetricData":
        try:
            if _COUNTER_NAME.fullmatch(base["metrics"][0]["name"]):
                return _COUNTER
        except (LookupError, TypeError):
            pass
    return base_type


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


def _context(tags: Sequence[Json]) -> Columns:
    if not any(one is not None for one in tags):
        return {}
    present = _objects(tags, "Envelope.tags")
    return {column: _texts(_column(present, tag), tag) for tag in present[0] if (column := _TAGS.get(tag)) is not None}
