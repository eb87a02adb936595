"""Values as KQL literals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

Parameter = str | int | float | bool | datetime | timedelta
"""What a query's parameter can be."""


class Expression(str):
    """KQL that stands for a value, such as `ago(1d)`. It is put into the query as it is: never from a user's text."""

    __slots__ = ()


class Choice(Expression):
    """KQL for a text that its reader picks later, such as a workbook's parameter; `*` is everything."""

    __slots__ = ()


def literal(value: Parameter) -> str:
    """Return a value as KQL writes it. Text is quoted, so that it may hold anything.

    Raises:
        ValueError: If a datetime has no time zone.
    """
    match value:
        case Expression():
            return str(value)
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"{value} has no time zone")
            return f"datetime({value.astimezone(UTC).isoformat().replace('+00:00', 'Z')})"
        case timedelta():
            return f"{value // timedelta(milliseconds=1)}ms"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value.translate(_ESCAPES)}"'
        case int() | float():
            return repr(value)


_ESCAPES = str.maketrans({'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
"""What a KQL string literal cannot hold as it is."""
