"""`pf-monitor monitor schedule`: stays, and runs a monitor when its trigger comes."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import typer

from pf_monitor.cli._azure import ResourceId, Workspace, read_target
from pf_monitor.cli._local import fail
from pf_monitor.cli.monitor._options import Collected, Engine, JudgedOn, Url
from pf_monitor.cli.monitor._reading import File, monitor_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pf_monitor.quality.following import Due
    from pf_monitor.quality.monitor import Trigger


def schedule(
    file: File,
    collected: Collected = None,
    engine: JudgedOn = Engine.ASYNCIO,
    url: Url = None,
    resource_id: ResourceId = None,
    workspace: Workspace = None,
) -> None:
    """Stay, and run a monitor whenever its trigger comes, until Ctrl-C.

    Each run is a process of its own that reads the file anew. What passes during a run is left out. The options are
    given on to `run`.

    `pf-monitor monitor schedule monitor.yaml`

    `pf-monitor monitor schedule monitor.yaml --collected ./collected --engine spark`
    """
    monitor = monitor_of(file)
    if monitor.trigger is None:
        fail(f"{file} has no trigger, so that nothing says when to run.")
    read_target(resource_id, workspace)  # what is wrong with it is said now, not when the first run begins
    given = {
        "--collected": collected,
        "--engine": engine,
        "--url": url,
        "--resource-id": resource_id,
        "--workspace": workspace,
    }
    options = [part for name, value in given.items() if value is not None for part in (name, value)]
    command = [sys.executable, "-c", "from pf_monitor.cli import main; main()", "monitor", "run", str(file), *options]
    try:
        follow(monitor.trigger, lambda: _run(command))
    except KeyboardInterrupt:
        typer.echo("Stopped.", err=True)


def _run(command: list[str]) -> int:
    return subprocess.run(command, check=False).returncode  # noqa: S603 - our own command, no shell


def follow(
    trigger: Trigger,
    run: Callable[[], int],
    *,
    clock: Callable[[], datetime] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Run whenever a trigger comes, and say what is next; returns when the trigger has ended.

    Args:
        trigger: The trigger.
        run: Runs the monitor once, and returns an exit code.
        clock: Says what time it is, in UTC.
        sleep: Waits for some seconds.
    """
    from pf_monitor.quality import following

    clock = clock or following.now
    for number, due in enumerate(following.times(trigger, clock), 1):
        typer.echo(_announcement(due, trigger.time_zone, clock()))
        for nap in following.naps(due.moment, clock):
            sleep(nap)
        begun = clock()
        code = run()
        took = (clock() - begun).total_seconds()
        ended = "ended" if code == 0 else f"ended with exit code {code}"
        typer.echo(f"Run {number} {ended} after {took:.0f} s.")
    typer.echo("The trigger has ended: end_time has passed. Nothing more will run.")


def _announcement(due: Due, zone: str, now: datetime) -> str:
    local = due.moment.astimezone(ZoneInfo(zone))
    left = max(0, round((due.moment - now).total_seconds()))
    missed = f" {due.missed} earlier times passed and are left out." if due.missed else ""
    return f"Next run: {local:%a %Y-%m-%d %H:%M:%S} {zone}, in {_duration(left)}.{missed}"


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, rest = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")]
    shown = [f"{count} {unit}" for count, unit in parts if count]
    return " ".join(shown[:2]) or "0 s"
