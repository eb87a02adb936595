"""What one request sends: a flow of two steps with one model call, beside promptflow's own export of the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import urlopen

from measuring import Figure
from servers import server
from serving import MONITOR, PROMPTFLOW, serve

REQUESTS = 50


def benchmark(_: dict[str, Any]) -> Iterator[Figure]:
    """Yield items and bytes a request, metrics apart: those depend on the minutes, not on the requests."""
    told = {}
    with server("model") as model, server("ingestion") as telemetry:
        for tracer in (PROMPTFLOW, MONITOR):
            serve(tracer, "two_steps", model, telemetry, REQUESTS)
            with urlopen(f"http://127.0.0.1:{telemetry}/") as response:
                told[tracer] = json.loads(response.read())
    theirs = told[PROMPTFLOW]
    for tracer, title in ((PROMPTFLOW, "promptflow's export"), (MONITOR, "pf_monitor")):
        own = told[tracer]
        items, their_items = _items(own) / REQUESTS, _items(theirs) / REQUESTS
        yield Figure(f"{title}: items a request", items, "items", items / their_items)
        for key, what in (("plain_bytes", "before compression"), ("bytes", "on the wire")):
            size = own[key] / REQUESTS / 1e3
            yield Figure(f"{title}: {what}", size, "kB", own[key] / theirs[key])


def _items(told: dict[str, Any]) -> int:
    return sum(number for kind, number in told["items"].items() if kind != "MetricData")
