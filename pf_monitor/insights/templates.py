"""Translations that are kept: parsing and checking a query takes longer than running it.

The queries of a page differ from one load to the next in their times alone, or in the id of an operation. So a query is
translated with stand-ins in the place of its `datetime(...)` literals, of its time range, and of text that is 32 hex
digits; what comes of it is kept, by the query's text with stand-ins. What they stand for is put in after that. A query
whose stand-ins do not all arrive in the SQL is translated as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from pf_monitor.insights.kql import Sql, translate
from pf_monitor.insights.timespan import Timespan
from pf_monitor.table import QueryError

KEPT: Final = 256
"""Translations kept at most, each of some 30 KB."""

_LITERAL = re.compile(r"(\bdatetime\()(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z)(?=\))" r'|(")([0-9a-f]{32})(?=")')
_TIME: Final = "8999-09-09T09:09:09."
_ID: Final = "fedcba9876543210fedcba9876"
"""How the stand-ins begin: a time and an id that no query means."""
_MAX_LITERALS: Final = 20


class Translation(NamedTuple):
    """A translated query."""

    sql: Sql
    template: str
    """The SQL with stand-ins: what is safe about it is safe about the SQL."""


def translation(kql: str, timespan: Timespan | None, *, by_property: bool) -> Translation:
    """Translate a query, or take what has been kept; arguments and errors are those of `translate`."""
    literals: dict[str, str] = {}

    def mask(match: re.Match[str]) -> str:
        opening, literal = (match[1], match[2]) if match[1] else (match[3], match[4])
        return opening + literals.setdefault(literal, _stand_in(len(literals), is_time=bool(match[1])))

    masked = _LITERAL.sub(mask, kql)
    spread = ["", ""]
    if timespan is not None:
        for number, moment in enumerate(timespan):
            spread[number] = _stand_in(_MAX_LITERALS + number, is_time=True)
            literals[f"{'<>'[number]}{_iso(moment)}"] = spread[number]
    if len(literals) > _MAX_LITERALS or _TIME in kql or _ID in kql or "query_now" in kql or not _are_times(literals):
        return _direct(kql, timespan, by_property=by_property)
    try:
        template = _template(masked, *spread, by_property)
    except QueryError:
        return _direct(kql, timespan, by_property=by_property)  # whose error names the place in the query as it is
    if any(stand_in not in template.text for stand_in in literals.values()):
        return _direct(kql, timespan, by_property=by_property)
    operation = None if template.operation is None else _filled(template.operation, literals)
    sql = template._replace(text=_filled(template.text, literals), operation=operation)
    return Translation(sql, template.text)


def _direct(kql: str, timespan: Timespan | None, *, by_property: bool) -> Translation:
    sql = translate(kql, timespan, by_property=by_property)
    return Translation(sql, sql.text)


@lru_cache(maxsize=KEPT)
def _template(masked: str, start: str, end: str, by_property: bool) -> Sql:
    timespan = Timespan(datetime.fromisoformat(start), datetime.fromisoformat(end)) if start else None
    return translate(masked, timespan, by_property=by_property)


def _stand_in(number: int, *, is_time: bool) -> str:
    return f"{_TIME}{100_001 + number}Z" if is_time else f"{_ID}{100_001 + number}"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _are_times(literals: Mapping[str, str]) -> bool:
    try:
        for literal, stand_in in literals.items():
            if stand_in.startswith(_TIME):
                datetime.fromisoformat(literal.lstrip("<>"))
    except ValueError:
        return False
    return True


def _filled(template: str, literals: Mapping[str, str]) -> str:
    for literal, stand_in in literals.items():
        template = template.replace(stand_in, literal.lstrip("<>"))
    return template
