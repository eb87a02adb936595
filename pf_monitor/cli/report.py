"""`pf-monitor report`: what the monitored flows did, in numbers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, TypedDict

import typer

from pf_monitor import queries
from pf_monitor.cli._azure import ResourceId, Workspace, read_target
from pf_monitor.cli._since import read_since
from pf_monitor.cli._source import Source, open_source
from pf_monitor.local import PORT

if TYPE_CHECKING:
    from rich.console import Console

Record = Mapping[str, Any]


class Report(TypedDict):
    """The numbers of a report, as their queries name them."""

    since: str
    until: str
    summary: Record
    by_model: Sequence[Record]
    by_node: Sequence[Record]


def report(
    *,
    since: Annotated[str, typer.Option(help="How far back: 30m, 12h, 1d, 2w.")] = "1d",
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
    url: Annotated[
        str | None, typer.Option(help=f"A running local Application Insights. Default: http://127.0.0.1:{PORT}.")
    ] = None,
    resource_id: ResourceId = None,
    workspace: Workspace = None,
) -> None:
    """Show requests, errors, latency, tokens and cost, by model and by node.

    `pf-monitor report`

    `pf-monitor report --since 1h --json`
    """
    with open_source(url, read_target(resource_id, workspace)) as source:
        data = collect(source, read_since(since))
    if as_json:
        typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    render(data, Console())


def collect(source: Source, since: timedelta) -> Report:
    """Get a report's numbers, each from a query in `pf_monitor.queries`.

    Args:
        source: What answers queries.
        since: How far back the report looks.
    """
    until = datetime.now(UTC)
    start = until - since

    def ask(name: str) -> list[dict[str, Any]]:
        return source.query(queries.load(name, since=start, until=until)).records()

    return Report(
        since=start.isoformat(),
        until=until.isoformat(),
        summary=ask("summary")[0],
        by_model=ask("by_model"),
        by_node=ask("by_node"),
    )


def render(data: Report, console: Console) -> None:
    """Print a report."""
    summary = data["summary"]
    console.print(f"\n[bold]pf-monitor[/bold]  {_moment(data['since'])} to {_moment(data['until'])}\n", highlight=False)
    _print_summary(summary, console)
    if not summary["requests"] and not summary["model_calls"]:
        console.print("No flow has run in this time. `pf-monitor demo` makes some telemetry to look at.\n")
        return
    _print_table("By model", _MODEL_COLUMNS, data["by_model"], console)
    _print_table("By node", _NODE_COLUMNS, data["by_node"], console)


def _print_summary(summary: Record, console: Console) -> None:
    from rich.table import Table

    grid = Table.grid(padding=(0, 3))
    labelled = [
        ("Requests", _count(summary["requests"])),
        ("Error rate", f"{_percent(summary['error_rate'])} ({_count(summary['failed'])} failed)"),
        ("Latency p50", _duration(summary["p50_ms"])),
        ("Latency p95", _duration(summary["p95_ms"])),
        ("Model calls", _count(summary["model_calls"])),
        ("Tokens", _count(summary["total_tokens"])),
        ("  prompt", _count(summary["prompt_tokens"])),
        ("  completion", _count(summary["completion_tokens"])),
        ("Cost", _cost_of_priced(summary)),
    ]
    for label, value in labelled:
        grid.add_row(f"[bold]{label}[/bold]", value)
    console.print(grid, highlight=False)
    console.print()


def _cost_of_priced(summary: Record) -> str:
    """The cost, with how many calls have no price when some have and some have not."""
    unpriced = summary["model_calls"] - summary["priced_calls"]
    note = f" (without {_count(unpriced)} calls of unknown price)" if summary["priced_calls"] and unpriced else ""
    return f"{_cost(summary['cost_usd'])}{note}"


def _count(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.0f} ms" if milliseconds < 999.5 else f"{milliseconds / 1000:,.2f} s"


def _cost(usd: float | None) -> str:
    """Dollars; small amounts with the digits that tell them apart."""
    if usd is None:
        return "-"
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.6f}".rstrip("0")


def _text(value: object) -> str:
    return str(value)


_MEASURES = (
    ("Prompt", "prompt_tokens", _count),
    ("Completion", "completion_tokens", _count),
    ("Total", "total_tokens", _count),
    ("Cost", "cost_usd", _cost),
    ("p50", "p50_ms", _duration),
    ("p95", "p95_ms", _duration),
)
_MODEL_COLUMNS = (
    ("Model", "model", _text),
    ("Calls", "calls", _count),
    ("Failed", "failed", _count),
    ("Estimated", "estimated", _count),
    *_MEASURES,
)
_NODE_COLUMNS = (
    ("Flow", "flow", _text),
    ("Node", "node", _text),
    ("Runs", "runs", _count),
    ("Failed", "failed", _count),
    *_MEASURES,
)


_SHOWN_WHEN_TELLING: Mapping[str, Callable[[list[Any]], bool]] = {
    "estimated": any,
    "flow": lambda values: len(set(values)) > 1,
}
"""Columns that are left out when they say nothing, so that the rest has room, and when they do say something."""


def _print_table(title: str, columns: Sequence[Any], records: Sequence[Record], console: Console) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not records:
        console.print(f"[bold]{title}[/bold]  none\n", highlight=False)
        return
    columns = [
        column
        for column in columns
        if column[1] not in _SHOWN_WHEN_TELLING or _SHOWN_WHEN_TELLING[column[1]]([one[column[1]] for one in records])
    ]
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for header, _, show in columns:
        if show is _text:
            table.add_column(header, overflow="fold", min_width=10)
        else:
            table.add_column(header, justify="right", no_wrap=True)
    for record in records:
        table.add_row(*(Text(show(record[key])) for _, key, show in columns))
    console.print(table)
    console.print()


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M} UTC"
