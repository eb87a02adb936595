"""The collector's format: JSON objects, a line each or several on one, in files by collection and hour.

Source: "Collect production data from models deployed for real-time inferencing" on learn.microsoft.com, and the files
that the collector writes, in which several objects may share a line.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import uuid4

import orjson

AGENT: Final = "pf_monitor"
ROOT: Final = "modelDataCollector"

_LARGEST_OBJECT: Final = 64_000_000
"""Characters; what goes on for longer is no record."""

_CHUNK_MARGIN: Final = 8
"""An error so near to the end of what has been read may only mean that a literal goes on."""

_UNSAFE: Final = re.compile(r"[^\w.-]+")


class Collection(StrEnum):
    """What a record tells of a request."""

    INPUTS = "model_inputs"
    OUTPUTS = "model_outputs"
    TRACES = "app_traces"


def line(
    collection: Collection, row: Mapping[str, Any], *, source: str, time_ns: int, correlation: str, request: str
) -> bytes:
    """Return a record as it is written, with the end of its line.

    Args:
        collection: Where it belongs.
        row: What is collected.
        source: Whose data it is: an Azure ML deployment's resource id, or what stands for it.
        time_ns: When, in nanoseconds since 1970.
        correlation: What records of one request have in common.
        request: The caller's id of the request.
    """
    data = orjson.dumps([row])
    record = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": source,
        "type": f"azureml.inference.{collection}",
        "datacontenttype": "application/json",
        "time": datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "data": orjson.Fragment(data),
        "correlationid": correlation,
        "xrequestid": request,
        "modelversion": "default",
        "collectdatatype": "pandas.core.frame.DataFrame",
        "agent": AGENT,
        "contentrange": f"bytes 0-{len(data) - 1}/{len(data)}",
    }
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


def path(endpoint: str, deployment: str, collection: Collection, time_ns: int, instance: str) -> str:
    """Return where a record is written, below the place of all collected data.

    Args:
        endpoint: The endpoint, or the flow.
        deployment: The deployment.
        collection: The collection.
        time_ns: When, in nanoseconds since 1970.
        instance: Who writes; a file has one writer.
    """
    hour = datetime.fromtimestamp(time_ns / 1e9, UTC)
    return f"{ROOT}/{_safe(endpoint)}/{_safe(deployment)}/{collection}/{hour:%Y/%m/%d/%H}/{instance}.jsonl"


def objects(chunks: Iterable[bytes]) -> Iterator[dict[str, Any] | None]:
    """Yield the objects of a file, however they are spread over lines; None for each piece that is none.

    Args:
        chunks: The file, in pieces of any size. A file cut off in the middle, as a crash leaves it, loses its last
            object only.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    arriving = iter(chunks)
    buffer, is_over = "", False
    while not is_over:
        # As much again as there is: an object that needs many chunks is tried a few times, not for each of them.
        wanted, pieces = max(1, len(buffer)), []
        while wanted > 0 and not is_over:
            chunk = next(arriving, None)
            is_over = chunk is None
            pieces.append(decoder.decode(chunk or b"", final=is_over))
            wanted -= len(pieces[-1])
        buffer += "".join(pieces)
        position = 0
        for found, end in _decoded(buffer, is_over):
            yield found
            position = end
        buffer = buffer[position:]


_JSON: Final = json.JSONDecoder()
_START: Final = re.compile(r"[^\s,\ufeff\0]")


def _decoded(buffer: str, is_all: bool) -> Iterator[tuple[dict[str, Any] | None, int]]:
    """Yield what the buffer holds, with where it ends; stops where more is needed."""
    position = 0
    while (start := _START.search(buffer, position)) is not None:
        try:
            found, position = _JSON.raw_decode(buffer, start.start())
        except (json.JSONDecodeError, RecursionError) as error:
            if not is_all and _may_go_on(error, buffer, start.start()):
                return
            position = _next_line(buffer, start.end())
            yield None, position
        else:
            yield found if isinstance(found, dict) else None, position


def _may_go_on(error: Exception, buffer: str, start: int) -> bool:
    """Whether an object cannot be read only because the rest has not come yet."""
    if not isinstance(error, json.JSONDecodeError) or len(buffer) - start > _LARGEST_OBJECT:
        return False
    return error.msg.startswith("Unterminated string") or error.pos >= len(buffer) - _CHUNK_MARGIN


def _next_line(buffer: str, position: int) -> int:
    end = buffer.find("\n", position)
    return len(buffer) if end < 0 else end + 1


def _safe(name: str) -> str:
    """A name as a part of a path: no separators, and no way up."""
    return _UNSAFE.sub("-", name).strip(".-")[:100] or "default"
