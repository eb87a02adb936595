"""`pf-monitor up`: the local Application Insights, in the foreground."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pf_monitor.cli._local import default_directory, fail, needs_local_extra
from pf_monitor.local import PORT, connection_string


def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port on 127.0.0.1; 0 takes a free one.")] = PORT,
    data: Annotated[
        Path | None,
        typer.Option(help="Where telemetry is kept. Default: $PF_MONITOR_DATA, else ~/.pf_monitor/insights."),
    ] = None,
) -> None:
    """Run the local Application Insights until Ctrl-C.

    Anything that sends to Application Insights can send to it; monitored flows do by default.

    `pf-monitor up --port 4400 --data ./telemetry` runs another one beside the first.
    """
    with needs_local_extra():
        from pf_monitor.insights import Store, StoreBusyError, StoreError
        from pf_monitor.insights.server import PortInUseError, bind, serve
        from pf_monitor.web.site import routes

    os.umask(0o077)  # what is written from here on is its owner's alone
    console = Console()
    directory = data or default_directory()
    try:
        with bind(port) as listener, Store.open(directory) as store:
            _announce(console, listener.getsockname()[1], directory)
            serve(store, listener, routes)
    except PortInUseError:
        other = port + 1 if port < 65535 else port - 1
        fail(
            f"Port {port} is taken, perhaps by another `pf-monitor up`. "
            f"Stop that, or choose a port: pf-monitor up --port {other}"
        )
    except StoreBusyError:
        fail(
            f"Another process has the telemetry in {directory} open. "
            "Stop it, or choose another place: pf-monitor up --data DIR"
        )
    except StoreError as error:
        fail(str(error))
    console.print("Stopped.")


def _announce(console: Console, port: int, directory: Path) -> None:
    home = Path.home()
    shown = f"~{os.sep}{directory.relative_to(home)}" if directory.is_relative_to(home) else str(directory)
    for label, value in (
        ("Dashboard", f"http://127.0.0.1:{port}/"),
        ("Connection string", connection_string(port)),
        ("Data", shown),
    ):
        console.print(f"[bold]{label:<27}[/bold]", end="")
        console.print(value, markup=False, highlight=False, soft_wrap=True)
    console.print("[dim]Ctrl-C stops it.[/dim]")
