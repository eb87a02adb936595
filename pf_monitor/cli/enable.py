"""`pf-monitor enable` and `disable`: the switch in a flow's file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from pf_monitor.flowfile.edit import Edit

_Flow = Annotated[Path, typer.Argument(metavar="FLOW_DIR", help="The flow's folder, or its file.", show_default=False)]
_DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]


def enable(
    flow: _Flow,
    connection_string: Annotated[
        str | None,
        typer.Option(help="The Application Insights to send to; the local one when none is set.", show_default=False),
    ] = None,
    dry_run: _DryRun = False,
) -> None:
    """Switch monitoring on in a flow's file, keeping its comments and layout."""
    from pf_monitor.flowfile import edit as flow_file
    from pf_monitor.settings import ENABLED

    edit = _apply(lambda: flow_file.enable(flow, connection_string), dry_run, "Monitoring is already switched on in")
    if edit.moved:
        _print(
            "`app_insights_enabled` is gone from the top level: promptflow refuses it before the flow is deployed. "
            f"`{ENABLED}` under `environment_variables` says the same and is legal everywhere."
        )


def disable(flow: _Flow, dry_run: _DryRun = False) -> None:
    """Switch monitoring off in a flow's file; everything else in it stays."""
    from pf_monitor.flowfile import edit as flow_file

    _apply(lambda: flow_file.disable(flow), dry_run, "Monitoring is not switched on in")


def _apply(work_out: Callable[[], Edit], dry_run: bool, nothing_to_do: str) -> Edit:
    from pf_monitor.flowfile.read import FlowFileError

    try:
        edit = work_out()
        if edit.changed and not dry_run:
            edit.write()
    except FlowFileError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except OSError as error:
        typer.echo(f"{error.filename} cannot be written: {error.strerror}. Check who may write there.", err=True)
        raise typer.Exit(1) from error
    if edit.changed:
        _print_difference(edit)
        _print(f"Nothing is written: --dry-run. This would change {edit.path}." if dry_run else f"Changed {edit.path}.")
    else:
        _print(f"{nothing_to_do} {edit.path}: nothing to change.")
    return edit


def _print_difference(edit: Edit) -> None:
    import difflib

    from rich.console import Console
    from rich.text import Text

    console = Console()
    before, after = edit.before.splitlines(), edit.after.splitlines()
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in list(difflib.unified_diff(before, after, lineterm="", n=2))[2:]:
        console.print(Text(line, style=colours.get(line[0], "")), soft_wrap=True)


def _print(message: str) -> None:
    from rich.console import Console

    Console().print(message, markup=False, highlight=False, soft_wrap=True)
