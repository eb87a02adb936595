"""Values over time: lines, with a band of uncertainty where there is one, or stacked bars. A gap stays a gap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

from markupsafe import Markup

from pf_monitor.web.charts import frame
from pf_monitor.web.charts.frame import LegendEntry, Numbers, down
from pf_monitor.web.charts.scale import Scale, TimeScale, linear
from pf_monitor.web.formats import Unit, shown
from pf_monitor.web.markup import element, joined, percent
from pf_monitor.web.times import iso, time_element

Value = float | int | None


@dataclass(frozen=True)
class Series:
    """Values at the times of a chart.

    Attributes:
        name: As the legend has it.
        values: One for each time; None where there is none.
        tone: Which colour, with its dash or pattern; 1 to 6.
        low: The lower ends of an interval around each value, if it has one.
        high: The upper ends.
    """

    name: str
    values: Sequence[Value]
    tone: int = 1
    low: Sequence[Value] | None = None
    high: Sequence[Value] | None = None


@dataclass(frozen=True)
class Times:
    """The times of a chart.

    Attributes:
        starts: When each bin begins, ascending.
        step: How long a bin is; zero for moments.
        scale: The axis.
    """

    starts: Sequence[datetime]
    step: timedelta
    scale: TimeScale

    def middle(self, index: int) -> float:
        """Return where a bin's middle stands, as a share of the axis."""
        return self.scale.place(self.starts[index] + self.step / 2)

    def stripe(self, index: int) -> tuple[float, float]:
        """Return the part of the axis that is nearer to this bin than to any other."""
        here = self.middle(index)
        left = (self.middle(index - 1) + here) / 2 if index else 0.0
        right = (self.middle(index + 1) + here) / 2 if index + 1 < len(self.starts) else 1.0
        return max(0.0, left), min(1.0, right)


def time_series(
    key: str,
    title: str,
    times: Times,
    series: Sequence[Series],
    *,
    unit: Unit,
    form: Literal["lines", "bars"] = "lines",
    extent: tuple[float, float] | None = None,
    note: str | None = None,
) -> Markup:
    """Draw values over time.

    Args:
        key: Unique on the page.
        title: The chart's name.
        times: When.
        series: What; bars are stacked in this order, from below.
        unit: Of all values.
        form: Lines, or stacked bars.
        extent: The ends of the value axis; from zero to the greatest value unless given.
        note: What has to be known to read it.
    """
    scale = linear(*(extent or _extent(series, stacked=form == "bars")), whole=unit.whole)
    parts = [frame.value_axis(scale, unit), time_axis(times.scale)]
    if not times.starts or all(value is None for one in series for value in one.values):
        parts.append(frame.no_data("No data in this time"))
    elif form == "bars":
        parts.extend(_bars(key, times, series, scale))
    else:
        lines = [shape for one in series for shape in _line(times, one, scale, alone=len(series) == 1)]
        parts.append(frame.stretched(*lines))
    parts.extend(_hits(times, series, unit))
    return frame.figure(
        key,
        title,
        joined(*parts),
        _numbers(times, series, unit),
        description=_description(series, unit),
        legend=_legend(series, form),
        note=note,
    )


def time_axis(scale: TimeScale) -> Markup:
    """Draw the labels below a plot whose axis across is time."""
    drawn = []
    for index, tick in enumerate(scale.ticks()):
        x = percent(scale.place(tick))
        y = frame.TOP + frame.PLOT
        drawn.append(element("line", x1=x, x2=x, y1=y, y2=y + 4, class_="axis"))
        drawn.append(
            element(
                "text",
                scale.label(tick),
                x=x,
                y=y + 19,
                class_="tick middle" if index % 2 else "tick middle kept",
                data_time=iso(tick),
                data_precision=scale.precision,
            )
        )
    return joined(*drawn)


def _extent(series: Sequence[Series], *, stacked: bool) -> tuple[float, float]:
    if stacked:
        columns = zip(*(one.values for one in series), strict=True)
        return 0.0, float(max((sum(value or 0 for value in column) for column in columns), default=0))
    values = [value for one in series for value in (*one.values, *(one.high or ())) if value is not None]
    lows = [value for one in series for value in (*one.values, *(one.low or ())) if value is not None]
    return min(0.0, *lows, 0.0), max(0.0, *values, 0.0)


def _bars(key: str, times: Times, series: Sequence[Series], scale: Scale) -> Iterator[Markup]:
    across = times.step / (times.scale.until - times.scale.since)
    width = max(0.001, across * 0.78)
    for index in range(len(times.starts)):
        below, x = 0.0, times.middle(index) - width / 2
        for one in series:
            value = one.values[index]
            if not value:
                continue
            top, bottom = down(scale, below + value), down(scale, below)
            yield element(
                "rect",
                x=percent(x),
                width=percent(width),
                y=top,
                height=max(0.75, bottom - top),
                fill=frame.fill(key, one.tone) or None if len(series) > 1 else None,
                class_=f"bar tone-{one.tone} filled" if one.tone == 1 or len(series) == 1 else "bar",
            )
            below += value


def _line(times: Times, series: Series, scale: Scale, *, alone: bool) -> Iterator[Markup]:
    low, high = series.low, series.high
    if low is not None and high is not None:
        for run in _runs(low):
            edge = [(times.middle(i), down(scale, _known(high[i]))) for i in run]
            edge += [(times.middle(i), down(scale, _known(low[i]))) for i in reversed(run)]
            yield element("path", d=frame.path(edge) + "Z", class_=f"band tone-{series.tone}")
    for run in _runs(series.values):
        points = [(times.middle(i), down(scale, _known(series.values[i]))) for i in run]
        name = f"line tone-{series.tone} {'dot' if len(run) == 1 else 'stroked solid' if alone else 'stroked'}"
        yield element("path", d=frame.path(points), class_=name)


def _runs(values: Sequence[Value]) -> Iterator[list[int]]:
    """The indices of values that have no gap between them."""
    run: list[int] = []
    for index, value in enumerate(values):
        if value is not None:
            run.append(index)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _known(value: Value) -> float:
    return 0.0 if value is None else float(value)


def _hits(times: Times, series: Sequence[Series], unit: Unit) -> Iterator[Markup]:
    for index, start in enumerate(times.starts):
        lines = [f"{start.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"]
        lines += [f"{one.name}: {_said(one, index, unit)}" for one in series]
        yield frame.hit(*times.stripe(index), "\n".join(lines))


def _said(series: Series, index: int, unit: Unit) -> str:
    text = shown(series.values[index], unit)
    if series.low is None or series.high is None or series.values[index] is None:
        return text
    return f"{text} ({shown(series.low[index], unit)} to {shown(series.high[index], unit)})"


def _numbers(times: Times, series: Sequence[Series], unit: Unit) -> Numbers:
    rows = [
        [time_element(start), *(_said(one, index, unit) for one in series)] for index, start in enumerate(times.starts)
    ]
    return Numbers(["Time", *(one.name for one in series)], rows)


def _description(series: Sequence[Series], unit: Unit) -> str:
    sentences = []
    for one in series:
        known = [value for value in one.values if value is not None]
        if known:
            sentences.append(f"{one.name}: from {unit.exact(min(known))} to {unit.exact(max(known))}.")
        else:
            sentences.append(f"{one.name}: no data.")
    return " ".join(sentences)


def _legend(series: Sequence[Series], form: str) -> list[LegendEntry]:
    if len(series) < 2:
        return []
    return [LegendEntry(one.name, one.tone, "bar" if form == "bars" else "line") for one in series]


def regular(since: datetime, until: datetime, starts: Sequence[datetime]) -> Times:
    """Return the times of bins that are equally long, over a range."""
    step = min((later - earlier for earlier, later in pairwise(starts)), default=until - since)
    first = min(since, starts[0]) if starts else since
    last = max(until, starts[-1] + step) if starts else until
    return Times(starts, step, TimeScale(first, last))
