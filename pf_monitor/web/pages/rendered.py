"""The chart that a query asks for with `render`, drawn from its result as the portal draws it.

The first column of time, or else the first, is the axis; text columns split the rest into series; numbers are values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from markupsafe import Markup

from pf_monitor.web.charts import Series, Times, TimeScale, bar_chart, time_series
from pf_monitor.web.formats import DECIMAL
from pf_monitor.web.times import parse_moment

_OVER_TIME: Final = frozenset({"timechart", "linechart", "areachart", "stackedareachart", "scatterchart"})
_BY_CATEGORY: Final = frozenset({"barchart", "columnchart", "piechart"})

_MOST_SERIES: Final = 6
_MOST_POINTS: Final = 1_000
_MOST_BARS: Final = 50

Rows = Sequence[Sequence[Any]]


def chart_of(result: Mapping[str, Any]) -> Markup | str | None:
    """Draw a result.

    Returns:
        The chart; or a sentence that says why there is none; or None where the query does not ask for one.
    """
    form = result["render"]
    if form is None or form == "table":
        return None
    types = [column["type"] for column in result["columns"]]
    names = [column["name"] for column in result["columns"]]
    values = [index for index, kind in enumerate(types) if kind in {"int", "long", "real"}]
    times = [index for index, kind in enumerate(types) if kind == "datetime"]
    if form not in _OVER_TIME | _BY_CATEGORY:
        known = ", ".join(sorted(_OVER_TIME | _BY_CATEGORY))
        return f"This page does not draw a {form}. It draws {known}."
    if not result["rows"]:
        return "The query found nothing to draw."
    if not values:
        return f"A {form} needs a column of numbers."
    if times and form not in {"piechart", "barchart"}:
        split = next((index for index, kind in enumerate(types) if kind == "string"), None)
        return _over_time(result["rows"], names, times[0], split, values)
    return _by_category(result["rows"], names, values)


def _over_time(rows: Rows, names: Sequence[str], time: int, split: int | None, values: Sequence[int]) -> Markup | str:
    by_series: defaultdict[str, dict[datetime, float | None]] = defaultdict(dict)
    for row in rows:
        if row[time] is None:
            continue
        for value in values:
            name = names[value] if split is None else str(row[split])
            if split is not None and len(values) > 1:
                name = f"{name}, {names[value]}"
            by_series[name][parse_moment(row[time])] = _finite(row[value])
    moments = sorted({moment for points in by_series.values() for moment in points})
    if not moments:
        return "The query found no times to draw."
    kept = sorted(by_series, key=lambda name: -sum(value or 0 for value in by_series[name].values()))[:_MOST_SERIES]
    notes = []
    if len(by_series) > len(kept):
        notes.append(f"The {len(kept)} largest of {len(by_series)} series.")
    if len(moments) > _MOST_POINTS:
        notes.append(f"The last {_MOST_POINTS:,} of {len(moments):,} times.")
        moments = moments[-_MOST_POINTS:]
    series = [
        Series(name, [by_series[name].get(moment) for moment in moments], tone)
        for tone, name in enumerate(kept, start=1)
    ]
    title = ", ".join(names[value] for value in values)
    return time_series("rendered", title, _moments(moments), series, unit=DECIMAL, note=" ".join(notes) or None)


def _moments(moments: Sequence[datetime]) -> Times:
    gap = min((later - earlier for earlier, later in pairwise(moments)), default=timedelta(minutes=1))
    return Times(moments, timedelta(0), TimeScale(moments[0] - gap / 2, moments[-1] + gap / 2))


def _by_category(rows: Rows, names: Sequence[str], values: Sequence[int]) -> Markup:
    value = values[0] if values[0] or len(values) == 1 else values[1]
    category = next(index for index in range(len(names)) if index != value) if len(names) > 1 else None
    bars = [
        ("" if category is None or row[category] is None else str(row[category]), _finite(row[value]))
        for row in rows[:_MOST_BARS]
    ]
    title = names[value] if len(rows) <= _MOST_BARS else f"{names[value]}, the first {_MOST_BARS} of {len(rows):,}"
    head = ("" if category is None else names[category], names[value])
    return bar_chart("rendered", title, head, bars, unit=DECIMAL)


def _finite(value: Any) -> float | None:
    """A number; None for what has no place on an axis: NaN and the infinities, which results spell as text."""
    return value if isinstance(value, int | float) else None
