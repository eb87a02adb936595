"""Tables: columns that say what they hold, rows as the views give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from pf_monitor.web.asked import Asked
from pf_monitor.web.charts import share_bar
from pf_monitor.web.formats import MISSING, UNITS, shown
from pf_monitor.web.markup import element
from pf_monitor.web.times import time_element

Row = Mapping[str, Any]


class Column(NamedTuple):
    """A column.

    Attributes:
        head: Its name.
        key: What it shows of a row.
        kind: `text`, `time`, `long` for people's words, `request` for an operation that a link leads to, or a unit.
        filter: The filter that a value leads to.
        bar: Whether its values are drawn too.
    """

    head: str
    key: str
    kind: Literal["text", "time", "long", "request", "count", "tokens", "ms", "usd", "share", "bytes", "decimal"]
    filter: str | None = None
    bar: bool = False


def table(title: str, columns: Sequence[Column], rows: Sequence[Row], asked: Asked | None, *, empty: str) -> Markup:
    """Make a card with a table.

    Args:
        title: Its name.
        columns: What it shows.
        rows: Of what.
        asked: Where links lead; None for a page that is read elsewhere, which has none.
        empty: What is said where there are no rows.
    """
    heading = element("h2", title)
    if not rows:
        return element("section", heading, element("p", empty, class_="quiet"), class_="card")
    head = element("tr", *(cell for column in columns for cell in _head(column)))
    greatest = {column.key: max((row[column.key] or 0) for row in rows) for column in columns if column.bar}
    body = [
        element("tr", *(cell for column in columns for cell in _cells(column, row, greatest, asked))) for row in rows
    ]
    whole = element(
        "table",
        element("caption", title, class_="unseen"),
        element("thead", head),
        element("tbody", *body),
    )
    region = element("div", whole, class_="scroll", role="region", tabindex=0, aria_label=title)
    return element("section", heading, region, class_="card")


def _head(column: Column) -> list[Markup]:
    name = element("th", column.head, scope="col", class_="number" if column.kind in UNITS else None)
    return [name, element("td", class_="wide")] if column.bar else [name]


def _cells(column: Column, row: Row, greatest: Mapping[str, float], asked: Asked | None) -> list[Markup]:
    value = row[column.key]
    if column.kind in UNITS:
        cell = element("td", shown(value, UNITS[column.kind]), class_="number")
        return [cell, element("td", share_bar(value, greatest[column.key]), class_="wide")] if column.bar else [cell]
    return [_text_cell(column, row, asked)]


def _text_cell(column: Column, row: Row, asked: Asked | None) -> Markup:
    value = row[column.key]
    match column.kind:
        case "time":
            return element("td", time_element(value, "second") if value else MISSING)
        case "request" if value and asked is not None:
            return element(
                "td",
                element("a", "Open", element("span", f" {value}", class_="unseen"), href=request_link(asked, value)),
            )
        case "request":
            return element("td", element("code", value or MISSING))
        case "long":
            return element("td", element("div", value or MISSING, class_="cut said", dir="auto"))
        case _:
            return element("td", _name(column, row, asked), class_="name")


def _name(column: Column, row: Row, asked: Asked | None) -> Markup:
    value = str(row[column.key] or "")
    if not value:
        return element("span", "not known", class_="quiet")
    name = element("bdi", value)
    if column.filter is None or asked is None:
        return name
    return element("a", name, href=asked.filtered(column.filter, value))


def request_link(asked: Asked, operation: str) -> str:
    """Link to a request's page."""
    return asked.to(f"/requests/{quote(operation, safe='')}")
