"""Tables: records in, rows out, in the order in which their columns are listed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pf_monitor.cli.terminal import formats

Record = Mapping[str, Any]

_TEXTS: Final = (formats.text, formats.one_line)


class Column(NamedTuple):
    """A column: what stands above it, the key that it shows, and how.

    Attributes:
        telling: Whether these values say something; without any that do, the column is left out to make room.
    """

    header: str
    key: str
    show: Callable[[Any], str] = formats.text
    telling: Callable[[list[Any]], bool] = bool


def are_several(values: list[Any]) -> bool:
    """Whether there are different values."""
    return len(set(values)) > 1


def print_table(title: str, columns: Sequence[Column], records: Iterable[Record], console: Console) -> None:
    """Print records as a table with a title, or say that there are none."""
    records = list(records)
    if not records:
        console.print(f"[bold]{title}[/bold]  none\n", highlight=False)
        return
    columns = [column for column in columns if column.telling([record[column.key] for record in records])]
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for column in columns:
        if column.show in _TEXTS:
            table.add_column(column.header, overflow="fold", min_width=10)
        else:
            table.add_column(column.header, justify="right", no_wrap=True)
    for record in records:
        table.add_row(*(Text(column.show(record[column.key])) for column in columns))
    console.print(table)
    console.print()


def print_facts(facts: Iterable[tuple[str, ...]], console: Console) -> None:
    """Print labels and what belongs to each, one a line."""
    grid = Table.grid(padding=(0, 3))
    for label, *values in facts:
        grid.add_row(Text(label, style="bold"), *(Text(value) for value in values))
    console.print(grid, highlight=False)
    console.print()


def print_range(since: str, until: str, filters: str, console: Console) -> None:
    """Print the time that a view shows, and what it is narrowed to."""
    narrowed = Text(f"  {filters}", style="dim") if filters else Text("")
    console.print()
    console.print(Text("pf-monitor", style="bold"), end="")
    console.print(Text(f"  {formats.moment(since)} to {formats.moment(until)}") + narrowed)
    console.print()
