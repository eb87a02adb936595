"""Ask a local Application Insights over its query API."""

from __future__ import annotations

from typing import Any

import httpx


def ask(port: int, kql: str) -> list[dict[str, Any]]:
    """Return the rows of a query as dicts; a query that is refused fails the test with the reason."""
    answer = httpx.post(f"http://127.0.0.1:{port}/v1/apps/local/query", json={"query": kql}, timeout=60)
    assert answer.status_code == 200, f"{answer.json()['error']['innererror']}\n{kql}"
    [table] = answer.json()["tables"]
    names = [column["name"] for column in table["columns"]]
    return [dict(zip(names, row, strict=True)) for row in table["rows"]]
