"""The items that a store was filled with, as the Azure Monitor exporter sends them."""

from __future__ import annotations

import gzip
import itertools
import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from pf_monitor.insights import Store

TABLES: Final = ("requests", "dependencies", "exceptions", "customEvents", "performanceCounters")

_SLICE: Final = timedelta(minutes=10)

Item = dict[str, Any]


def items(store: Store, most: int | None = None) -> Iterator[Item]:
    """Yield the items of each table in the order of time, at most so many a table."""
    for table in TABLES:
        yield from itertools.islice(_items(store, table), most)


def _items(store: Store, table: str) -> Iterator[Item]:
    """Yield the items of a table in the order of time, slice by slice: an answer may have 100 MiB of text at most."""
    ((begin, end),) = store.query(f"{table} | summarize min(timestamp), max(timestamp)").rows
    if begin is None:
        return
    since, last = datetime.fromisoformat(str(begin)), datetime.fromisoformat(str(end))
    while since <= last:
        until = since + _SLICE
        own = f"timestamp >= datetime({since.isoformat()}) and timestamp < datetime({until.isoformat()})"
        for row in store.query(f"{table} | where {own} | order by timestamp asc").records():
            yield _item(table, row)
        since = until


def bodies(sent: Sequence[Item], size: int) -> Iterator[bytes]:
    """Yield the bodies of requests that bring items: JSON, compressed as pf_monitor's exporter does."""
    for first in range(0, len(sent), size):
        yield gzip.compress(json.dumps(sent[first : first + size]).encode(), compresslevel=1)


def _item(table: str, row: Item) -> Item:
    kind, base = _base(table, row)
    tags = {tag: row[column] for tag, column in _TAGS.items() if row[column]}
    base["properties"] = json.loads(row["customDimensions"] or "{}")
    return {
        "ver": 1,
        "name": f"Microsoft.ApplicationInsights.{kind.removesuffix('Data')}",
        "time": row["timestamp"],
        "iKey": row["iKey"],
        "tags": tags,
        "data": {"baseType": kind, "baseData": {"ver": 2, **base}},
    }


def _base(table: str, row: Item) -> tuple[str, Item]:
    match table:
        case "requests":
            return "RequestData", {**_run(row), "source": row["source"] or None, "url": row["url"] or None}
        case "dependencies":
            own = {name: row[name] or None for name in ("type", "target", "data")}
            return "RemoteDependencyData", {**_run(row), **own}
        case "exceptions":
            chain = [
                {"typeName": one["type"], "message": one["message"], "hasFullStack": True, "stack": one["rawStack"]}
                for one in json.loads(row["details"])
            ]
            return "ExceptionData", {"exceptions": chain}
        case "performanceCounters":
            point = {"name": rf"\{row['category']}({row['instance']})\{row['counter']}", "value": row["value"]}
            return "MetricData", {"metrics": [point]}
        case _:
            return "EventData", {"name": row["name"]}


def _run(row: Item) -> Item:
    """What a request and a dependency have in common."""
    seconds, ticks = divmod(round(row["duration"] * 10_000), 10_000_000)
    return {
        "id": row["id"],
        "name": row["name"],
        "duration": f"0.{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{ticks:07}",
        "success": row["success"] == "True",
        "responseCode" if row["itemType"] == "request" else "resultCode": row["resultCode"],
    }


_TAGS: Final = {
    "ai.operation.id": "operation_Id",
    "ai.operation.parentId": "operation_ParentId",
    "ai.operation.name": "operation_Name",
    "ai.user.id": "user_Id",
    "ai.device.type": "client_Type",
    "ai.cloud.role": "cloud_RoleName",
    "ai.cloud.roleInstance": "cloud_RoleInstance",
    "ai.internal.sdkVersion": "sdkVersion",
}
