"""`pf-monitor demo`: a monitored flow from question to report, on this machine alone."""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pf_monitor import queries
from pf_monitor.cli._local import fail, needs_local_extra
from pf_monitor.cli._source import Source
from pf_monitor.cli.report import Report, collect, render
from pf_monitor.local import PORT, connection_string, default_directory
from pf_monitor.local_server import ServerSource
from pf_monitor.views.scope import Scope

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, TaskID

    from pf_monitor.demo.checks import Check
    from pf_monitor.demo.stage import Stage
    from pf_monitor.demo.traffic import Answer
    from pf_monitor.quality.report import RunReport

_STORED_S = 30.0
"""How long all telemetry may take from the last answer to the store. It usually takes one or two seconds."""

_POLL_S = 0.2

Record = dict[str, Any]

_NEXT_STEPS = """
Next: [bold]pf-monitor demo --keep[/bold] leaves it all running, to ask and to query. For a flow of your own:

  1. decorate its entry with @pf_monitor.flow
  2. pf-monitor enable FLOW_DIR
  3. pf-monitor up, run the flow, pf-monitor report
"""


def demo(
    *,
    requests: Annotated[int, typer.Option(min=1, help="How many questions are asked.")] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object: report, bill, checks.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the telemetry, and stay up until Ctrl-C.")] = False,
    quality: Annotated[
        bool, typer.Option("--quality", help="Judge the answers too, and end with scores and a verdict.")
    ] = False,
) -> None:
    """Serve a sample flow, ask it questions, and report what was monitored.

    Everything is real but the model, which is a stand-in unless OPENAI_API_KEY or AZURE_OPENAI_ENDPOINT is set:
    promptflow's own server, HTTP requests of which a few fail, the Azure Monitor exporter, a local Application
    Insights. Exits with 1 if the telemetry does not agree with what was asked and billed.

    `pf-monitor demo --requests 100`

    `pf-monitor demo --keep`

    `pf-monitor demo --quality`
    """
    with needs_local_extra():
        from pf_monitor.demo.flow_server import FlowServerError
        from pf_monitor.demo.stage import set_up
        from pf_monitor.insights import StoreBusyError, StoreError
    from rich.console import Console

    talk = Console(stderr=True, highlight=False)
    try:
        with _ended_by_sigterm(), set_up(default_directory() if keep else None) as stage:
            result = _run(stage, requests, talk, keep=keep, quality=quality)
            if as_json:
                typer.echo(json.dumps(result.as_json(), indent=2, ensure_ascii=False))
            else:
                _show(result, Console(highlight=False))
            if keep:
                _stay(stage, talk)
            else:
                talk.print(_NEXT_STEPS)
    except StoreBusyError:
        fail(
            f"Another process has the telemetry in {default_directory()} open, perhaps `pf-monitor up`. "
            "Stop it, or run the demo without --keep."
        )
    except (StoreError, FlowServerError) as error:
        fail(str(error))
    if failed := [check for check in result.checks if not check.passed]:
        fail("\n".join(f"Check failed: {_sentence(check)}" for check in failed))


@dataclass(frozen=True)
class _Result:
    """What the demo found."""

    answers: list[Answer]
    billed: dict[str, Any] | None
    report: Report
    checks: list[Check]
    quality: RunReport | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": {"sent": len(self.answers), "failed": sum(answer.failed for answer in self.answers)},
            "model": "configured" if self.billed is None else "stand-in",
            "billed": self.billed,
            "report": self.report,
            "checks": [check.as_json() for check in self.checks],
            **({} if self.quality is None else {"quality": self.quality.to_json()}),
        }


def _run(stage: Stage, count: int, talk: Console, *, keep: bool, quality: bool) -> _Result:
    """Ask, wait for the telemetry, and compare it with what the callers saw and the stand-in billed."""
    from pf_monitor.demo.traffic import ask, questions

    with ServerSource.connect(f"http://127.0.0.1:{stage.insights_port}") as source, _progress(talk) as progress:
        starting = progress.add_task("Starting promptflow's server", total=1)
        stage.flow.wait_until_up()
        progress.advance(starting)

        began = datetime.now(UTC)
        asked = list(questions(stage.data, count, scripted=stage.stand_in is not None))
        asking = progress.add_task("Asking questions", total=count)
        answers = ask(stage.flow.url, asked, lambda: progress.advance(asking))
        stage.flow.check()

        storing = progress.add_task("Waiting for the telemetry", total=count)
        _wait_until_stored(
            lambda: len(_runs(stage, source, began, answers)),
            len(answers),
            lambda stored: progress.update(storing, completed=stored),
        )
        if not keep:
            stage.flow.stop()  # it sends its metrics now rather than at the end of the minute
        result = _compare(stage, source, answers, began)
        return replace(result, quality=_judge(stage, source, began, progress, keep=keep)) if quality else result


def _judge(stage: Stage, source: Source, began: datetime, progress: Progress, *, keep: bool) -> RunReport:
    """Judge what was answered; the command ends with a message if that cannot be done."""
    from pf_monitor.demo.quality import judge
    from pf_monitor.quality.judging.ledger import LedgerError
    from pf_monitor.quality.judging.prompts import PromptError

    tasks: dict[str, TaskID] = {}

    def on_progress(what: str, done: int, total: int) -> None:
        if what not in tasks:
            tasks[what] = progress.add_task(what, total=total)
        progress.update(tasks[what], completed=done, total=total)

    with nullcontext(str(default_directory())) if keep else TemporaryDirectory(prefix="pf-monitor-demo-") as folder:
        try:
            return judge(source, stage.insights_port, began, Path(folder), on_progress)
        except (PromptError, LedgerError) as error:
            fail(str(error))


def _compare(stage: Stage, source: Source, answers: list[Answer], began: datetime) -> _Result:
    from pf_monitor.demo.checks import check_contract, check_flow_tokens, check_model_tokens, check_runs

    runs = _runs(stage, source, began, answers)
    report = collect(source, Scope(began, datetime.now(UTC)))
    billed = None if stage.stand_in is None else stage.stand_in.ledger()["models"]
    checks = [*check_runs(answers, runs)]
    if billed is not None:
        checks += check_flow_tokens(billed, runs)
    if not stage.is_shared:
        if billed is not None:
            checks += check_model_tokens(billed, report["by_model"])
        checks.append(check_contract(_ask_for("beyond_contract", source, began)))
    return _Result(answers, billed, report, checks)


def _runs(stage: Stage, source: Source, began: datetime, answers: list[Answer]) -> list[Record]:
    """The flow runs that there are; where others may send too, only those that the demo's questions have led to."""
    runs = _ask_for("flow_runs", source, began)
    asked = {answer.question.trace_id for answer in answers}
    return [run for run in runs if run["operation_Id"] in asked] if stage.is_shared else runs


def _wait_until_stored(count: Callable[[], int], wanted: int, on_progress: Callable[[int], None]) -> None:
    """Wait until enough is stored; when it is not in time, the checks will say so."""
    deadline = time.monotonic() + _STORED_S
    while (stored := count()) < wanted and time.monotonic() < deadline:
        on_progress(stored)
        time.sleep(_POLL_S)
    on_progress(stored)


def _ask_for(name: str, source: Source, since: datetime) -> list[Record]:
    return source.query(queries.load(name, since=since, until=datetime.now(UTC))).records()


def _progress(talk: Console) -> Progress:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    description = TextColumn("{task.description:<28}")
    return Progress(description, BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=talk)


def _show(result: _Result, console: Console) -> None:
    render(result.report, console)
    console.print("[bold]Checked[/bold]\n")
    for check in result.checks:
        console.print(f"  {'[green]ok  [/green]' if check.passed else '[red]FAIL[/red]'}  {_sentence(check)}")
    console.print()
    if result.billed is not None:
        console.print("The model was a stand-in: it answers from the prompt's own text and costs nothing.")
    if result.quality is not None:
        from pf_monitor.cli.monitor.run import show

        show(result.quality, console)
        console.print("\nThe judge was the stand-in: it compares words, and no model has read the answers.")


def _sentence(check: Check) -> str:
    return f"{check.name}: {check.found:,}" + ("" if check.passed else f" where {check.expected:,} are right")


def _stay(stage: Stage, talk: Console) -> None:
    """Say where everything is, and keep it there until Ctrl-C."""
    insights = f"http://127.0.0.1:{stage.insights_port}"
    addresses = {
        "Flow": f"{stage.flow.url}/",
        "Dashboard": f"{insights}/",
        "Connection string": connection_string(stage.insights_port),
        "Telemetry": str(default_directory()),
    }
    if stage.stand_in is not None:
        addresses["Stand-in model"] = f"{stage.stand_in.base_url} (its bill: {stage.stand_in.url}/stand-in/ledger)"
    url = "" if stage.insights_port == PORT else f" --url {insights}"
    question = json.dumps({"question": "Is the Firefly 400 waterproof?"})
    try:
        talk.print()
        for label, value in addresses.items():
            talk.print(f"[bold]{label:<27}[/bold]{value}", soft_wrap=True)
        for command in (
            f"pf-monitor report{url}",
            f"pf-monitor query{url} 'exceptions | project timestamp, type, outerMessage | take 10'",
            f"curl -s {stage.flow.url}/score -H 'content-type: application/json' -d '{question}'",
        ):
            talk.print(f"\n  {command}", end="", soft_wrap=True)
        talk.print("\n\n[dim]Ctrl-C stops it all.[/dim]")
        threading.Event().wait()
    except KeyboardInterrupt:
        talk.print("Stopped.")


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Let SIGTERM end the command as an exception does, so that what it has started ends with it."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
