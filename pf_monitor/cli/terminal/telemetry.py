"""How the report about telemetry itself is printed."""

from __future__ import annotations

from typing import Final

from rich.console import Console

from pf_monitor.cli.terminal import formats
from pf_monitor.cli.terminal.tables import Column, print_facts, print_table
from pf_monitor.cli.terminal.views import print_head
from pf_monitor.views.telemetry import Telemetry

_NOTHING: Final = "Nothing was sent in this time. `pf-monitor demo` makes some telemetry to look at.\n"

_ITEMS: Final = [
    Column("Table", "table"),
    Column("Kind", "kind"),
    Column("Items", "items", formats.count),
    Column("A request", "items_per_request", formats.number),
    Column("Bytes a request", "size_per_request", formats.volume),
]
_COLUMNS: Final = [
    Column("Column", "column"),
    Column("Bytes a request", "size_per_request", formats.volume),
    Column("Share", "share", formats.percent),
    Column("A month", "month_usd", formats.cost),
]
_SAVINGS: Final = [
    Column("Setting", "setting"),
    Column("Saves a request", "size_per_request", formats.volume),
    Column("Share", "share", formats.percent),
    Column("A month", "month_usd", formats.cost),
]


def print_telemetry(data: Telemetry, console: Console) -> None:
    """Print how much telemetry there is, what it costs and what would save."""
    print_head(data["scope"], console)
    if not data["items"]:
        console.print(_NOTHING)
        return
    cost = "give --price, US dollars for a GB" if data["month_usd"] is None else formats.cost(data["month_usd"])
    print_facts(
        [
            ("Requests", formats.count(data["requests"])),
            ("Items a request", formats.number(data["items_per_request"])),
            ("Bytes a request", formats.volume(data["size_per_request"])),
            ("A month", f"{data['month_gb']:,.3f} GB, if it goes on like this"),
            ("Cost a month", cost),
        ],
        console,
    )
    print_table("By item", _ITEMS, data["by_item"], console)
    print_table("By column", _COLUMNS, data["by_column"], console)
    print_table("What a setting would save, at most", _SAVINGS, data["savings"], console)
