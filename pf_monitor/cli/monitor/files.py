"""`pf-monitor monitor new` and `validate`: the monitor's file."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer

from pf_monitor.cli._local import fail
from pf_monitor.cli.monitor._reading import File, read_file, say_problems


def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write it.")] = Path("monitor.yaml"),
) -> None:
    """Write a commented monitor to start from; it never overwrites a file.

    `pf-monitor monitor new answers.yaml`
    """
    from pf_monitor.quality.schedule_file.new import write_new

    try:
        write_new(file)
    except FileExistsError:
        fail(f"{file} is there already. Name another file, or move it away.")
    except OSError as error:
        fail(f"{file} cannot be written: {error.strerror}. Check the folder, and who may write there.")
    typer.echo(f"Wrote {file}. Check it after each change with: pf-monitor monitor validate {file}")


def validate(
    file: File,
    as_json: Annotated[bool, typer.Option("--json", help="Print what is found as JSON.")] = False,
) -> None:
    """Say everything that is wrong with a monitor's file, with its line and what is allowed.

    Ends with exit code 1 if there are errors; warnings alone end with 0.

    `pf-monitor monitor validate monitor.yaml`
    """
    reading = read_file(file)
    if as_json:
        found = [dataclasses.asdict(problem) for problem in reading.problems]
        typer.echo(json.dumps({"file": reading.source, "valid": not reading.errors, "problems": found}, indent=2))
    else:
        say_problems(reading)
        typer.echo(f"{file}: {_counted(len(reading.errors), 'error')}, {_counted(len(reading.warnings), 'warning')}")
    if reading.errors:
        raise typer.Exit(1)


def _counted(count: int, what: str) -> str:
    return f"{count or 'no'} {what}{'' if count == 1 else 's'}"
