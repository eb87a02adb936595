"""A query's result, in the types and spellings of Azure's query API."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import duckdb
import orjson

from pf_monitor.insights.schema import HIDDEN_PREFIX
from pf_monitor.table import AzureType, Column, QueryError, Table, Value

MAX_RESULT_CHARACTERS: Final = 100 * 1024 * 1024
"""The most text that a query may return; Azure's own limit, in bytes."""

_CHUNK: Final = 2_000


def read_result(cursor: duckdb.DuckDBPyConnection, limit: int) -> Table:
    """Read what a query that was executed returns.

    Raises:
        QueryError: If it is more than `limit` rows, or more than `MAX_RESULT_CHARACTERS` of text.
    """
    described = [(index, name, str(kind)) for index, (name, kind, *_) in enumerate(cursor.description or ())]
    shown = [column for column in described if not column[1].startswith(HIDDEN_PREFIX)]
    columns = tuple(Column(name, _azure_type(kind)) for _, name, kind in shown)
    convert = [(index, _CONVERTERS.get(_family(kind), _plain)) for index, _, kind in shown]
    rows: list[list[Value]] = []
    characters = 0
    while chunk := cursor.fetchmany(_CHUNK):
        converted = [[one(row[index]) for index, one in convert] for row in chunk]
        characters += sum(len(value) for row in converted for value in row if isinstance(value, str))
        rows.extend(converted)
        if len(rows) > limit:
            raise QueryError(f"The result has more than {limit} rows: add 'take', or summarize")
        if characters > MAX_RESULT_CHARACTERS:
            size = f"{MAX_RESULT_CHARACTERS // 1024**2} MiB"
            raise QueryError(
                f"The result has more than {size} of text: add 'take', 'project' fewer columns, or summarize"
            )
    return Table(columns, rows)


def _family(sql_type: str) -> str:
    """A DuckDB type without its parameters: `DECIMAL(18,3)` is a DECIMAL, `VARCHAR[]` a LIST."""
    if sql_type.endswith("]"):
        return "LIST"
    return sql_type.partition("(")[0]


_AZURE_TYPES: Final[dict[str, AzureType]] = {
    "BIGINT": "long",
    "BOOLEAN": "bool",
    "DATE": "datetime",
    "DECIMAL": "real",
    "DOUBLE": "real",
    "FLOAT": "real",
    "HUGEINT": "long",
    "INTEGER": "int",
    "INTERVAL": "timespan",
    "JSON": "dynamic",
    "LIST": "dynamic",
    "MAP": "dynamic",
    "SMALLINT": "int",
    "STRUCT": "dynamic",
    "TIMESTAMP": "datetime",
    "TIMESTAMP WITH TIME ZONE": "datetime",
    "TINYINT": "int",
    "UBIGINT": "long",
    "UHUGEINT": "long",
    "UINTEGER": "long",
    "USMALLINT": "int",
    "UTINYINT": "int",
    "UUID": "guid",
    "VARIANT": "dynamic",
}


def _azure_type(sql_type: str) -> AzureType:
    return _AZURE_TYPES.get(_family(sql_type), "string")


def _plain(value: Any) -> Value:
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)


def _real(value: Any) -> Value:
    """JSON has no NaN and no infinities; Azure's API spells them as text."""
    if value is None:
        return None
    number = float(value)
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else ("Infinity" if number > 0 else "-Infinity")


def _datetime(value: Any) -> Value:
    if value is None:
        return None
    if not isinstance(value, datetime):
        return f"{value.isoformat()}T00:00:00Z" if isinstance(value, date) else str(value)
    text = value.replace(tzinfo=None).isoformat()
    return f"{text.rstrip('0')}Z" if "." in text else f"{text}Z"


def _timespan(value: Any) -> Value:
    if not isinstance(value, timedelta):
        return None if value is None else str(value)
    microseconds = value // timedelta(microseconds=1)
    sign, microseconds = ("-", -microseconds) if microseconds < 0 else ("", microseconds)
    seconds, fraction = divmod(microseconds, 1_000_000)
    minutes, second = divmod(seconds, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    day = f"{days}." if days else ""
    rest = f".{fraction:06}0" if fraction else ""
    return f"{sign}{day}{hour:02}:{minute:02}:{second:02}{rest}"


def _dynamic(value: Any) -> Value:
    if value is None or isinstance(value, str):
        return value
    return orjson.dumps(value, default=_jsonable).decode()


def _variant(value: Any) -> Value:
    return None if value is None else orjson.dumps(value, default=_jsonable).decode()


def _jsonable(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)


def _converter(kind: AzureType) -> Callable[[Any], Value]:
    return {"real": _real, "datetime": _datetime, "timespan": _timespan, "dynamic": _dynamic}.get(kind, _plain)


_CONVERTERS: Final = {family: _converter(kind) for family, kind in _AZURE_TYPES.items()} | {"VARIANT": _variant}
