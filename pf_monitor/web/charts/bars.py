"""Values by category: a table whose rows are bars, which is its own table of numbers."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from pf_monitor.web.charts.small import share_bar
from pf_monitor.web.formats import Unit, shown
from pf_monitor.web.markup import element


def bar_chart(
    key: str, title: str, head: tuple[str, str], rows: Sequence[tuple[str, float | None]], *, unit: Unit
) -> Markup:
    """Draw values by category, in the order that they are given.

    Args:
        key: Unique on the page.
        title: The chart's name.
        head: What the categories and the values are.
        rows: The categories with their values.
        unit: Of the values.
    """
    greatest = max((value for _, value in rows if value is not None), default=0)
    body = [
        element(
            "tr",
            element("th", element("bdi", name), scope="row"),
            element("td", share_bar(value, greatest), class_="wide"),
            element("td", shown(value, unit), class_="number"),
        )
        for name, value in rows
    ]
    header = element(
        "tr",
        element("th", head[0], scope="col"),
        element("td"),
        element("th", head[1], scope="col", class_="number"),
    )
    table = element(
        "table",
        element("caption", title, class_="unseen"),
        element("thead", header),
        element("tbody", *body),
        class_="bars",
    )
    return element(
        "figure",
        element("figcaption", element("h2", title, id=f"{key}-name")),
        element("div", table, class_="scroll", role="region", tabindex=0, aria_label=title),
        class_="card chart",
        id=key,
    )
