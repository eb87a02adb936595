"""A query whose times differ from those of one before gives what it would give by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from talk import request

from pf_monitor.insights import Store, Timespan
from pf_monitor.insights.envelope import to_row
from pf_monitor.insights.kql import translate
from pf_monitor.insights.templates import translation

START = datetime(2024, 5, 1, tzinfo=UTC)
QUERIES = [
    "let since = datetime({0}); requests | where timestamp >= since | summarize n = count() by bin(timestamp, 7h)",
    "requests | where timestamp between (datetime({0}) .. datetime({1})) | count",
    "print datetime({0}) - 1d, startofday(datetime({1})), 'datetime({0})', datetime({1}) - datetime({0})",
    'requests | where operation_Id == "{2}" or name has "{2}" | count',
    'print toupper("{2}"), tolower("{2}"), strlen("{2}"), extract("^(.)", 1, "{2}"), dynamic(["{2}"])',
    "requests | where customDimensions['{2}'] == 'x' and timestamp < datetime({1}) | count",
]


@pytest.mark.parametrize("kql", QUERIES)
def test_each_time_counts(store: Store, kql: str) -> None:
    for hour in range(0, 48, 5):
        name = f"{hour:032x}"
        item = request(name, properties={name: "x"}) | {"time": (START + timedelta(hours=hour)).isoformat()}
        store.append([to_row(item | {"tags": {"ai.operation.id": name}})])

    for hours, fraction in ((3, ""), (20, ".5"), (30, ".123456")):
        first, last = (f"{START + timedelta(hours=h):%Y-%m-%dT%H:%M:%S}{fraction}Z" for h in (hours, hours + 9))
        asked = kql.format(first, last, f"{hours // 5 * 5:032x}")
        for timespan in (None, Timespan(START + timedelta(hours=hours), START + timedelta(days=2))):
            text = translate(asked, timespan).text
            with store._connection.cursor() as cursor:
                expected = sorted(map(str, cursor.execute(text).fetchall()))
                kept = translation(asked, timespan, by_property=True).sql.text
                assert sorted(map(str, cursor.execute(kept).fetchall())) == expected


def test_what_no_calendar_has_is_said_as_before(store: Store) -> None:
    assert store.query("print x = datetime(2024-02-31T00:00:00Z)").rows == [[None]]
