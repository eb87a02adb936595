"""The keys of customDimensions that queries read most, each kept in a typed column of its own beside the VARIANT.

Such a column holds exactly what reading the key from customDimensions gives: its text, or the number that KQL makes of
it. Reading it is some twenty times faster, and the query's SQL is short. No query can name these columns, and no result
shows them; `properties.py` puts them in the place of what the translator writes.

Nearly every value is plain: text under a text key, digits under a number key, since exporters send text. Those are read
here. A row with any other value is filled by DuckDB, with the translator's own rules, so that both ways agree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from duckdb_kql import ir
from duckdb_kql.translate import render_expr

from pf_monitor.insights import hashing
from pf_monitor.insights.schema import DIMENSIONS, HIDDEN_PREFIX

KeyType = Literal["text", "long", "real"]

_SQL_TYPES: Final[Mapping[KeyType, str]] = {"text": "VARCHAR", "long": "BIGINT", "real": "DOUBLE"}


class Key(NamedTuple):
    """A key with a column of its own."""

    name: str
    type: KeyType
    column: str

    @property
    def sql_type(self) -> str:
        """The column's DuckDB type."""
        return _SQL_TYPES[self.type]

    @property
    def filled(self) -> str:
        """What fills the column from the VARIANT, in SQL: exact for every value, and slow."""
        variant = f"variant_extract({DIMENSIONS}, '{self.name}')"
        text = text_of(self.name)
        if self.type == "text":
            return text
        path = ir.PathAccess(ir.ColumnRef(DIMENSIONS), (ir.PathStep(self.name, None),))
        function = "tolong" if self.type == "long" else "todouble"
        written = render_expr(ir.FunctionCall(function, (path,))).replace(render_expr(path), f"CAST({variant} AS JSON)")
        return number_sql(text, self.sql_type, otherwise=written)


def text_of(name: str) -> str:
    """Return the SQL of a key's text, from the VARIANT."""
    return f"CAST(variant_extract({DIMENSIONS}, '{name}') AS VARCHAR)"


def number_sql(text: str, sql_type: str, *, otherwise: str) -> str:
    """A number from the text of a dimension, where that is plain; else by the translator's exact but slow rules."""
    number = f"TRY_CAST({text} AS {sql_type})"
    plain = f"isfinite({number})" if sql_type == "DOUBLE" else f"CAST({number} AS VARCHAR) = {text}"
    return f"CASE WHEN {text} IS NULL THEN NULL WHEN {plain} THEN {number} ELSE {otherwise} END"


def _keys(kind: KeyType, names: str) -> dict[str, Key]:
    return {name: Key(name, kind, f"{HIDDEN_PREFIX}{name}") for name in names.split()}


KEYS: Final[Mapping[str, Key]] = {
    **_keys(
        "text",
        """
        pf_monitor.kind pf_monitor.flow pf_monitor.node pf_monitor.deployment pf_monitor.outcome pf_monitor.error.type
        pf_monitor.request_id session.id gen_ai.conversation.id gen_ai.request.model gen_ai.response.model
        pf_monitor.usage.source gen_ai.evaluation.name gen_ai.evaluation.score.label pf_monitor.evaluator
        pf_monitor.monitor
        """,
    ),
    **_keys(
        "long",
        """
        gen_ai.usage.input_tokens gen_ai.usage.output_tokens gen_ai.usage.cache_read.input_tokens
        pf_monitor.usage.input_tokens pf_monitor.usage.output_tokens pf_monitor.usage.total_tokens
        pf_monitor.usage.llm_calls
        """,
    ),
    **_keys("real", "pf_monitor.usage.cost_usd gen_ai.response.time_to_first_chunk gen_ai.evaluation.score.value"),
}
"""By name. A change here is a change of the store's layout; see `layout.py`."""

_LONG = re.compile(r"0|-?[1-9][0-9]{0,17}")
_REAL = re.compile(r"-?[0-9]{1,300}(?:\.[0-9]{1,300})?(?:[eE][+-]?[0-9]{1,3})?")

Values = Sequence[str] | list[int] | list[float]
"""A column of some rows."""


def _plain_longs(texts: Sequence[str]) -> list[int] | None:
    return list(map(int, texts)) if all(map(_LONG.fullmatch, texts)) else None


def _plain_reals(texts: Sequence[str]) -> list[float] | None:
    if not all(map(_REAL.fullmatch, texts)):
        return None
    numbers = list(map(float, texts))
    return numbers if all(map(math.isfinite, numbers)) else None


def _hashes(texts: Sequence[str]) -> list[int] | None:
    try:
        return list(map(hashing.hash_of, texts))
    except UnicodeEncodeError:
        return None


_READERS: Final[Mapping[KeyType, Callable[[Sequence[str]], Values | None]]] = {
    "text": lambda texts: texts,
    "long": _plain_longs,
    "real": _plain_reals,
}
_COLUMNS: Final[Mapping[str, tuple[str, Callable[[Sequence[str]], Values | None]]]] = {
    **{key.name: (key.column, _READERS[key.type]) for key in KEYS.values()},
    hashing.HASHED: (hashing.COLUMN, _hashes),
}
"""By a key's name, its column and what reads plain values."""


def plain_columns(dimensions: Sequence[Mapping[str, object]]) -> dict[str, Values] | None:
    """Return the columns of some rows, by name; None if a value is not plain, so that only `Key.filled` knows it.

    Of every item that comes in, so column by column: a call of Python for each value would show.

    Args:
        dimensions: The rows' custom dimensions, which all have the same keys.
    """
    columns: dict[str, Values] = {}
    for name in dimensions[0]:
        if (known := _COLUMNS.get(name)) is None:
            continue
        column, read = known
        texts: Any = [one[name] for one in dimensions]
        if set(map(type, texts)) != {str} or (values := read(texts)) is None:
            return None
        columns[column] = values
    return columns
