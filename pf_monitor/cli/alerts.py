"""`pf-monitor alerts`: the rules, what they are at, and whether the people who are told can be reached."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pf_monitor.cli._local import fail
from pf_monitor.cli._rules import counted, read_rules, rules_file
from pf_monitor.cli._source import open_source
from pf_monitor.local import PORT, default_directory

if TYPE_CHECKING:
    from rich.text import Text

    from pf_monitor.alerts.status import Notifications, RuleStatus

app = typer.Typer(help="Alert rules over the local telemetry.", no_args_is_help=True)

File = Annotated[
    Path | None, typer.Option("--file", help="The file of rules. Default: alerts.yaml beside the telemetry.")
]


@app.command()
def new(file: File = None) -> None:
    """Write a commented file with the built-in rules; it never overwrites one.

    `pf-monitor alerts new`
    """
    from pf_monitor.alerts.config import template

    path = file or rules_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as opened:
            opened.write(template())
    except FileExistsError:
        fail(f"{path} is there already: edit it, or choose another place with --file")
    except OSError as error:
        fail(f"Cannot write {path}: {error.strerror}")
    typer.echo(f"{path} is written. Say in it who is told, then: pf-monitor alerts test")


@app.command()
def validate(file: File = None) -> None:
    """Check the file: the form of everything in it, the queries, the addresses and their environment variables.

    `pf-monitor alerts validate`
    """
    path = file or rules_file()
    typer.echo(f"{path}: {counted(read_rules(path))}, all good")


@app.command(name="list")
def show(
    *,
    file: File = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON array.")] = False,
    url: Annotated[
        str | None, typer.Option(help=f"A running local Application Insights. Default: http://127.0.0.1:{PORT}.")
    ] = None,
) -> None:
    """Show each rule with its value now, whether it fires, and since when.

    `pf-monitor alerts list`

    `pf-monitor alerts list --json`
    """
    from pf_monitor.alerts.status import Watched, status

    watched = Watched(read_rules(file or rules_file(), with_receivers=False), default_directory())
    with open_source(url) as source:
        found = status(watched, source, datetime.now(UTC))
    if as_json:
        typer.echo(json.dumps(found["rules"], indent=2, ensure_ascii=False))
        return
    _print(found["rules"], found["notifications"])


@app.command()
def test(
    *,
    file: File = None,
    to: Annotated[str | None, typer.Option(help="Only this receiver, by its name in the file.")] = None,
) -> None:
    """Send a test notification to everyone in the file, or to one.

    `pf-monitor alerts test --to team`
    """
    from pf_monitor.alerts.notification import NotificationError, send
    from pf_monitor.alerts.rules import Severity

    path = file or rules_file()
    config = read_rules(path)
    if not config.receivers:
        fail(f"{path} names nobody to tell: add somebody under 'notify'")
    if to is not None and to not in config.receivers:
        fail(f"There is no receiver {to!r}; known are {', '.join(config.receivers)}")
    failed = False
    for name in [to] if to else config.receivers:
        try:
            send(config.receivers[name], "Test: pf-monitor can reach you", "This is a test.", Severity.INFORMATIONAL)
            typer.echo(f"{name}: delivered")
        except NotificationError as error:
            failed = True
            typer.echo(f"{name}: not delivered: {error}", err=True)
    if failed:
        raise typer.Exit(1)


def _print(found: Sequence[RuleStatus], notifications: Notifications) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from pf_monitor.alerts.messages import outcome, shown

    table = Table(header_style="bold", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for header in ("Rule", "Severity", "Measure", "Now", "Fires when", "Window", "State", "Since"):
        table.add_column(header, justify="right" if header == "Now" else "left")
    for one in found:
        now = Text("error") if one["problem"] else Text(shown(one["measure"], one["value"]))
        when = f"{one['condition']} ({one['failing']})"
        texts = (one["name"], one["severity"], one["measure"])
        table.add_row(*map(Text, texts), now, Text(when), Text(one["window"]), _state(one), Text(one["changed"] or ""))
    console = Console()
    console.print(table)
    for one in found:
        if one["problem"]:
            console.print(Text(f"{one['name']}: {one['problem']}"))
    console.print(f"Notifications: {outcome(notifications)}", style="dim", highlight=False)


def _state(one: RuleStatus) -> Text:
    from rich.text import Text

    if one["firing"]:
        return Text("FIRING", style="bold red")
    return Text("ok" if one["evaluated"] else "not evaluated")
