"""`pf-monitor monitor history`: what the runs of monitors found out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pf_monitor.cli._local import fail
from pf_monitor.local import default_directory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console
    from rich.table import Table

    from pf_monitor.quality.report import MetricReport, RunReport, TokenReport


def history(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A monitor's name.", show_default=False)] = None,
    last: Annotated[int, typer.Option(min=1, max=1000, help="So many runs of each monitor, the newest.")] = 10,
    data: Annotated[
        Path | None, typer.Option(help="Where telemetry is kept. Default: $PF_MONITOR_DATA.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the reports as JSON.")] = False,
) -> None:
    """Show what the runs of monitors found out, newest first.

    `pf-monitor monitor history`

    `pf-monitor monitor history answers --last 3 --json`
    """
    from pf_monitor.quality import report

    folder = data or default_directory()
    known = report.monitors(folder)
    if name is not None and name not in known:
        there = f" There are {', '.join(known)}." if known else ""
        fail(f"No run of a monitor {name} has left a report in {folder / 'monitors'}.{there}")
    reports = [run for one in ([name] if name else known) for run in _newest(folder, one, last)]
    if as_json:
        typer.echo(json.dumps([run.to_json() for run in reports], indent=2, ensure_ascii=False))
        return
    if not reports:
        typer.echo("No monitor has run yet. Run one with: pf-monitor monitor run FILE")
        return
    from rich.console import Console

    render(reports, Console())


def _newest(folder: Path, name: str, last: int) -> list[RunReport]:
    from pf_monitor.quality import report

    found = []
    for path in reversed(report.paths(folder, name)[-last:]):
        try:
            found.append(report.read(path))
        except report.ReportError as error:
            typer.echo(str(error), err=True)
    return found


def render(reports: Sequence[RunReport], console: Console) -> None:
    """Print reports."""
    from rich.text import Text

    for run in reports:
        console.print()
        console.print(Text(f"{run.monitor}  {_moment(run.started)}  {run.verdict.upper()}", style="bold"))
        window = f"window {_moment(run.window_start)} to {_moment(run.window_end)}"
        console.print(Text(f"{window}, run {run.run_id}, {run.ending}{_bill(run)}"))
        for table in (_metrics(run.metrics), _tokens(run.tokens)):
            if table is not None:
                console.print(table)
        for one in run.metrics:
            if one.more_rows:
                console.print(Text(f"  {one.metric}: at this pass rate, {one.more_rows:,} more judged rows settle it"))
        for note in run.notes:
            console.print(Text(f"  {note}"))


def _metrics(metrics: Sequence[MetricReport]) -> Table | None:
    if not metrics:
        return None
    table = _table("Metric", "Pass rate", "95 % interval", "Threshold", "Average", "Judged", "Verdict")
    for one in metrics:
        interval = f"{_percent(one.pass_rate_low)[:-1]} - {_percent(one.pass_rate_high)}" if one.judged else "-"
        table.add_row(
            one.metric,
            _percent(one.pass_rate),
            interval,
            _percent(one.pass_rate_threshold),
            "-" if one.average_score is None else f"{one.average_score:.2f}",
            f"{one.judged:,} of {one.sampled:,}",
            one.verdict,
        )
    return table


def _tokens(tokens: Sequence[TokenReport]) -> Table | None:
    if not tokens:
        return None
    table = _table("Tokens", "Runs", "Prompt", "Completion", "Total", "Limit", "Verdict")
    for one in tokens:
        limit = "-" if one.total_threshold is None else f"{one.total_threshold:,.0f}"
        table.add_row(
            one.signal,
            f"{one.runs:,}",
            f"{one.prompt_tokens:,}",
            f"{one.completion_tokens:,}",
            f"{one.total_tokens:,}",
            limit,
            one.verdict,
        )
    return table


def _table(first: str, *others: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold")
    for header in others[:-1]:
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column(others[-1], no_wrap=True)
    return table


def _bill(run: RunReport) -> str:
    bill = run.bill
    if not bill.calls:
        return ""
    usd = "" if bill.usd is None else f", ${bill.usd:,.4f}"
    return f", judged by {run.judge}: {bill.calls:,} calls, {bill.prompt_tokens + bill.completion_tokens:,} tokens{usd}"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.1%}"


def _moment(text: str) -> str:
    return f"{text[:10]} {text[11:16]} UTC"
