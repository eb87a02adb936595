"""The classic tables on a Log Analytics workspace: one mapping of names, put in front of a query as KQL.

A query on an Application Insights resource uses the classic names, and so do all of ours. On the workspace behind it
the same rows are in `AppRequests` and its like, under other column names. The mapping follows
https://learn.microsoft.com/azure/azure-monitor/app/convert-classic-resource#workspace-based-resource-changes
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

_SUCCESS: Final = 'case(isnull(Success), "", Success, "True", "False")'
"""Classic `success` is text, as our queries compare it."""

_CONTEXT: Final[Mapping[str, str]] = {
    "operation_Name": "OperationName",
    "operation_Id": "OperationId",
    "operation_ParentId": "ParentId",
    "operation_SyntheticSource": "SyntheticSource",
    "session_Id": "SessionId",
    "user_Id": "UserId",
    "user_AuthenticatedId": "UserAuthenticatedId",
    "user_AccountId": "UserAccountId",
    "application_Version": "AppVersion",
    "client_Type": "ClientType",
    "client_Model": "ClientModel",
    "client_OS": "ClientOS",
    "client_IP": "ClientIP",
    "client_City": "ClientCity",
    "client_StateOrProvince": "ClientStateOrProvince",
    "client_CountryOrRegion": "ClientCountryOrRegion",
    "client_Browser": "ClientBrowser",
    "cloud_RoleName": "AppRoleName",
    "cloud_RoleInstance": "AppRoleInstance",
    "appId": "ResourceGUID",
    "appName": '""',  # not kept on a workspace
    "iKey": "IKey",
    "sdkVersion": "SDKVersion",
    "itemId": '""',  # not kept on a workspace
}
_MEASURED: Final = {"customMeasurements": "Measurements", "itemCount": "ItemCount"}
_UNMEASURED: Final = {"customMeasurements": "dynamic(null)", "itemCount": "int(1)"}
_CALL: Final = {"success": _SUCCESS, "resultCode": "ResultCode", "duration": "DurationMs"}
_BUCKET: Final = {"performanceBucket": "PerformanceBucket"}


def _same(names: str) -> dict[str, str]:
    """Columns that differ in their first letter's case alone."""
    return {name: name[0].upper() + name[1:] for name in names.split()}


_TABLES: Final[Mapping[str, tuple[str, str, Mapping[str, str]]]] = {
    "requests": ("AppRequests", "request", _same("id source name url") | _CALL | _BUCKET | _MEASURED),
    "dependencies": (
        "AppDependencies",
        "dependency",
        _same("id target") | {"type": "DependencyType"} | _same("name data") | _CALL | _BUCKET | _MEASURED,
    ),
    "exceptions": (
        "AppExceptions",
        "exception",
        _same("problemId handledAt")
        | {"type": "ExceptionType"}
        | _same("message assembly method outerType outerMessage outerAssembly outerMethod")
        | _same("innermostType innermostMessage innermostAssembly innermostMethod severityLevel details")
        | _MEASURED,
    ),
    "traces": ("AppTraces", "trace", _same("message severityLevel") | _MEASURED),
    "customEvents": ("AppEvents", "customEvent", _same("name") | _MEASURED),
    "customMetrics": (
        "AppMetrics",
        "customMetric",
        {
            "name": "Name",
            "value": "iff(ItemCount > 0, Sum / ItemCount, real(null))",
            "valueCount": "ItemCount",
            "valueSum": "Sum",
            "valueMin": "Min",
            "valueMax": "Max",
            "valueStdDev": "real(null)",
        }
        | _UNMEASURED,
    ),
    "performanceCounters": (
        "AppPerformanceCounters",
        "performanceCounter",
        _same("name category") | {"counter": '""'} | _same("instance value") | _UNMEASURED,
    ),
    "pageViews": ("AppPageViews", "pageView", _same("id name url") | {"duration": "DurationMs"} | _BUCKET | _MEASURED),
    "availabilityResults": (
        "AppAvailabilityResults",
        "availabilityResult",
        _same("id name location")
        | {"success": _SUCCESS}
        | _same("message")
        | {"duration": "DurationMs"}
        | _same("size")
        | _BUCKET
        | _MEASURED,
    ),
}
"""Of each classic table: the workspace's table, the item type, and where its own columns come from."""


def workspace_tables() -> dict[str, str]:
    """Return the workspace's name of each classic table."""
    return {classic: table for classic, (table, _, _) in _TABLES.items()}


def columns(classic: str) -> dict[str, str]:
    """Return where each column of a classic table comes from on the workspace, as KQL over the workspace's table."""
    _, item_type, own = _TABLES[classic]
    shared = {"timestamp": "TimeGenerated", "itemType": f'"{item_type}"', "customDimensions": "Properties"}
    return {**shared, **own, **_CONTEXT}


def prelude(kql: str) -> str:
    """Return the statements, one a line, that define the classic tables which a query names."""
    words = set(re.findall(r"\w+", _COMMENT_OR_TEXT.sub(" ", kql)))
    return "".join(f"{_definition(classic)}\n" for classic in _TABLES if classic in words)


def on_workspace(kql: str) -> str:
    """Return a query over the classic tables as it runs on a Log Analytics workspace."""
    return prelude(kql) + kql


def _definition(classic: str) -> str:
    mapped = ", ".join(f"{name} = {origin}" for name, origin in columns(classic).items())
    return f"let {classic} = {_TABLES[classic][0]} | project {mapped};"


_COMMENT_OR_TEXT: Final = re.compile(r"""//[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""")
