"""Ask a local Application Insights over its query API."""

from __future__ import annotations

import json
from typing import Any

import httpx


def ask(port: int, kql: str, *, timeout_s: float = 60) -> list[dict[str, Any]]:
    """Return the rows of a query as dicts; a query that is refused fails the test with the reason."""
    address = f"http://127.0.0.1:{port}/v1/apps/local/query"
    answer = httpx.post(address, json={"query": kql}, timeout=timeout_s)
    assert answer.status_code == 200, f"{answer.text}\n{kql}"
    [table] = answer.json()["tables"]
    names = [column["name"] for column in table["columns"]]
    return [dict(zip(names, row, strict=True)) for row in table["rows"]]


def ask_with_dimensions(port: int, kql: str) -> list[dict[str, Any]]:
    """Return the rows of a query, their custom dimensions as a dict."""
    rows = ask(port, kql)
    for row in rows:
        if row.get("customDimensions") is not None:
            row["customDimensions"] = json.loads(row["customDimensions"])
    return rows
