"""The tables of Application Insights, with Azure's column names, types and order.

The names are those of the classic schema, which queries on an Application Insights resource use:
https://learn.microsoft.com/azure/azure-monitor/reference/tables-category (the `App…` tables list the classic name of
each column). A query that runs here therefore runs unchanged in the Azure portal.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pf_monitor.table import AzureType, Column

HIDDEN_PREFIX: Final = "\x1f"
"""How a hidden column's name begins; results leave out what does. No query can spell it unnoticed."""

_SQL_TYPES: Final[Mapping[AzureType, str]] = {
    "string": "VARCHAR",
    "datetime": "TIMESTAMP",
    "real": "DOUBLE",
    "int": "INTEGER",
    "dynamic": "JSON",
}

CATALOG: Final = "store"
SCHEMA: Final = "items"
"""Database and schema of the tables, which no query can name."""

DIMENSIONS: Final = "customDimensions"
"""The column that nearly every query reads a few properties of. It is stored as DuckDB's VARIANT, which keeps each
property as a column of its own: reading one property does not read, let alone parse, the others."""


def stored(name: str) -> str:
    """Return a table's full name in the database."""
    return f"{CATALOG}.{SCHEMA}.{name}"


def sql_type(column: Column) -> str:
    """Return the DuckDB type that holds a column."""
    return "VARIANT" if column.name == DIMENSIONS else _SQL_TYPES[column.type]


def _columns(spec: str) -> tuple[Column, ...]:
    """Read `name:type` pairs; a bare name is a string, which most columns are."""
    pairs = (word.partition(":") for word in spec.split())
    return tuple(Column(name, kind or "string") for name, _, kind in pairs)  # type: ignore[arg-type]  # the specs are ours


_CUSTOM = f"itemType {DIMENSIONS}:dynamic customMeasurements:dynamic"
_CONTEXT = """
    operation_Name operation_Id operation_ParentId operation_SyntheticSource session_Id user_Id user_AuthenticatedId
    user_AccountId application_Version client_Type client_Model client_OS client_IP client_City client_StateOrProvince
    client_CountryOrRegion client_Browser cloud_RoleName cloud_RoleInstance appId appName iKey sdkVersion itemId
    itemCount:int
"""

TABLES: Final[Mapping[str, tuple[Column, ...]]] = {
    table: _columns(f"timestamp:datetime {own} {_CUSTOM} {_CONTEXT}")
    for table, own in {
        "requests": "id source name url success resultCode duration:real performanceBucket",
        "dependencies": "id target type name data success resultCode duration:real performanceBucket",
        "exceptions": """
            problemId handledAt type message assembly method outerType outerMessage outerAssembly outerMethod
            innermostType innermostMessage innermostAssembly innermostMethod severityLevel:int details:dynamic
        """,
        "traces": "message severityLevel:int",
        "customEvents": "name",
        "customMetrics": """
            name value:real valueCount:int valueSum:real valueMin:real valueMax:real valueStdDev:real
        """,
        "performanceCounters": "name category counter instance value:real",
        "pageViews": "id name url duration:real performanceBucket",
        "availabilityResults": "id name location success message duration:real size:real performanceBucket",
    }.items()
}
"""Every table's columns in Azure's order: its own, then the custom ones, then where the item comes from."""
