"""`pf-monitor up`: the local Application Insights, in the foreground."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from pf_monitor.cli._local import fail, needs_local_extra
from pf_monitor.cli._rules import counted, read_rules, rules_file
from pf_monitor.local import HOST, PORT, TOKEN, configured_token, connection_string_at, default_directory
from pf_monitor.local import url as local_url

if TYPE_CHECKING:
    from pf_monitor.alerts.config import Config
    from pf_monitor.insights import Store
    from pf_monitor.insights.access import Access


def up(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = PORT,
    host: Annotated[
        list[str] | None,
        typer.Option(
            help="The address to listen on; given again, a further name that it is called by. "
            f"Default: {HOST}. Any other needs a token in ${TOKEN}."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Where telemetry is kept. Default: $PF_MONITOR_DATA, else ~/.pf_monitor/insights."),
    ] = None,
    keep_days: Annotated[int, typer.Option(min=1, max=3650, help="Delete telemetry that is older.")] = 30,
    keep_gb: Annotated[float, typer.Option(min=0.1, help="Delete the oldest telemetry beyond this size.")] = 10,
    alerts: Annotated[
        Path | None, typer.Option(help="The file of alert rules. Default: alerts.yaml beside the telemetry, if any.")
    ] = None,
) -> None:
    """Run the local Application Insights until Ctrl-C.

    Anything that sends to Application Insights can send to it; monitored flows do by default.

    `pf-monitor up --port 4400 --data ./telemetry` runs another one beside the first.
    """
    with needs_local_extra():
        from pf_monitor.insights import Limits, Store, StoreBusyError, StoreError
        from pf_monitor.insights.server import AddressError, PortInUseError, bind, serve
        from pf_monitor.web.site import routes
        from pf_monitor.web.warming import warming
    from pf_monitor.alerts.status import Watched

    os.umask(0o077)  # what is written from here on is its owner's alone
    console = Console()
    directory = data or default_directory()
    hosts = host or [HOST]
    access = _access(hosts)
    try:
        config = _alerts(alerts, directory)
        with (
            bind(port, hosts[0]) as listener,
            Store.open(directory, on_upgrade=lambda: console.print(_UPGRADE)) as store,
            _watching(config, store, directory),
        ):
            store.keep_within(Limits(timedelta(days=keep_days), int(keep_gb * 1024**3)))
            bound, served, *_ = listener.getsockname()
            # Others reach it by the name that was given last; it reaches itself where it listens.
            _announce(console, local_url(served, hosts[-1]), access, directory, config)
            watched = None if config is None else Watched(config, directory)
            own = local_url(served, _ITSELF.get(bound, hosts[0]))
            with warming(own, access.token):
                serve(store, listener, lambda source: routes(source, watched), access)
    except AddressError as error:
        fail(f"{error}. --host takes an address of this machine")
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


_UPGRADE = (
    "[dim]An earlier version kept this telemetry: bringing it up to date, a few seconds for a million items.[/dim]"
)

_ITSELF = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what stands for all addresses, and how to reach one


def _access(hosts: list[str]) -> Access:
    """Who may use the server; ends the command where others could without a token."""
    from pf_monitor.insights.access import SHORTEST_TOKEN, Access
    from pf_monitor.insights.guard import LOOPBACK

    token = configured_token()
    new = f"Make one: export {TOKEN}=$(python -c 'import secrets; print(secrets.token_urlsafe(32))')"
    names = frozenset(one.lower().strip("[]") for one in hosts)
    if token is None and not names <= LOOPBACK:
        fail(f"With --host {' --host '.join(hosts)} others can reach the telemetry, so {TOKEN} has to be set. {new}")
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        fail(f"{TOKEN} has to have {SHORTEST_TOKEN} characters or more, all of them ASCII. {new}")
    if hosts[-1] in _ITSELF:
        fail(f"{hosts[-1]} stands for all addresses. Say also how others call this machine: add --host NAME")
    return Access(names, token)


def _alerts(file: Path | None, directory: Path) -> Config | None:
    """The rules of a file, which has to be there when it was asked for."""
    path = file or rules_file(directory)
    return read_rules(path) if file is not None or path.exists() else None


def _watching(config: Config | None, store: Store, directory: Path) -> AbstractContextManager[None]:
    if config is None:
        return nullcontext()
    from pf_monitor.alerts.watch import watching

    return watching(config, store, directory)


def _announce(console: Console, address: str, access: Access, directory: Path, config: Config | None) -> None:
    home = Path.home()
    shown = f"~{os.sep}{directory.relative_to(home)}" if directory.is_relative_to(home) else str(directory)
    for label, value in (
        ("Dashboard", f"{address}/"),
        ("Connection string", connection_string_at(address, access.token)),
        ("Data", shown),
        *([] if config is None else [("Alerts", counted(config))]),
    ):
        console.print(f"[bold]{label:<27}[/bold]", end="")
        console.print(value, markup=False, highlight=False, soft_wrap=True)
    if access.token is not None:
        console.print(f"[dim]The dashboard asks for the token. Commands take it from {TOKEN}.[/dim]")
    console.print("[dim]Ctrl-C stops it.[/dim]")
