"""The queries: every number on a screen is defined in a `.kql` file here, and nowhere else.

A file runs unchanged in the Azure portal and on the local Application Insights. Its parameters are the names that it
uses and does not define (`since`, `until`, `operation`); they are given as leading `let` lines:

    load("summary", since=datetime(2024, 1, 1, tzinfo=UTC), until=datetime.now(UTC))
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib.resources import files

_NAME = re.compile(r"[a-z_]+")


def load(name: str, **parameters: str | int | float | datetime) -> str:
    """Return a query with its parameters set.

    Args:
        name: The file's name without `.kql`.
        **parameters: A value for each name that the query leaves open. Text is quoted, so that it may hold anything.

    Raises:
        FileNotFoundError: If there is no such query.
        ValueError: If a datetime has no time zone.
    """
    text = files(__package__).joinpath(f"{name}.kql").read_text(encoding="utf-8")
    return "".join(f"let {key} = {_literal(value)};\n" for key, value in parameters.items()) + text


def names() -> list[str]:
    """Return the names of all queries."""
    return sorted(file.name.removesuffix(".kql") for file in files(__package__).iterdir() if file.name.endswith(".kql"))


def _literal(value: str | int | float | datetime) -> str:
    match value:
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"{value} has no time zone")
            return f"datetime({value.astimezone(UTC).isoformat().replace('+00:00', 'Z')})"
        case str():
            return f'"{value.translate(_ESCAPES)}"'
        case int() | float():
            return repr(value)


_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
"""What a KQL string literal cannot hold as it is."""
