"""`pf-monitor query`: KQL from the terminal."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pf_monitor import queries
from pf_monitor.cli._azure import ResourceId, Workspace, read_target
from pf_monitor.cli._local import fail
from pf_monitor.cli._since import read_since
from pf_monitor.cli._source import open_source
from pf_monitor.local import PORT
from pf_monitor.queries import Expression, Parameter
from pf_monitor.table import QueryError

if TYPE_CHECKING:
    from pf_monitor.table import Table


def query(
    kql: Annotated[str | None, typer.Argument(metavar="KQL", help="The query; - reads it from standard input.")] = None,
    *,
    show: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Print one of the queries of the views, whole, to paste anywhere."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array of records.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with a header.")] = False,
    since: Annotated[str | None, typer.Option(help="Only telemetry of this long: 30m, 12h, 1d, 2w.")] = None,
    url: Annotated[
        str | None, typer.Option(help=f"A running local Application Insights. Default: http://127.0.0.1:{PORT}.")
    ] = None,
    resource_id: ResourceId = None,
    workspace: Workspace = None,
) -> None:
    """Ask the local Application Insights a question in KQL.

    The tables are those of Application Insights: requests, dependencies, exceptions, traces, customEvents,
    customMetrics, performanceCounters.

    `pf-monitor query 'requests | where success == false | take 10'`

    `pf-monitor query --since 1h --json 'dependencies | summarize count() by name'`

    `pf-monitor query --show by_model | pf-monitor query --csv -`
    """
    if (kql is None) == (show is None):
        fail("Give a query, or --show NAME")
    if show is not None:
        typer.echo(_whole(show, since or "1d"))
        return
    if as_json and as_csv:
        fail("Choose one of --json and --csv")
    text = sys.stdin.read() if kql == "-" else str(kql)
    with open_source(url, read_target(resource_id, workspace)) as source:
        try:
            table = source.query(text, read_since(since) if since else None)
        except QueryError as error:
            fail(_pointed_out(text, error))
    if as_json:
        typer.echo(json.dumps(table.records(), indent=2, ensure_ascii=False))
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(column.name for column in table.columns)
        writer.writerows(table.rows)
    else:
        _print(table)


_EXAMPLES: Final[Mapping[str, Parameter]] = {
    "until": Expression("now()"),
    "operation": "OPERATION_ID",
    "step": timedelta(minutes=30),
    "words": "",
    "sorted_by": "time",
    "descending": True,
    "upto": 50,
    "size": 50,
}
"""What stands for the parameters of a query that is shown; whoever pastes it may change them."""


def _whole(name: str, since: str) -> str:
    """A query of the views with all that stands in front of it, for the time up to now."""
    read_since(since)
    if name not in queries.names():
        fail(f"There is no query {name!r}. There are: {', '.join(queries.names())}")
    examples = {**_EXAMPLES, "since": Expression(f"ago({since.strip()})")}
    if since.strip().endswith("w"):  # KQL has no weeks
        examples["since"] = Expression(f"ago({7 * int(since.strip()[:-1])}d)")
    return queries.load(name, **{key: examples[key] for key in queries.parameters(name)}).rstrip()


def _pointed_out(kql: str, error: QueryError) -> str:
    """The message, under the line that is meant and a mark at the place in it."""
    lines = kql.splitlines()
    if error.line is None or error.pos is None or not 0 < error.line <= len(lines):
        return error.message
    return f"{lines[error.line - 1]}\n{' ' * error.pos}^\n{error.message} (line {error.line}, column {error.pos + 1})"


def _print(table: Table) -> None:
    from rich.console import Console
    from rich.table import Table as RichTable
    from rich.text import Text

    shown = RichTable(header_style="bold")
    for column in table.columns:
        shown.add_column(Text(column.name), justify="right" if column.type in {"real", "long", "int"} else "left")
    for row in table.rows:
        shown.add_row(*(Text("" if value is None else str(value)) for value in row))
    console = Console()
    console.print(shown)
    console.print(f"{len(table.rows)} row{'' if len(table.rows) == 1 else 's'}", style="dim", highlight=False)
