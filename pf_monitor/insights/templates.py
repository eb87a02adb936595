"""Translations that are kept: parsing and checking a query takes longer than running it.

The queries of a page differ from one load to the next in their times alone. So a query is translated with stand-ins in
the place of its `datetime(...)` literals and of its time range, and what comes of it is kept, by the query's text without
times. The times are put in after that. A query whose stand-ins do not all arrive in the SQL is translated as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from pf_monitor.insights.kql import QueryError, Sql, translate
from pf_monitor.insights.timespan import Timespan

KEPT: Final = 256
"""Translations kept at most, each of some 30 KB."""

_LITERAL = re.compile(r"\bdatetime\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?Z)\)")
_STAND_INS: Final = "8999-09-09T09:09:09"
"""How every stand-in begins: a time that no query means."""
_MAX_TIMES: Final = 20


class Translation(NamedTuple):
    """A translated query."""

    sql: Sql
    template: str
    """The SQL with stand-ins for its times: what is safe about it is safe about the SQL."""


def translation(kql: str, timespan: Timespan | None, *, by_property: bool) -> Translation:
    """Translate a query, or take what has been kept; arguments and errors are those of `translate`."""
    times = list(dict.fromkeys(_LITERAL.findall(kql)))
    if len(times) > _MAX_TIMES or _STAND_INS in kql or "query_now" in kql or not all(map(_is_time, times)):
        return _direct(kql, timespan, by_property=by_property)
    numbers = {time: number for number, time in enumerate(times)}
    masked = _LITERAL.sub(lambda match: f"datetime({_stand_in(numbers[match[1]])})", kql)
    if timespan is not None:
        times.extend(moment.astimezone(UTC).isoformat().replace("+00:00", "Z") for moment in timespan)
    try:
        template, reads_properties = _template(masked, timespan is not None, len(numbers), by_property)
    except QueryError:
        return _direct(kql, timespan, by_property=by_property)  # whose error names the place in the query as it is
    if any(_stand_in(number) not in template for number in range(len(times))):
        return _direct(kql, timespan, by_property=by_property)
    return Translation(Sql(_filled(template, times), reads_properties), template)


def _direct(kql: str, timespan: Timespan | None, *, by_property: bool) -> Translation:
    sql = translate(kql, timespan, by_property=by_property)
    return Translation(sql, sql.text)


@lru_cache(maxsize=KEPT)
def _template(masked: str, has_timespan: bool, literals: int, by_property: bool) -> Sql:
    timespan = None
    if has_timespan:
        timespan = Timespan(*(datetime.fromisoformat(_stand_in(literals + number)) for number in range(2)))
    return translate(masked, timespan, by_property=by_property)


def _stand_in(number: int) -> str:
    return f"{_STAND_INS}.{100_001 + number:06}Z"


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _filled(template: str, times: Sequence[str]) -> str:
    for number, time in enumerate(times):
        template = template.replace(_stand_in(number), time)
    return template
