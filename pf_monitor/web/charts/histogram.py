"""How values are distributed: a bar for each range of values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from pf_monitor.web.charts import frame
from pf_monitor.web.charts.frame import Numbers, down
from pf_monitor.web.charts.scale import linear
from pf_monitor.web.formats import COUNT, Unit
from pf_monitor.web.markup import element, joined, percent

_LABELS = 8
"""The most labels that stand side by side."""


class Bin(NamedTuple):
    """A range of values from `low` up to `high`, without end where that is None, and how many fall into it."""

    low: float
    high: float | None
    size: int


def histogram(key: str, title: str, bins: Sequence[Bin], *, unit: Unit, note: str | None = None) -> Markup:
    """Draw a distribution.

    Args:
        key: Unique on the page.
        title: The chart's name.
        bins: Adjacent, ascending. They are drawn equally wide.
        unit: Of the values that are counted.
        note: What has to be known to read it.
    """
    scale = linear(0, max((one.size for one in bins), default=0), whole=True)
    parts = [frame.value_axis(scale, COUNT)]
    if not any(one.size for one in bins):
        parts.append(frame.no_data("No data in this time"))
    for index, one in enumerate(bins):
        left, right = index / len(bins), (index + 1) / len(bins)
        inset = 0.06 / len(bins)
        top = down(scale, one.size)
        if one.size:
            parts.append(
                element(
                    "rect",
                    x=percent(left + inset),
                    width=percent(right - left - 2 * inset),
                    y=top,
                    height=max(0.75, frame.TOP + frame.PLOT - top),
                    class_="bar tone-1 filled",
                )
            )
        parts.append(frame.hit(left, right, f"{_range(one, unit)}: {COUNT.exact(one.size)}"))
    parts.append(_edges(bins, unit))
    counted = sum(one.size for one in bins)
    return frame.figure(
        key,
        title,
        joined(*parts),
        Numbers(["Range", "Count"], [[_range(one, unit), COUNT.exact(one.size)] for one in bins]),
        description=f"{COUNT.exact(counted)} values in {len(bins)} ranges.",
        note=note,
    )


def _edges(bins: Sequence[Bin], unit: Unit) -> Markup:
    if not bins:
        return Markup("")
    every = math.ceil((len(bins) + 1) / _LABELS)
    edges = [one.low for one in bins] + ([bins[-1].high] if bins[-1].high is not None else [])
    return joined(
        *(
            element(
                "text",
                unit.short(edge),
                x=percent(index / len(bins)),
                y=frame.TOP + frame.PLOT + 19,
                class_="tick middle kept" if (index // every) % 2 == 0 else "tick middle",
            )
            for index, edge in enumerate(edges)
            if index % every == 0
        )
    )


def _range(one: Bin, unit: Unit) -> str:
    low = unit.exact(one.low)
    return f"{low} or more" if one.high is None else f"{low} to less than {unit.exact(one.high)}"
