"""`pf-monitor monitor submit`: creates a monitor in Azure ML."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from pf_monitor.cli._local import fail, needs_extra
from pf_monitor.cli.monitor._reading import File, monitor_of


def submit(
    file: File,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be sent, and send nothing. Needs no login.")
    ] = False,
    subscription: Annotated[str | None, typer.Option(help="The subscription's id.", show_default=False)] = None,
    resource_group: Annotated[str | None, typer.Option(help="The resource group.", show_default=False)] = None,
    workspace: Annotated[
        str | None, typer.Option(help="The Azure ML workspace, or Foundry project.", show_default=False)
    ] = None,
) -> None:
    """Create a monitor in Azure ML, correcting what its service refuses today, and saying so.

    `pf-monitor monitor submit monitor.yaml --dry-run`
    """
    monitor = monitor_of(file)
    with needs_extra("quality"):
        from pf_monitor.quality import azure_ml

        try:
            submission = azure_ml.prepare(file)
            for correction in submission.corrections:
                typer.echo(correction, err=True)
            if dry_run:
                typer.echo(json.dumps(submission.payload(), indent=2))
                return
            created = azure_ml.submit(submission, azure_ml.Workspace(subscription, resource_group, workspace))
        except azure_ml.SubmitError as error:
            fail(str(error))
    typer.echo(f"Created {monitor.name}: {created}")
