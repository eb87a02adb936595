"""`pf-monitor monitor run`: judges a window and says pass, fail or inconclusive."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple, NoReturn

import typer

from pf_monitor.cli._azure import ResourceId, Workspace, azure_source, read_target
from pf_monitor.cli._local import needs_extra, needs_local_extra
from pf_monitor.cli.monitor._options import Collected, Engine, JudgedOn, Url
from pf_monitor.cli.monitor._reading import File, read_file, say_problems
from pf_monitor.local import default_directory
from pf_monitor.settings import CONNECTION_STRING

if TYPE_CHECKING:
    from rich.console import Console

    from pf_monitor.azure.source import Target
    from pf_monitor.quality.here import Place
    from pf_monitor.quality.judging.judge import Bench
    from pf_monitor.quality.monitor import Monitor
    from pf_monitor.quality.report import RunReport
    from pf_monitor.quality.run import OnProgress

USAGE: Final = 2
"""The exit code where the command, the file or the setup is wrong."""

UNFINISHED: Final = 4
"""The exit code where the store or the judge was lost, or the run was stopped."""


def run(
    file: File,
    *,
    once: Annotated[
        bool, typer.Option("--once", help="Run now, whatever the trigger says. That is the default.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    collected: Collected = None,
    engine: JudgedOn = Engine.ASYNCIO,
    url: Url = None,
    resource_id: ResourceId = None,
    workspace: Workspace = None,
) -> None:
    """Run a monitor now: sample the window, judge it, write the scores beside the runs, and report.

    Exit codes: 0 pass, 1 fail, 2 the command or the file is wrong, 3 inconclusive or no data, 4 the run could not be
    finished. A run that was interrupted is taken up; nothing is judged twice. Where production_data of the file names
    a folder or a blob container, the collected data in it is read. In Azure, scores are written to the resource of
    APPLICATIONINSIGHTS_CONNECTION_STRING.

    `pf-monitor monitor run monitor.yaml`

    `pf-monitor monitor run monitor.yaml --once --json`

    `pf-monitor monitor run monitor.yaml --collected ./collected --engine spark`
    """
    del once  # a run is always one; the option is there for those who want to say so
    monitor = _read(file)
    from rich.console import Console

    asked = Asked(url, read_target(resource_id, workspace), collected, file.absolute().parent)
    report = run_and_keep(monitor, asked, default_directory(), Console(stderr=True, highlight=False), engine)
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
        collected: Where collected data lies; None for what the monitor's file says.
        base: The folder that paths in the file start from.
    """

    url: str | None
    target: Target | None
    collected: str | None
    base: Path


def run_and_keep(
    monitor: Monitor, asked: Asked, directory: Path, talk: Console, engine: Engine = Engine.ASYNCIO
) -> RunReport:
    """Run a monitor, keep its report, and tell whom it is to be told; ends the command with a message if it cannot.

    Args:
        monitor: The monitor.
        asked: Where flow runs are looked for.
        directory: The data folder.
        talk: Where progress is shown.
        engine: Where rows are judged.
    """
    with needs_extra("quality"):
        from pf_monitor.quality.here import PlaceError, run_at
        from pf_monitor.quality.judging.ledger import LedgerError
        from pf_monitor.quality.judging.prompts import PromptError
        from pf_monitor.quality.judging.server import JudgeError

    try:
        with _place(monitor, asked, directory) as place, _judges(engine) as bench, _progress(talk) as on_progress:
            ran = run_at(place, monitor, directory, on_progress, bench)
    except (LedgerError, PromptError, JudgeError, PlaceError) as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"The report cannot be written: {error}. Check the folder {directory}")
    talk.print(f"[dim]The report is kept in {ran.path}[/dim]", soft_wrap=True)
    return ran.report


@contextmanager
def _place(monitor: Monitor, asked: Asked, directory: Path) -> Iterator[Place]:
    from pf_monitor.quality.here import Place, collected_places, over_collected, this_machine

    if asked.target is not None:
        with azure_source(asked.target) as azure:
            yield Place(azure, asked.target.id, os.environ.get(CONNECTION_STRING, ""))
        return
    if places := collected_places(monitor, asked.collected, asked.base):
        with over_collected(places, monitor, asked.url) as place:
            yield place
        return
    with needs_local_extra(), this_machine(asked.url, directory) as place:
        yield place


@contextmanager
def _judges(engine: Engine) -> Iterator[Callable[..., Bench]]:
    """Give what makes the bench that judges, within."""
    from pf_monitor.quality.judging.judge import Bench

    if engine is Engine.ASYNCIO:
        yield Bench
        return
    with needs_extra("spark"):
        from pf_monitor.quality.judging.spark import SparkError, spark_benches

    try:
        with spark_benches() as make:
            yield make
    except SparkError as error:
        _refuse(str(error))


def _read(file: Path) -> Monitor:
    reading = read_file(file)
    say_problems(reading)
    if reading.monitor is None:
        raise typer.Exit(USAGE)
    return reading.monitor


def _refuse(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(USAGE)


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
    from pf_monitor.quality.notices import most_changed, said_drift

    render([report], console)
    for metric in report.metrics:
        without = {"unscorable": metric.unscorable, "failed": metric.failed, "left unjudged": metric.unjudged}
        if metric.people_rate is not None and metric.people_rate_low is not None:
            low, high = metric.people_rate_low, metric.people_rate_high or 1.0
            by_labels = f"people would find {metric.people_rate:.1%} [{low:.1%}, {high:.1%}], by the labelled anchors"
            console.print(Text(f"  {metric.metric}: {by_labels}"))
        counted = ", ".join(f"{count:,} {what}" for what, count in without.items() if count)
        if counted:
            console.print(Text(f"  {metric.metric}: {counted}"))
    for drift in report.drift:
        mark = "DRIFT" if drift.drifted else "same "
        console.print(Text(f"  {mark}  {said_drift(drift)}"))
        for share in most_changed(drift) if drift.drifted else ():
            for number, text in enumerate(share.examples):
                before = f"{share.category}:" if number == 0 else " " * (len(share.category) + 1)
                console.print(Text(f"         {before} {' '.join(text.split())[:100]}"))
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
