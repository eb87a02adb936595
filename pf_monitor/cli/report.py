"""`pf-monitor report`: the views in the terminal, and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pf_monitor.cli._azure import ResourceId, Workspace, read_target
from pf_monitor.cli._local import fail, needs_local_extra
from pf_monitor.cli._since import read_since
from pf_monitor.cli._source import Source, open_source
from pf_monitor.local import PORT
from pf_monitor.table import QueryError
from pf_monitor.views.numbers import Numbers
from pf_monitor.views.overview import Overview, overview
from pf_monitor.views.scope import DEFAULT_LAST, LASTS, Scope, ScopeError
from pf_monitor.views.tokens import ModelRow, NodeRow, models, nodes

if TYPE_CHECKING:
    from rich.console import Console


class View(StrEnum):
    """What can be reported."""

    OVERVIEW = "overview"
    TOKENS = "tokens"
    QUALITY = "quality"
    OPERATIONS = "operations"
    REQUESTS = "requests"
    TRACE = "trace"


class Report(Overview):
    """The Overview with the models and nodes; `summary` is `now`."""

    since: str
    until: str
    summary: Numbers
    by_model: list[ModelRow]
    by_node: list[NodeRow]


def report(
    view: Annotated[View, typer.Argument(help="What to show.", metavar="VIEW")] = View.OVERVIEW,
    operation: Annotated[
        str | None, typer.Argument(metavar="OPERATION_ID", help="The request whose trace is shown.")
    ] = None,
    *,
    since: Annotated[str, typer.Option(help="How far back: 30m, 12h, 1d, 2w.")] = DEFAULT_LAST,
    start: Annotated[str | None, typer.Option("--from", help="From this time on, ISO-8601.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Up to this time, ISO-8601. Default: now.")] = None,
    flow: Annotated[str | None, typer.Option(help="Only requests of this flow.")] = None,
    deployment: Annotated[str | None, typer.Option(help="Only requests of this deployment.")] = None,
    model: Annotated[str | None, typer.Option(help="Only requests that called this model, and its calls.")] = None,
    node: Annotated[str | None, typer.Option(help="Only requests that ran this node, and what it did.")] = None,
    outcome: Annotated[str | None, typer.Option(help="Only requests that ended so: ok, error, ….")] = None,
    dim: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="Only requests with this custom dimension.")
    ] = None,
    telemetry: Annotated[
        bool, typer.Option("--telemetry", help="How much telemetry there is, what it costs, what would save.")
    ] = False,
    price: Annotated[
        float | None, typer.Option(min=0, help="With --telemetry: US dollars for a GB of data in your region.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
    html: Annotated[
        Path | None, typer.Option(help="Write all views, charts included, to this file: one page to mail or attach.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help=f"A running local Application Insights. Default: http://127.0.0.1:{PORT}.")
    ] = None,
    resource_id: ResourceId = None,
    workspace: Workspace = None,
) -> None:
    """Show requests, errors, latency, tokens, cost, quality; or the trace of one request.

    `pf-monitor report`

    `pf-monitor report tokens --since 1h --flow rag-chat --json`

    `pf-monitor report trace 0af7651916cd43dd8448eb211c80319c`

    `pf-monitor report --since 7d --html week.html`

    `pf-monitor report --telemetry --since 7d --price 2.30`
    """
    if (view is View.TRACE) != (operation is not None):
        fail("pf-monitor report trace OPERATION_ID: give the operation_Id with trace, and with nothing else")
    if telemetry and (view is not View.OVERVIEW or html or dim or any((flow, deployment, model, node, outcome))):
        fail("--telemetry is about all that is sent: give neither a view nor --html nor a filter with it")
    if price is not None and not telemetry:
        fail("--price goes with --telemetry: pf-monitor report --telemetry --price 2.30")
    if html is not None and (view is not View.OVERVIEW or as_json):
        fail("--html writes all views: give neither a view nor --json with it")
    named = {"from": start, "to": end, "flow": flow, "deployment": deployment, "model": model, "node": node}
    scope = _scope(since, {**named, "outcome": outcome}, dim or ())
    with open_source(url, read_target(resource_id, workspace)) as source:
        try:
            if html is not None:
                _write(html, source, scope)
                return
            if telemetry:
                data = telemetry_of(source, scope, price)
            else:
                data = trace_of(source, operation) if operation is not None else _data(view, source, scope)
        except QueryError as error:
            fail(error.message)
    if as_json:
        typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
        return
    from rich.console import Console

    if telemetry:
        _print_telemetry(data, Console(highlight=False))
    else:
        _print(view, data, Console(highlight=False))


def collect(source: Source, scope: Scope) -> Report:
    """Return the Overview with the models and nodes.

    Args:
        source: What answers queries.
        scope: What the report looks at.
    """
    data = overview(source, scope)
    return Report(
        **data,
        since=data["scope"]["since"],
        until=data["scope"]["until"],
        summary=data["now"],
        by_model=models(source, scope),
        by_node=nodes(source, scope),
    )


def render(data: Report, console: Console) -> None:
    """Print what `collect` returns."""
    from pf_monitor.cli.terminal.views import print_overview

    print_overview(data, data["by_model"], data["by_node"], console)


def _write(path: Path, source: Source, scope: Scope) -> None:
    with needs_local_extra():
        from pf_monitor.web.report import html_report

    text = html_report(source, scope)
    try:
        path.write_bytes(text.encode("utf-8", "replace"))
    except OSError as error:
        fail(f"Cannot write {path}: {error.strerror}")
    typer.echo(f"Wrote {path}.")


def trace_of(source: Source, operation: str) -> Any:
    """Return the trace of a request; ends the command with a message if there is none."""
    from pf_monitor.views.trace import trace

    found = trace(source, operation)
    if found is None:
        fail(f"There is no request with operation_Id {operation!r}. `pf-monitor report requests` lists what there is.")
    return found


def telemetry_of(source: Source, scope: Scope, price: float | None) -> Any:
    """Return how much telemetry there is, at a price for a GB."""
    from pf_monitor.views.telemetry import telemetry

    return telemetry(source, scope, price)


def _print_telemetry(data: Any, console: Console) -> None:
    from pf_monitor.cli.terminal.telemetry import print_telemetry

    print_telemetry(data, console)


def _scope(since: str, named: dict[str, str | None], dimensions: Sequence[str]) -> Scope:
    pairs = [(name, value) for name, value in named.items() if value]
    for one in dimensions:
        key, equals, value = one.partition("=")
        if not (key and equals):
            fail(f"--dim: {one!r} is not KEY=VALUE")
        pairs.append((f"dim.{key}", value))
    now = datetime.now(UTC)
    length = read_since(since)
    try:
        scope = Scope.from_query(pairs, now)
    except ScopeError as error:
        fail(str(error))
    if named["from"] or named["to"]:
        return scope
    try:
        return replace(scope, since=now - length, last=since if since in LASTS else None)
    except OverflowError:
        fail(f"--since: {since!r} is too long a duration")


def _data(view: View, source: Source, scope: Scope) -> Any:
    from pf_monitor.views import operations, quality, requests, tokens

    match view:
        case View.TOKENS:
            return tokens.tokens(source, scope)
        case View.QUALITY:
            return quality.quality(source, scope)
        case View.OPERATIONS:
            return operations.operations(source, scope)
        case View.REQUESTS:
            return requests.requests(source, scope)
        case _:
            return collect(source, scope)


def _print(view: View, data: Any, console: Console) -> None:
    from pf_monitor.cli.terminal import views
    from pf_monitor.cli.terminal.trace import print_trace

    match view:
        case View.TOKENS:
            views.print_tokens(data, console)
        case View.QUALITY:
            views.print_quality(data, console)
        case View.OPERATIONS:
            views.print_operations(data, console)
        case View.REQUESTS:
            views.print_requests(data, console)
        case View.TRACE:
            print_trace(data, console)
        case _:
            render(data, console)
