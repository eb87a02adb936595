"""`pf-monitor query`: KQL from the terminal."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pf_monitor.cli._azure import ResourceId, Workspace, read_target
from pf_monitor.cli._local import fail
from pf_monitor.cli._since import read_since
from pf_monitor.cli._source import open_source
from pf_monitor.local import PORT
from pf_monitor.table import QueryError

if TYPE_CHECKING:
    from pf_monitor.table import Table


def query(
    kql: Annotated[str, typer.Argument(metavar="KQL", help="The query; - reads it from standard input.")],
    *,
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

    `pf-monitor query --csv - < by_model.kql`
    """
    if as_json and as_csv:
        fail("Choose one of --json and --csv")
    text = sys.stdin.read() if kql == "-" else kql
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
