"""The last lock on a query: its finished SQL may read the tables and its own parts, and nothing else.

DuckDB can read its settings, files and other catalogs by what looks like a table. The translator offers no way there;
this checks that it stays so, on DuckDB's own parse of the statement, whatever a later version of the translator does.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import duckdb
import orjson

from pf_monitor.insights.schema import CATALOG, SCHEMA, TABLES
from pf_monitor.table import QueryError

_TABLE_FUNCTIONS: Final = frozenset({"generate_series", "range", "unnest"})


def check_relations(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse a statement that is not one SELECT over the tables.

    Raises:
        QueryError: If it is not.
    """
    parsed = _parse(connection, sql)
    nodes = list(_nodes(parsed))
    parts = {entry["key"] for node in nodes for entry in node.get("cte_map", {}).get("map", ())}
    for node in nodes:
        if node.get("type") == "BASE_TABLE" and not _is_allowed(node, parts):
            raise QueryError(f"'{node['table_name']}' is not a table; known are {', '.join(TABLES)}")
        if node.get("type") == "TABLE_FUNCTION":
            name = node["function"]["function_name"]
            if name not in _TABLE_FUNCTIONS:
                raise QueryError(f"'{name}' cannot be used in a query")


def _parse(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    try:
        row = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchone()
        parsed = orjson.loads(row[0] if row else "")
    except (duckdb.Error, orjson.JSONDecodeError) as error:
        raise QueryError("The query is nested too deeply") from error
    if parsed.get("error") or len(parsed["statements"]) != 1:  # it serialises nothing but SELECT
        raise QueryError(f"The query cannot be run: {parsed.get('error_message', 'it is not one statement')}")
    return parsed


def _is_allowed(node: dict[str, Any], parts: set[str]) -> bool:
    if node["catalog_name"] or node["schema_name"]:
        place = (node["catalog_name"], node["schema_name"])
        return place == (CATALOG, SCHEMA) and node["table_name"] in TABLES
    return node["table_name"] in parts


def _nodes(root: Any) -> Iterator[dict[str, Any]]:
    stack = [root]
    while stack:
        value = stack.pop()
        if isinstance(value, dict):
            yield value
            stack.extend(value.values())
        elif isinstance(value, list):
            stack.extend(value)
