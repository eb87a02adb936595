"""Reading single custom dimensions from the VARIANT column, without putting the others together.

Nearly every query reads a few properties of customDimensions: `customDimensions["pf_monitor.kind"]`. The translator
writes `json_extract` on JSON text for them. The column is a VARIANT, which DuckDB keeps as one column a property, and
DuckDB reads such a column by itself when the extraction stands directly over the table. So each property that a query
reads becomes a hidden column of its tables, extracted there, and stands in for what the translator wrote. Measured on
300,000 rows, two cores: an aggregate by model takes 3 ms this way, 47 ms with the extraction where the translator has
it, and 250 ms with the column turned to JSON.

Where a query uses the column in any way not understood here, it is answered from JSON: slower, never otherwise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from duckdb_kql import ir
from duckdb_kql.translate import render_expr

from pf_monitor.insights import hashing
from pf_monitor.insights.keys import KEYS, Key, KeyType, number_sql
from pf_monitor.insights.schema import DIMENSIONS, HIDDEN_PREFIX


class Property(NamedTuple):
    """A property that a query reads by its name."""

    name: str
    column: str
    """The hidden column that holds it, of type VARIANT."""
    path: ir.PathAccess
    is_read: bool = True
    """Whether that column is read, not just the typed one of its key."""

    @property
    def key(self) -> Key | None:
        """The key, if it has a typed column in the tables."""
        return KEYS.get(self.name)

    @property
    def kept(self) -> list[str]:
        """The columns that the tables themselves have for it."""
        columns = [] if self.key is None else [self.key.column]
        return [*columns, hashing.COLUMN] if self.name == hashing.HASHED else columns

    @property
    def columns(self) -> list[str]:
        """The hidden columns that a query's tables have for it."""
        return [self.column, *self.kept]

    @property
    def selected(self) -> list[str]:
        """What gives a table those columns."""
        name = self.name.replace("'", "''")
        variant = f"variant_extract({DIMENSIONS}, '{name}') AS \"{self.column}\""
        kept = [f'"{column}"' for column in self.kept]
        return [variant, *kept] if self.is_read else kept


def find_properties(query: ir.Query) -> list[Property] | None:
    """Return the properties that a query reads, and let their hidden columns pass where it lists columns.

    None, and the query untouched, unless all that it does with customDimensions is to read properties by constant
    names and to pass the column on under its own name. Then the column and its properties stay together through every
    operator, so that a hidden column always belongs to the customDimensions that it is read for.
    """
    nodes = list(walk(query))
    paths: dict[str, ir.PathAccess] = {}
    understood: set[int] = set()
    projects: list[tuple[list[ir.Operator], int]] = []
    for node in nodes:
        if isinstance(node, ir.PathAccess) and _is_dimensions(node.base):
            match node.steps:
                case (ir.PathStep(name=str(name), index=None),):
                    paths.setdefault(name, node)
                    understood.add(id(node.base))
                case _:
                    return None
        elif isinstance(node, ir.Query):
            for index, operator in enumerate(node.operators):
                if isinstance(operator, ir.Project) and (passed := _passed_on(operator)):
                    understood.update(passed)
                    projects.append((node.operators, index))
    if any(_uses_otherwise(node, understood) for node in nodes):
        return None
    properties = [
        Property(name, f"{HIDDEN_PREFIX}{number}_", path) for number, (name, path) in enumerate(paths.items())
    ]
    hidden = tuple(ir.NamedExpr(ir.ColumnRef(name), name) for one in properties for name in one.columns)
    for operators, index in projects:
        project: Any = operators[index]
        operators[index] = dataclasses.replace(project, expressions=project.expressions + hidden)
    return properties


def walk(root: object) -> Iterator[Any]:
    """Every node of a query, each once: the tree shares nodes, and following every path to one would not end."""
    stack, seen = [root], set()
    while stack:
        node = stack.pop()
        if isinstance(node, list | tuple):
            stack.extend(node)
        elif dataclasses.is_dataclass(node) and id(node) not in seen:
            seen.add(id(node))
            yield node
            stack.extend(getattr(node, field.name) for field in dataclasses.fields(node))


def _is_dimensions(node: object) -> bool:
    return isinstance(node, ir.ColumnRef) and node.name == DIMENSIONS


def _passed_on(project: ir.Project) -> list[int]:
    """The references by which a projection passes customDimensions on under its own name."""
    return [id(one.expr) for one in project.expressions if _is_dimensions(one.expr) and one.name in {None, DIMENSIONS}]


def _uses_otherwise(node: Any, understood: set[int]) -> bool:
    """Whether a node does with customDimensions what is not understood here."""
    match node:
        case ir.ColumnRef():
            used = node.name.startswith(DIMENSIONS) and id(node) not in understood
        case ir.PathStep() | ir.Literal():
            used = False
        case ir.NamedExpr(expr=ir.ColumnRef()) if id(node.expr) in understood:
            used = False
        case ir.GetSchema():
            used = True
        case ir.ProjectAway():
            used = any("*" in column or column.startswith(DIMENSIONS) for column in node.columns)
        case ir.Distinct():
            used = any(isinstance(inner, ir.Wildcard) for inner in walk(node))
        case _:
            # A rename, an expansion, a join key, a column of that name made anew: all name the column as plain text.
            used = any(_names_dimensions(getattr(node, field.name)) for field in dataclasses.fields(node))
    return used


def _names_dimensions(value: object) -> bool:
    if isinstance(value, list | tuple):
        return any(_names_dimensions(one) for one in value)
    return isinstance(value, str) and value.startswith((DIMENSIONS, HIDDEN_PREFIX))


_NUMBERS: Final = {"toint": "INTEGER", "tolong": "BIGINT", "todouble": "DOUBLE", "toreal": "DOUBLE"}
_FUNCTIONS: Final[Mapping[KeyType, Sequence[str]]] = {"long": ("tolong",), "real": ("todouble", "toreal")}
"""The functions whose result a key's own column holds."""


def read_properties(sql: str, properties: Sequence[Property]) -> str:
    """Read the hidden columns, where the translator wrote JSON functions."""
    for written, read in _replacements(properties):
        sql = sql.replace(written, read)
    return sql


def _replacements(properties: Iterable[Property]) -> Iterator[tuple[str, str]]:
    """What the translator writes for the reading of a property, and what reads it from the hidden column.

    A dimension holds a scalar (see `envelope.py`), whose text is the same as VARIANT and as JSON.
    """
    for one in properties:
        path, key = render_expr(one.path), one.key
        if one.name == hashing.HASHED:
            yield hashing.replacement(one.path)
        text = f'"{key.column}"' if key and key.type == "text" else f'CAST("{one.column}" AS VARCHAR)'
        if key and key.type in _FUNCTIONS:
            for function in _FUNCTIONS[key.type]:
                yield render_expr(ir.FunctionCall(function, (one.path,))), f'"{key.column}"'
        for argument in (one.path, ir.FunctionCall("tostring", (one.path,))):
            for function, sql_type in _NUMBERS.items():
                written = render_expr(ir.FunctionCall(function, (argument,)))
                yield written, number_sql(text, sql_type, otherwise=written)
        yield f"{path} ->> '$'", text
        yield path, f'CAST("{one.column}" AS JSON)'
