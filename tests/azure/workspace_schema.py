"""The tables of a Log Analytics workspace, as Microsoft documents them.

https://learn.microsoft.com/azure/azure-monitor/app/convert-classic-resource#workspace-based-resource-changes
"""

from __future__ import annotations

_EVERYWHERE = """
    ResourceGUID AppVersion ClientBrowser ClientCity ClientCountryOrRegion ClientIP ClientModel ClientOS
    ClientStateOrProvince ClientType AppRoleInstance AppRoleName Properties:dynamic IKey Type OperationId OperationName
    ParentId SyntheticSource SDKVersion SessionId TimeGenerated:datetime UserAccountId UserAuthenticatedId UserId
"""
_MEASURED = "Measurements:dynamic ItemCount:int"

_OWN = {
    "AppRequests": f"Id Source Name Url Success:bool ResultCode DurationMs:real PerformanceBucket {_MEASURED}",
    "AppDependencies": f"""
        Id Target DependencyType Name Data Success:bool ResultCode DurationMs:real PerformanceBucket {_MEASURED}
    """,
    "AppExceptions": f"""
        Assembly Details:dynamic ExceptionType HandledAt InnermostAssembly InnermostMessage InnermostMethod
        InnermostType Message Method OuterAssembly OuterMessage OuterMethod OuterType ProblemId SeverityLevel:int
        {_MEASURED}
    """,
    "AppTraces": f"Message SeverityLevel:int {_MEASURED}",
    "AppEvents": f"Name {_MEASURED}",
    "AppMetrics": "Name ItemCount:int Max:real Min:real Sum:real",
    "AppPerformanceCounters": "Name Category Instance Value:real",
    "AppPageViews": f"Id Name Url DurationMs:real PerformanceBucket {_MEASURED}",
    "AppAvailabilityResults": f"""
        Id Name Location Success:bool Message DurationMs:real Size:real PerformanceBucket {_MEASURED}
    """,
}


def _columns(text: str) -> str:
    pairs = (word.partition(":") for word in text.split())
    return "(" + ", ".join(f"{name}: {kind or 'string'}" for name, _, kind in pairs) + ")"


WORKSPACE = {table: _columns(own + _EVERYWHERE) for table, own in _OWN.items()}
"""Each table's columns, as Microsoft's checker takes them."""
