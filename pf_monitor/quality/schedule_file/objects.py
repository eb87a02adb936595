"""Writes a `MonitorSchedule` object of azure-ai-ml as the mapping that the file would hold.

Its own way of doing so refuses objects that its constructors take. azure-ai-ml itself is not imported here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Final

_MONITOR_KEYS: Final = ("compute", "monitoring_target", "monitoring_signals", "alert_notification")
_LEFT_OUT: Final = frozenset({"compute_type"})


def is_schedule(schedule: object) -> bool:
    """Whether an object is a `MonitorSchedule`."""
    return any(kind.__name__ == "MonitorSchedule" for kind in type(schedule).__mro__)


def name_of(content: Mapping[str, Any]) -> str:
    """Return what messages call a monitor that did not come from a file."""
    return f"MonitorSchedule {content.get('name') or ''}".strip()


def as_mapping(schedule: Any) -> dict[str, Any]:
    """Return the mapping that the file would hold."""
    definition = schedule.create_monitor
    content = {key: _plain(getattr(schedule, key)) for key in ("name", "display_name", "trigger", "properties")}
    monitor = {} if definition is None else {key: _plain(getattr(definition, key)) for key in _MONITOR_KEYS}
    return {key: value for key, value in {**content, "create_monitor": monitor}.items() if value not in (None, {})}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items() if one is not None}
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    if isinstance(value, Sequence):
        return [_plain(one) for one in value]
    return _attributes(value)


def _attributes(value: Any) -> dict[str, Any]:
    """Return what an object of azure-ai-ml was given, under the names of the file."""
    found = {
        name: _plain(one)
        for name, one in vars(value).items()
        if not name.startswith("_") and name not in _LEFT_OUT and one is not None
    }
    # A recurrence without a pattern has one that is empty.
    return {name: one for name, one in found.items() if one not in ([], {}) and not _is_empty_pattern(name, one)}


def _is_empty_pattern(name: str, value: Any) -> bool:
    return name == "schedule" and not any(value.values())
