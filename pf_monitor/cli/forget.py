"""`pf-monitor forget`: delete what one session or one user left in the local store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pf_monitor.cli._local import fail, needs_local_extra
from pf_monitor.local import default_directory


def forget(
    session: Annotated[str | None, typer.Option(help="The session, as `session.id` has it.")] = None,
    user: Annotated[str | None, typer.Option(help="The user, as `user_Id` has it.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Where telemetry is kept. Default: $PF_MONITOR_DATA, else ~/.pf_monitor/insights."),
    ] = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete all requests of a session or a user from the local store, for good.

    Stop `pf-monitor up` first: the store is written anew, so that no byte of them stays in its file.

    `pf-monitor forget --session s-17`

    `pf-monitor forget --user u-42 --yes`
    """
    if (session is None) == (user is None):
        fail("Say whose requests to delete: pf-monitor forget --session ID, or --user ID")
    with needs_local_extra():
        from pf_monitor.insights import StoreBusyError, StoreError, forgetting

    directory = data or default_directory()
    try:
        operations = forgetting.operations_of(directory, session=session, user=user)
        if not operations:
            fail(f"There are no requests of {session or user} in {directory}")
        if not yes:
            typer.confirm(f"Delete {len(operations):,} requests and all of theirs from {directory}?", abort=True)
        forgotten = forgetting.forget(directory, operations)
    except StoreBusyError:
        fail(f"Another process has the telemetry in {directory} open. Stop `pf-monitor up`, then try again.")
    except StoreError as error:
        fail(str(error))
    typer.echo(f"Deleted {forgotten.operations:,} requests: {forgotten.rows:,} rows.")
