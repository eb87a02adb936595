"""Runs queries on Azure: on an Application Insights resource, or on a Log Analytics workspace."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self, cast

from pf_monitor.azure.workspace import prelude
from pf_monitor.table import AzureType, Column, QueryError, Table, Value

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import HttpResponseError
    from azure.monitor.query import LogsQueryClient, LogsQueryPartialResult, LogsQueryResult

ENDPOINT: Final = "PF_MONITOR_AZURE_ENDPOINT"
_PUBLIC_CLOUD: Final = "https://api.loganalytics.io"

_CONNECT_S: Final = 10
_SERVER_S: Final = 120
"""How long Azure may work on a query; it stops it then and says so."""

_NAME: Final = r"[\w.()-]+"
_RESOURCE: Final = rf"/subscriptions/{_NAME}/resourceGroups/{_NAME}/providers/%s/{_NAME}"
_COMPONENT: Final = re.compile(_RESOURCE % r"Microsoft\.Insights/components", re.IGNORECASE)
_WORKSPACE: Final = re.compile(_RESOURCE % r"Microsoft\.OperationalInsights/workspaces", re.IGNORECASE)
_WORKSPACE_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


class AzureError(Exception):
    """Azure cannot be asked; the message says what to do."""


@dataclass(frozen=True)
class Target:
    """What a query runs on."""

    id: str
    """A resource id, or a workspace's own id."""
    is_workspace: bool

    @classmethod
    def resource(cls, text: str) -> Self:
        """Read the id of an Application Insights resource.

        Raises:
            ValueError: If it is not one.
        """
        if not _COMPONENT.fullmatch(text.strip().rstrip("/")):
            raise ValueError(
                f"{text!r} is not the id of an Application Insights resource: /subscriptions/ID/resourceGroups/NAME/"
                "providers/Microsoft.Insights/components/NAME, as on the resource's page under Properties"
            )
        return cls(text.strip().rstrip("/"), is_workspace=False)

    @classmethod
    def workspace(cls, text: str) -> Self:
        """Read the id of a Log Analytics workspace: its workspace id, a UUID, or its resource id.

        Raises:
            ValueError: If it is neither.
        """
        given = text.strip().rstrip("/")
        if not _WORKSPACE.fullmatch(given) and not _WORKSPACE_ID.fullmatch(given):
            raise ValueError(
                f"{text!r} is not a workspace: give its workspace id, a UUID, or its resource id /subscriptions/ID/"
                "resourceGroups/NAME/providers/Microsoft.OperationalInsights/workspaces/NAME"
            )
        return cls(given, is_workspace=True)


class AzureSource:
    """Answers KQL from Azure, in the classic table names whatever it runs on."""

    def __init__(self, client: LogsQueryClient, target: Target) -> None:
        self._client = client
        self._target = target

    def query(self, kql: str, since: timedelta | None = None) -> Table:
        """Run a query on the telemetry of the time since, or on all of it.

        Args:
            kql: The query, in the classic table names.
            since: How far back the tables reach; None leaves that to the query.

        Raises:
            QueryError: If the query is wrong, or Azure answers in part only.
            AzureError: If Azure cannot be asked.
        """
        from azure.core.exceptions import AzureError as ClientError
        from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
        from azure.monitor.query import LogsQueryPartialResult

        before = prelude(kql) if self._target.is_workspace else ""
        try:
            result = self._ask(before + kql, since)
        except ClientAuthenticationError as error:
            raise AzureError(_NOT_SIGNED_IN.format(_first_line(error.message))) from error
        except HttpResponseError as error:
            if error.response is None:  # the client wraps what happens before Azure was asked
                raise AzureError(_NOT_SIGNED_IN.format(_first_line(error.message))) from error
            raise self._explained(error, before.count("\n")) from error
        except ClientError as error:
            raise AzureError(
                f"Azure does not answer at {os.environ.get(ENDPOINT, _PUBLIC_CLOUD)}: {_first_line(error.message)}."
                " Check the network, then try again"
            ) from error
        if isinstance(result, LogsQueryPartialResult):
            reason = result.partial_error.message if result.partial_error else "it gives no reason"
            raise QueryError(f"Azure answered in part only: {reason}. Narrow the time range")
        return _table(result)

    def _ask(self, kql: str, since: timedelta | None) -> LogsQueryResult | LogsQueryPartialResult:
        options: dict[str, Any] = {"timespan": since, "server_timeout": _SERVER_S, "include_visualization": True}
        if self._target.id.startswith("/"):
            return self._client.query_resource(self._target.id, kql, **options)
        return self._client.query_workspace(self._target.id, kql, **options)

    def _explained(self, error: HttpResponseError, lines_before: int) -> QueryError | AzureError:
        """Azure's refusal in its own words, at the place in the query as it was given."""
        innermost = _innermost(error)
        message = str(innermost.get("message") or _first_line(error.message))
        if error.status_code == 400:
            line, pos = innermost.get("line"), innermost.get("pos")
            if isinstance(line, int) and isinstance(pos, int) and line > lines_before:
                return QueryError(message, line - lines_before, pos)
            return QueryError(message)
        if error.status_code in {401, 403}:
            return AzureError(
                f"Azure refuses access to {self._target.id}: {message}. Your account needs the role Monitoring Reader"
                " or Log Analytics Reader there; `az account show` says which account that is"
            )
        if error.status_code == 404:
            return AzureError(f"Azure knows no {self._target.id}: {message}. Check the id")
        return AzureError(f"Azure answered {error.status_code}: {message}. Try again later")


_NOT_SIGNED_IN: Final = (
    "No credentials for Azure: {}. Run `az login`, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET"
)


@contextmanager
def open_azure(target: Target, credential: TokenCredential | None = None) -> Iterator[AzureSource]:
    """Give a source that asks Azure, within.

    Args:
        target: What queries run on.
        credential: Who asks; by default whoever azure-identity finds, such as the account of `az login`.
    """
    from azure.identity import DefaultAzureCredential
    from azure.monitor.query import LogsQueryClient

    logging.getLogger("azure").addHandler(logging.NullHandler())  # it says what our message says again
    client = LogsQueryClient(
        credential or DefaultAzureCredential(),
        endpoint=os.environ.get(ENDPOINT) or _PUBLIC_CLOUD,
        connection_timeout=_CONNECT_S,
        read_timeout=_SERVER_S + _CONNECT_S,
        retry_total=3,
        retry_connect=1,
    )
    with client:
        yield AzureSource(client, target)


def _innermost(error: HttpResponseError) -> dict[str, Any]:
    """What an answer says at its most precise."""
    response = error.response
    try:
        found = response.json()["error"] if response is not None else {}  # type: ignore[attr-defined]  # has it
        while isinstance(found.get("innererror"), dict):
            found = found["innererror"]
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    return cast("dict[str, Any]", found)


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0].rstrip(".")


def _table(result: LogsQueryResult) -> Table:
    found = result.tables[0]
    columns = tuple(
        Column(name, cast("AzureType", kind)) for name, kind in zip(found.columns, found.columns_types, strict=True)
    )
    rows = [[_value(value, column) for value, column in zip(row, columns, strict=True)] for row in found.rows]
    return Table(columns, rows, (result.visualization or {}).get("visualization"))


def _value(value: object, column: Column) -> Value:
    """A cell as every source of ours gives it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if value == "None" and column.type in {"timespan", "guid"}:
        return None  # the client makes text of these, also of nothing
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return str(value)
