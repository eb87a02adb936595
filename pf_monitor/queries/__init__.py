"""The queries: every number on a screen is defined in a `.kql` file here, and nowhere else.

A file runs in the Azure portal and on the local Application Insights. Its parameters are the names that it uses and
does not define (`since`, `until`, `operation`); they are given as leading `let` lines. Most files start from the tables
of `scope.kql` (`Spans`, `Runs`, `Calls`, `Nodes`, `Errors`, `Evaluations`), which are put in front too, narrowed by
filters:

    load("summary", Filters(flow="chat"), since=datetime(2024, 1, 1, tzinfo=UTC), until=datetime.now(UTC))

What `load` returns runs unchanged wherever it is pasted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Final

from pf_monitor.queries.filters import Filters, selection
from pf_monitor.queries.literals import Choice, Expression, Parameter, literal

__all__ = ["Choice", "Expression", "Filters", "Parameter", "load", "names", "own_text", "parameters"]

_SCOPE: Final = "scope"
"""The file whose tables other files start from."""


def load(name: str, filters: Filters | None = None, /, **parameters: Parameter) -> str:
    """Return a query with its parameters set.

    Args:
        name: The file's name without `.kql`.
        filters: Which requests are counted, in a query that starts from the tables of `scope.kql`.
        **parameters: A value for each name that the query leaves open.

    Raises:
        FileNotFoundError: If there is no such query.
        ValueError: If a datetime has no time zone.
    """
    text = own_text(name)
    lets = "".join(f"let {key} = {literal(value)};\n" for key, value in parameters.items())
    return lets + _prelude(text, filters or Filters()) + text


@cache
def own_text(name: str) -> str:
    """Return what a file says, without the parameters and tables that `load` puts in front.

    Raises:
        FileNotFoundError: If there is no such query.
    """
    return files(__package__).joinpath(f"{name}.kql").read_text(encoding="utf-8")


def names() -> list[str]:
    """Return the names of all queries."""
    found = (file.name.removesuffix(".kql") for file in files(__package__).iterdir() if file.name.endswith(".kql"))
    return sorted(name for name in found if name != _SCOPE)


def parameters(name: str) -> list[str]:
    """Return the parameters that a query leaves open, in the order in which it names them first."""
    text = _without_text(load(name))
    defined = re.findall(r"\blet (\w+)", text)
    return [one for one in dict.fromkeys(_PARAMETER.findall(text)) if one not in defined]


_PARAMETER: Final = re.compile(
    r"\b(?:since|until|operations|operation|monitor_name|step|upto|size|sorted_by|descending|words)\b"
)


def _prelude(text: str, filters: Filters) -> str:
    """The statements that define the tables which a query starts from, and nothing that it does not need."""
    chosen = selection(filters)
    statements = _tables() | {_defined(let): let for let in chosen.lets}
    for table, conditions in chosen.conditions.items():
        statements[table] = _narrowed(statements[table], conditions)
    order = ["Spans", *(_defined(let) for let in chosen.lets), *_tables()]
    needed = _needed(text, statements)
    return "".join(f"{statements[table]}\n" for table in dict.fromkeys(order) if table in needed)


def _narrowed(statement: str, conditions: Sequence[str]) -> str:
    body = statement.rstrip(";")
    return body + "".join(f"\n| where {condition}" for condition in conditions) + ";"


def _needed(text: str, statements: dict[str, str]) -> set[str]:
    """The tables that a text names, and those that these are made of."""
    found = {table for table in statements if re.search(rf"\b{table}\b", _without_text(text))}
    beneath = [_needed(statements[table].partition("=")[2], statements) for table in found]
    return found.union(*beneath)


@cache
def _tables() -> dict[str, str]:
    """The statements of `scope.kql`, without comments, by the name that each defines."""
    lines = (re.sub(r"\s*//.*", "", line) for line in own_text(_SCOPE).splitlines())
    text = "\n".join(line for line in lines if line)
    return {_defined(one): f"{one.strip()};" for one in text.split(";") if one.strip()}


def _defined(statement: str) -> str:
    return statement.split()[1]


_TEXT: Final = re.compile(r'//[^\n]*|"(?:\\.|[^"\\\n])*"')


def _without_text(kql: str) -> str:
    """A query without its comments and string literals."""
    return _TEXT.sub("", kql)
