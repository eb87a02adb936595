"""The exporter's items as plain JSON values, without its generated serialiser.

That one looks every single value up, checks and converts it anew: 170 µs an item, two thirds of all that sending costs.
What the exporter has put into its items has the right types already, but for the values of dicts.

The items do not become JSON here, which the spool would have to read again: they are handed over to it as they are,
past the exporter's client, which sends an empty list in their place.
"""

from __future__ import annotations

import threading
from typing import Any

from pf_monitor.pipeline.breathing import in_breaths

_ITEMS = "[TelemetryItem]"


class _HandedOver(threading.local):
    items: list[dict[str, Any]] | None = None


_handed = _HandedOver()


def handed_over() -> list[dict[str, Any]] | None:
    """Return the items of the request that this thread's exporter is sending, once; None where they are in its body."""
    items, _handed.items = _handed.items, None
    return items


def simplify(exporter: Any) -> None:
    """Let an exporter's client hand its items over, where it is made as the ones that we know.

    Args:
        exporter: An Azure Monitor exporter whose transport asks for what is `handed_over`. One whose client is made
            differently is left as it is.
    """
    serializer = getattr(getattr(exporter, "client", None), "_serialize", None)
    generated = getattr(serializer, "body", None)
    if serializer is None or generated is None:
        return

    def body(data: Any, data_type: str, **options: Any) -> Any:
        if data_type == _ITEMS:
            try:
                _handed.items = [_plain(item) for item in in_breaths(data)]
            except Exception:  # noqa: BLE001 - an item that is made differently goes the long way
                return generated(data, data_type, **options)
            return []
        return generated(data, data_type, **options)

    serializer.body = body


def _plain(model: Any) -> dict[str, Any]:
    """Return a model as its attribute map says; what is None is left out."""
    plain: dict[str, Any] = {}
    for name, place in type(model)._attribute_map.items():
        value = getattr(model, name)
        if value is None:
            continue
        if place["key"]:
            plain[place["key"]] = _value(value, place["type"])
        else:  # additional properties stand beside the others
            plain.update(value)
    return plain


def _value(value: Any, kind: str) -> Any:
    if kind == "str":
        return value if type(value) is str else str(value)
    if kind == "{str}":
        return {
            key if type(key) is str else str.__str__(key): text if type(text) is str else str(text)  # tags are an enum
            for key, text in value.items()
            if text is not None
        }
    if kind == "{float}":
        return {key: float(number) for key, number in value.items() if number is not None}
    if kind == "float":
        return float(value)
    if isinstance(value, list):
        return [_plain(member) for member in value]
    if hasattr(value, "_attribute_map"):
        return _plain(value)
    return value
