"""`pf-monitor azure`: the same pages, alerts and queries in a user's own Azure resource."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pf_monitor.cli._azure import ResourceId, Workspace, read_target
from pf_monitor.cli._local import fail
from pf_monitor.cli._rules import read_rules, rules_file

if TYPE_CHECKING:
    from pf_monitor.alerts.rules import Rule

app = typer.Typer(help="Take the dashboard, the alerts and the queries to Azure.", no_args_is_help=True)


@app.callback()
def _azure() -> None:
    """Make it a group of commands, though it has one."""


@app.command()
def export(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to write to.")],
    *,
    resource_id: ResourceId = None,
    workspace: Workspace = None,
    alerts: Annotated[
        Path | None, typer.Option(help="The file of alert rules. Default: alerts.yaml beside the telemetry, if any.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that no export wrote.")] = False,
) -> None:
    """Write a workbook, alert rules and saved queries as ARM templates, and the script that deploys them.

    Nothing is sent anywhere. The script asks for the resource if it is not given here.

    `pf-monitor azure export ./azure --resource-id /subscriptions/…/components/NAME`

    `./azure/deploy.sh --what-if`
    """
    from pf_monitor.azure.arm import Place
    from pf_monitor.azure.export import ExportError
    from pf_monitor.azure.export import export as write

    target = read_target(resource_id, workspace)
    if target is not None and not target.id.startswith("/"):
        fail("--workspace: give the workspace's resource id here, which begins with /subscriptions/")
    place = Place() if target is None else Place(target.id, is_workspace=target.is_workspace)
    try:
        written = write(directory, _rules(alerts), place, force=force)
    except ExportError as error:
        fail(str(error))
    for path in written:
        typer.echo(path)
    typer.echo(f"\nDeploy with {directory / 'deploy.sh'}; see {directory / 'README.md'}.")


def _rules(file: Path | None) -> Collection[Rule]:
    """The rules of a file; without one, those of the usual file, or else the built-in ones."""
    from pf_monitor.alerts.rules import DEFAULTS

    usual = rules_file()
    if file is None and not usual.exists():
        return DEFAULTS.values()
    return read_rules(file or usual, with_receivers=False).rules
