"""Asks a running local Application Insights, by its query API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from pf_monitor.local import TOKEN, configured_token

if TYPE_CHECKING:
    import httpx

    from pf_monitor.table import Table


class RefusedError(Exception):
    """The server answers nothing that it is asked; the message says why, and what to do."""


class ServerSource:
    """The query API of a running local Application Insights. Use `connect` to get one."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    @classmethod
    @contextmanager
    def connect(cls, url: str) -> Iterator[Self]:
        """Give the source at a URL, such as `http://127.0.0.1:4319`, within.

        It brings the token of the environment, if there is one.
        """
        import httpx

        token = configured_token()
        headers = {} if token is None else {b"Authorization": b"Bearer " + token.encode()}
        with httpx.Client(base_url=url, headers=headers, timeout=90, trust_env=False) as client:
            yield cls(client)

    def is_up(self) -> bool:
        """Whether a local Application Insights answers.

        Raises:
            RefusedError: If it does, and refuses.
        """
        import httpx

        try:
            answer = self._client.get("/health", timeout=5)
            told = answer.json()
            if answer.status_code == 200:
                return bool(told["status"] == "ok")
            message = str(told["error"]["message"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return False
        remedy = f" Set {TOKEN} to it." if answer.status_code == 401 else ""
        raise RefusedError(f"{self._client.base_url} refuses: {message}.{remedy}")

    def query(self, kql: str, since: timedelta | None = None) -> Table:
        """Run a query on the telemetry of the time since, or on all of it.

        Raises:
            QueryError: If the query is wrong.
            httpx.HTTPError: If the server does not answer.
        """
        from pf_monitor.table import Column, QueryError, Table

        body: dict[str, object] = {"query": kql}
        if since is not None:
            body["timespan"] = f"PT{since.total_seconds():.0f}S"
        response = self._client.post("/v1/apps/local/query", json=body, headers={"Prefer": "include-render=true"})
        answer = response.json()
        if "error" in answer:
            inner = answer["error"].get("innererror", answer["error"])
            raise QueryError(inner["message"], inner.get("line"), inner.get("pos"))
        table = answer["tables"][0]
        columns = tuple(Column(column["name"], column["type"]) for column in table["columns"])
        return Table(columns, table["rows"], answer.get("render", {}).get("visualization"))
