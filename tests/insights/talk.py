"""What tests say to a local Application Insights over loopback, and what they make of its answers."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from pf_monitor.local import connection_string

KEY = "00000000-0000-4000-8000-706600004319"


class Server:
    """A running server, spoken to as SDKs and users do."""

    def __init__(self, port: int, directory: Path) -> None:
        self.port = port
        self.directory = directory
        self.connection_string = connection_string(port)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60)

    def track(self, content: bytes | str, path: str = "/v2.1/track", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.client.post(path, content=content, headers=named)

    def ask(self, kql: str, timespan: str | None = None) -> httpx.Response:
        return self.client.post("/v1/apps/local/query", json={"query": kql, "timespan": timespan})

    def rows(self, kql: str, timespan: str | None = None) -> list[dict[str, Any]]:
        answer = self.ask(kql, timespan)
        assert answer.status_code == 200, answer.text
        table = answer.json()["tables"][0]
        return [dict(zip([c["name"] for c in table["columns"]], row, strict=True)) for row in table["rows"]]


def filled(row: dict[str, Any]) -> dict[str, Any]:
    """A row without its empty columns and without the id that the server gave it."""
    return {name: value for name, value in row.items() if value not in {"", None} and name != "itemId"}


def envelope(base_type: str, base: dict[str, Any], **item: Any) -> dict[str, Any]:
    """An item as the Python exporter sends one."""
    data = {"baseType": base_type, "baseData": {"ver": 2, **base}}
    time = datetime(2024, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC).isoformat()
    return {
        "ver": 1,
        "name": f"Microsoft.ApplicationInsights.{base_type}",
        "time": time,
        "iKey": KEY,
        "data": data,
    } | item


def request(name: str = "chat", **base: Any) -> dict[str, Any]:
    """A request item that took 1.5 s."""
    duration = "0.00:00:01.500"
    return envelope(
        "RequestData", {"id": "a1", "name": name, "duration": duration, "responseCode": "0", "success": True} | base
    )
