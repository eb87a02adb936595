"""What every chart has around it: a name, a legend, axes, and its numbers as a table.

Coordinates across are percent of the plot's width and those down are pixels, so that a chart fills whatever width it is
given while its text and lines keep their size. Lines and areas, which SVG lets nobody give in percent, are drawn in a
nested drawing of 1000 units that is stretched without its strokes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from markupsafe import Markup

from pf_monitor.web.charts.scale import Scale
from pf_monitor.web.formats import Unit
from pf_monitor.web.markup import element, joined, number, percent

TOP: Final = 8
PLOT: Final = 160
"""Pixels above the plot, and of it."""

HEIGHT: Final = TOP + PLOT + 26
ACROSS: Final = 1000
"""Units across the nested drawing."""

Mark = Literal["line", "area", "bar"]


@dataclass(frozen=True)
class Numbers:
    """A chart's numbers as a table.

    Attributes:
        head: The columns' names.
        rows: Their cells; the first is the row's header.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class LegendEntry:
    """A series as the legend shows it."""

    name: str
    tone: int
    mark: Mark


def figure(
    key: str,
    title: str,
    drawing: str,
    numbers: Numbers,
    *,
    description: str,
    legend: Sequence[LegendEntry] = (),
    note: str | None = None,
) -> Markup:
    """Put a drawing into its frame.

    Args:
        key: Unique on the page, as part of ids.
        title: The chart's name.
        drawing: What stands inside the SVG.
        numbers: The same as a table.
        description: What a reader who does not see the chart is told.
        legend: The series, if there are several.
        note: What has to be known to read it.
    """
    caption = [element("h2", title, id=f"{key}-name")]
    if note:
        caption.append(element("p", note, class_="note"))
    if legend:
        caption.append(element("ul", *(_legend_item(key, entry) for entry in legend), class_="legend"))
    svg = element(
        "svg",
        element("title", title, id=f"{key}-title"),
        element("desc", description, id=f"{key}-desc"),
        element("defs", *(_pattern(key, entry.tone) for entry in legend if entry.mark == "bar" and entry.tone > 1)),
        drawing,
        role="img",
        aria_labelledby=f"{key}-title {key}-desc",
        width="100%",
        height=HEIGHT,
    )
    return element(
        "figure",
        element("figcaption", *caption),
        element("div", svg, class_="plot"),
        table(title, numbers),
        class_="card chart",
        id=key,
    )


def table(title: str, numbers: Numbers) -> Markup:
    """Make the table of a chart's numbers, folded until it is asked for."""
    head = element("tr", *(element("th", name, scope="col") for name in numbers.head))
    body = [
        element("tr", element("th", row[0], scope="row"), *(element("td", cell) for cell in row[1:]))
        for row in numbers.rows
    ]
    whole = element(
        "table",
        element("caption", title, class_="unseen"),
        element("thead", head),
        element("tbody", *body),
        class_="numeric",
    )
    region = element("div", whole, class_="scroll short", role="region", tabindex=0, aria_label=f"{title}: numbers")
    return element("details", element("summary", "Numbers"), region, class_="numbers")


def down(scale: Scale, value: float) -> float:
    """Return the pixel at which a value stands."""
    return TOP + PLOT * (1 - scale.place(value))


def value_axis(scale: Scale, unit: Unit) -> Markup:
    """Draw lines across the plot at the ticks, with their labels left of it."""
    drawn: list[Markup] = []
    for tick in scale.ticks:
        y = down(scale, tick)
        name = "axis" if tick == scale.ticks[0] else "grid"
        drawn.append(element("line", x1="0", x2="100%", y1=y, y2=y, class_=name))
        drawn.append(element("text", unit.tick(tick, scale.step), x=-8, y=y + 4, class_="tick end"))
    return joined(*drawn)


def no_data(text: str) -> Markup:
    """Say inside a plot that it is empty."""
    return element("text", text, x="50%", y=TOP + PLOT / 2 + 4, class_="empty")


def stretched(*shapes: str) -> Markup:
    """Wrap shapes whose coordinates across are of `ACROSS`, those down pixels of the whole drawing."""
    return element(
        "svg",
        *shapes,
        x=0,
        y=0,
        width="100%",
        height=HEIGHT,
        viewBox=f"0 0 {ACROSS} {HEIGHT}",
        preserveAspectRatio="none",
    )


def path(points: Iterable[tuple[float, float]]) -> str:
    """Write the commands of an open path through points, given as share across and pixel down.

    A path of one point is drawn as a dot, by the round ends of its stroke.
    """
    written = [f"{number(x * ACROSS)} {number(y)}" for x, y in points]
    return f"M{written[0]}h0" if len(written) == 1 else "M" + "L".join(written)


def hit(left: float, right: float, text: str) -> Markup:
    """Draw the stripe of a plot that shows its values when the pointer is on it."""
    stripe = element("title", text)
    return element("rect", stripe, x=percent(left), width=percent(right - left), y=TOP, height=PLOT, class_="hit")


def fill(key: str, tone: int) -> str:
    """Return the fill of a tone's bars: plain for the first, with a pattern of its own for each other."""
    return f"url(#{key}-p{tone})" if tone > 1 else ""


_ANGLES: Final = {2: 45, 3: 135, 4: 90, 5: 0, 6: 22}


def _pattern(key: str, tone: int) -> Markup:
    return element(
        "pattern",
        element("rect", width=5, height=5, class_=f"tone-{tone} filled"),
        element("line", x1=0, y1=0, x2=0, y2=5, class_="hatch"),
        id=f"{key}-p{tone}",
        width=5,
        height=5,
        patternUnits="userSpaceOnUse",
        patternTransform=f"rotate({_ANGLES.get(tone, 60)})",
    )


def _legend_item(key: str, entry: LegendEntry) -> Markup:
    if entry.mark == "line":
        sample = element("line", x1=1, x2=21, y1=6, y2=6, class_=f"tone-{entry.tone} stroked")
    else:
        sample = element(
            "rect",
            x=1,
            y=1,
            width=20,
            height=10,
            rx=2,
            fill=fill(key, entry.tone) or None,
            class_=f"tone-{entry.tone} filled" if entry.tone == 1 or entry.mark == "area" else None,
        )
    swatch = element("svg", sample, width=22, height=12, class_="swatch", aria_hidden="true")
    return element("li", swatch, element("span", entry.name, class_="isolated"))
