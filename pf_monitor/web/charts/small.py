"""Small drawings that stand beside a number: they repeat what is written there, and are hidden from screen readers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from markupsafe import Markup

from pf_monitor.web.markup import element, number, percent

_HEIGHT: Final = 32


def sparkline(values: Sequence[float | None]) -> Markup:
    """Draw the course of a number, from zero up, without axes; nothing where there is no course."""
    known = [value for value in values if value is not None]
    if len(known) < 2 or max(known) <= 0:
        return Markup("")
    shapes: list[Markup] = []
    for run in _runs(values, max(known)):
        line = "L".join(f"{number(x)} {number(y)}" for x, y in run)
        closed = f"M{number(run[0][0])} {_HEIGHT}L{line}L{number(run[-1][0])} {_HEIGHT}Z"
        shapes.append(element("path", d=closed, class_="spark-area"))
        shapes.append(element("path", d=f"M{line}" + ("h0" if len(run) == 1 else ""), class_="spark-line"))
    return element(
        "svg",
        *shapes,
        class_="spark",
        width="100%",
        height=_HEIGHT,
        viewBox=f"0 0 100 {_HEIGHT}",
        preserveAspectRatio="none",
        aria_hidden="true",
    )


def _runs(values: Sequence[float | None], top: float) -> Iterator[list[tuple[float, float]]]:
    run: list[tuple[float, float]] = []
    for index, value in enumerate(values):
        if value is not None:
            run.append((100 * index / (len(values) - 1), _HEIGHT - 2 - (_HEIGHT - 4) * max(0.0, value) / top))
        elif run:
            yield run
            run = []
    if run:
        yield run


def share_bar(value: float | None, of: float | None) -> Markup:
    """Draw a number as a bar, as long as its share of another."""
    share = min(1.0, max(0.0, value / of)) if value and of else 0.0
    return element(
        "svg",
        element("rect", width="100%", height=6, rx=3, class_="track"),
        element("rect", width=percent(share), height=6, rx=3, class_="tone-1 filled"),
        class_="share",
        width="100%",
        height=6,
        aria_hidden="true",
    )


def span_bar(start: float, end: float, *, tone: int) -> Markup:
    """Draw when a step of a request ran, within the time that the whole took.

    Args:
        start: When it began, as a share of the whole.
        end: When it ended.
        tone: The colour of its kind.
    """
    left, right = (max(0.0, min(1.0, one)) for one in (start, end))
    width = max(0.004, right - left)
    rail = element("line", x1="0", x2="100%", y1=8, y2=8, class_="rail")
    bar = element(
        "rect",
        x=percent(min(left, 1 - width)),
        width=percent(width),
        y=3,
        height=10,
        rx=2,
        class_=f"tone-{tone} filled",
    )
    return element("svg", rail, bar, class_="span-bar", width="100%", height=16, aria_hidden="true")
