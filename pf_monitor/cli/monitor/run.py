"""`pf-monitor monitor run`: judges a window and says pass, fail or inconclusive."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, NoReturn
from urllib.parse import urlsplit

import typer

from pf_monitor.cli._azure import ResourceId, Workspace, azure_source, read_target
from pf_monitor.cli._local import default_directory, needs_local_extra
from pf_monitor.cli._rules import read_rules, rules_file
from pf_monitor.cli._source import ServerSource
from pf_monitor.local import PORT, connection_string
from pf_monitor.settings import CONNECTION_STRING

if TYPE_CHECKING:
    from rich.console import Console

    from pf_monitor.azure.source import Target
    from pf_monitor.collected.places import Place as CollectedPlace
    from pf_monitor.quality.monitor import Monitor
    from pf_monitor.quality.reading import Runs
    from pf_monitor.quality.report import RunReport
    from pf_monitor.quality.run import OnProgress
    from pf_monitor.views.source import Source

USAGE: Final = 2
"""The exit code where the command, the file or the setup is wrong."""

UNFINISHED: Final = 4
"""The exit code where the store or the judge was lost, or the run was stopped."""


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The monitor's file.", show_default=False)],
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Run now, whatever the trigger says. That is the default.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    collected: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="Read collected data in this folder or blob container.", show_default=False),
    ] = None,
    url: Annotated[
        str | None, typer.Option(help=f"A running local Application Insights. Default: http://127.0.0.1:{PORT}.")
    ] = None,
    resource_id: ResourceId = None,
    workspace: Workspace = None,
) -> None:
    """Run a monitor now: sample the window, judge it, write the scores beside the runs, and report.

    Exit codes: 0 pass, 1 fail, 2 the command or the file is wrong, 3 inconclusive or no data, 4 the run could not be
    finished. A run that was interrupted is taken up; nothing is judged twice. Where production_data of the file names
    a folder or a blob, collected data is read there. In Azure, scores are written to the resource of
    APPLICATIONINSIGHTS_CONNECTION_STRING.

    `pf-monitor monitor run monitor.yaml`

    `pf-monitor monitor run monitor.yaml --once --json`
    """
    del once  # a run is always one; the option is there for those who want to say so
    monitor = _read(file)
    from rich.console import Console

    asked = Asked(url, read_target(resource_id, workspace), _collected(monitor, file, collected))
    report = run_and_keep(monitor, asked, default_directory(), Console(stderr=True, highlight=False))
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2, ensure_ascii=False))
    else:
        show(report, Console(highlight=False))
    raise typer.Exit(exit_code(report))


def exit_code(report: RunReport) -> int:
    """Return the exit code that says what a run found."""
    from pf_monitor.quality.report import Ending, Verdict

    if report.ending in {Ending.FAILED, Ending.STOPPED}:
        return UNFINISHED
    return {Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 3, Verdict.NO_DATA: 3}.get(report.verdict, 0)


class Asked(NamedTuple):
    """Where flow runs are looked for.

    Attributes:
        url: A running local Application Insights; None for the usual one, or else the data folder's own store.
        target: What in Azure is asked, if anything.
        collected: Where collected data lies, if that is what is read.
    """

    url: str | None
    target: Target | None
    collected: Sequence[CollectedPlace] = ()


def run_and_keep(monitor: Monitor, asked: Asked, directory: Path, talk: Console) -> RunReport:
    """Run a monitor, keep its report, and tell whom it is to be told.

    Args:
        monitor: The monitor.
        asked: Where flow runs are looked for.
        directory: The data folder.
        talk: Where progress is shown.
    """
    from pf_monitor.quality import report as reports
    from pf_monitor.quality.judging.ledger import LedgerError
    from pf_monitor.quality.judging.prompts import PromptError
    from pf_monitor.quality.judging.server import JudgeError
    from pf_monitor.quality.run import run as run_monitor
    from pf_monitor.quality.writing import Writer

    with ExitStack() as resources:
        place = resources.enter_context(_place(monitor, asked, directory))
        writer = None
        if place.connection_string:
            writer = Writer(place.connection_string, monitor.name)
            resources.callback(writer.close)
        on_progress = resources.enter_context(_progress(talk))
        try:
            report = run_monitor(
                monitor, place.source, directory, writer, source_name=place.name, on_progress=on_progress
            )
            path = reports.write(report, directory)
        except (LedgerError, PromptError, JudgeError, ModuleNotFoundError) as error:
            _refuse(str(error))
        except OSError as error:
            _refuse(f"The report cannot be written: {error}")
    talk.print(f"[dim]The report is kept in {path}[/dim]", soft_wrap=True)
    _tell(monitor, report, directory)
    return report


class _Place(NamedTuple):
    """Where rows come from and scores go."""

    source: Source | Runs
    name: str
    connection_string: str


@contextmanager
def _place(monitor: Monitor, asked: Asked, directory: Path) -> Iterator[_Place]:
    url, target, collected = asked
    if collected:
        from pf_monitor.quality.collected import CollectedReader
        from pf_monitor.quality.monitor import Columns

        columns = next((signal.columns for signal in monitor.quality_signals), Columns())
        with CollectedReader(collected, monitor.target, columns) as reader:
            yield _Place(reader, ", ".join(place.name for place in collected), _where_scores_go(url))
        return
    if target is not None:
        with azure_source(target) as azure:
            yield _Place(azure, target.id, os.environ.get(CONNECTION_STRING, ""))
        return
    with needs_local_extra():
        from pf_monitor.insights import StoreError
        from pf_monitor.insights.server import running

    given = url or f"http://127.0.0.1:{PORT}"
    with ServerSource.connect(given) as server:
        if server.is_up():
            where = urlsplit(given)
            yield _Place(server, given, connection_string(where.port or 80, where.hostname or "127.0.0.1"))
            return
    if url is not None:
        _refuse(f"No local Application Insights answers at {url}. Start one with: pf-monitor up")
    if not directory.is_dir():
        _refuse(f"There is no telemetry in {directory}. Run a monitored flow first, or name another place with --url")
    with ExitStack() as resources:
        try:  # nobody else has the store open: it is served for as long as the run takes, so that scores can come in
            port = resources.enter_context(running(directory))
        except StoreError as error:
            _refuse(f"{error}. Start the store's server with: pf-monitor up")
        own = f"http://127.0.0.1:{port}"
        yield _Place(resources.enter_context(ServerSource.connect(own)), str(directory), connection_string(port))


def _where_scores_go(url: str | None) -> str:
    """Return the connection string of what is there to take the scores of collected data; none leaves them kept."""
    given = url or f"http://127.0.0.1:{PORT}"
    with ServerSource.connect(given) as server:
        if server.is_up():
            where = urlsplit(given)
            return connection_string(where.port or 80, where.hostname or "127.0.0.1")
    return os.environ.get(CONNECTION_STRING, "")


def _collected(monitor: Monitor, file: Path, given: str | None) -> list[CollectedPlace]:
    """Return where collected data lies: as the command says, or else as the file does."""
    from pf_monitor.collected.places import PlaceError, place

    try:
        if given is not None:
            return [place(given)]
        named = [data.path for signal in monitor.signals for data in signal.data if not data.is_asset]
        return [place(address, file.absolute().parent) for address in dict.fromkeys(named)]
    except PlaceError as error:
        _refuse(str(error))


def _read(file: Path) -> Monitor:
    from pf_monitor.quality.schedule_file import read

    reading = read(file)
    for problem in reading.problems:
        typer.echo(problem.located(reading.source), err=True)
    if reading.monitor is None:
        raise typer.Exit(USAGE)
    return reading.monitor


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(USAGE)


def _tell(monitor: Monitor, report: RunReport, directory: Path) -> None:
    """Deliver what there is to tell to the receivers of the alerts' file."""
    from pf_monitor.quality.notices import notices

    found = notices(monitor, report)
    path = rules_file(directory)
    if not found:
        return
    if not path.is_file():
        if monitor.alerts.emails or monitor.alerts.receivers:
            typer.echo(
                f"Nobody is told: there are no receivers in {path}. Name them with: pf-monitor alerts new", err=True
            )
        return
    receivers = read_rules(path).receivers
    wanted = monitor.alerts.receivers or tuple(receivers)
    from pf_monitor.alerts.notification import NotificationError, send
    from pf_monitor.alerts.rules import Severity

    for name in wanted:
        for notice in found:
            if name not in receivers:
                typer.echo(f"{name} was not told: there is no receiver of this name in {path}", err=True)
                break
            try:
                severity = Severity.ERROR if notice.is_failure else Severity.WARNING
                send(receivers[name], notice.title, notice.body, severity)
            except NotificationError as error:
                typer.echo(f"{name} was not told: {error}", err=True)


@contextmanager
def _progress(talk: Console) -> Iterator[OnProgress]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

    tasks: dict[str, TaskID] = {}
    columns = (TextColumn("{task.description:<28}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=talk) as progress:

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        yield on_progress


def show(report: RunReport, console: Console) -> None:
    """Print a report: the numbers as the history has them, how many rows had no score, the worst answers, and drift."""
    from rich.text import Text

    from pf_monitor.cli.monitor.history import render

    render([report], console)
    for metric in report.metrics:
        without = {"unscorable": metric.unscorable, "failed": metric.failed, "left unjudged": metric.unjudged}
        counted = ", ".join(f"{count:,} {what}" for what, count in without.items() if count)
        if counted:
            console.print(Text(f"  {metric.metric}: {counted}"))
    for drift in report.drift:
        mark = "DRIFT" if drift.drifted else "same "
        console.print(
            Text(
                f"  {mark}  {drift.quantity}: {drift.before:,.2f} before, {drift.now:,.2f} now, "
                f"{drift.effect_name} {drift.effect:+.2f}, p = {drift.p_value:.2g}"
            )
        )
    _show_worst(report, console)


def _show_worst(report: RunReport, console: Console) -> None:
    from rich.text import Text

    for metric in report.metrics:
        acceptable = metric.acceptable_score or 0
        for one in metric.worst:
            if one.score < acceptable:
                console.print(Text(f"\n  {metric.metric} {one.score:g}  operation {one.operation_id}", style="bold"))
                for name, text in (("Question", one.question), ("Answer", one.answer), ("Judge", one.explanation)):
                    if text:
                        console.print(Text(f"    {name}: {' '.join(text.split())[:200]}"))
