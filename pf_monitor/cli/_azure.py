"""What the commands that ask Azure share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from pf_monitor.cli._local import fail
from pf_monitor.table import QueryError

if TYPE_CHECKING:
    from pf_monitor.azure.source import AzureSource, Target

ResourceId = Annotated[
    str | None, typer.Option("--resource-id", help="Ask this Application Insights resource in Azure, by its id.")
]
Workspace = Annotated[
    str | None,
    typer.Option("--workspace", help="Ask this Log Analytics workspace in Azure, by its workspace id or resource id."),
]


def read_target(resource_id: str | None, workspace: str | None) -> Target | None:
    """Read the options that name something in Azure; None without them. Ends the command if they are wrong."""
    from pf_monitor.azure.source import Target

    if resource_id is not None and workspace is not None:
        fail("Choose one of --resource-id and --workspace")
    try:
        if resource_id is not None:
            return Target.resource(resource_id)
        return None if workspace is None else Target.workspace(workspace)
    except ValueError as error:
        fail(str(error))


@contextmanager
def azure_source(target: Target) -> Iterator[AzureSource]:
    """Give a source that asks Azure, within; ends the command with a message if Azure cannot be asked."""
    from pf_monitor.azure.source import AzureError, open_azure

    try:
        with open_azure(target) as source:
            yield source
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("azure"):
            raise
        fail(f"'{error.name}' is not installed: pip install 'pf-monitor[azure]'")
    except AzureError as error:
        fail(str(error))
    except QueryError as error:
        fail(error.message)
