"""What the commands about monitors share: reading the file, and saying what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pf_monitor.cli._local import needs_extra

if TYPE_CHECKING:
    from pf_monitor.quality.monitor import Monitor
    from pf_monitor.quality.schedule_file import Reading

File = Annotated[Path, typer.Argument(metavar="FILE", help="The monitor's file.", show_default=False)]


def read_file(path: Path) -> Reading:
    """Read a monitor's file; ends the command with a message if a package is missing for it."""
    with needs_extra("quality"):
        from pf_monitor.quality.schedule_file import read

        return read(path)


def monitor_of(path: Path) -> Monitor:
    """Return the monitor of a file; says its warnings, and ends the command with what is wrong if there is any."""
    reading = read_file(path)
    say_problems(reading)
    if reading.monitor is None:
        raise typer.Exit(1)
    return reading.monitor


def say_problems(reading: Reading) -> None:
    """Print everything that was found to standard error, a line each."""
    for problem in reading.problems:
        typer.echo(problem.located(reading.source), err=True)
