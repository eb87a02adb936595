"""Run the benchmarks and print what they found; see docs/performance.md."""

from __future__ import annotations

import importlib
import json
import os
import platform
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from measuring import Figure
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

BENCHMARKS = {
    "decorated_call": "One decorated call",
    "not_enabled": "Not enabled",
    "streams": "Streams of 500 chunks",
    "served_request": "A request through promptflow's server: four nodes, two model calls",
    "memory": "Memory over 100,000 requests",
    "imports": "Import time",
    "judging": "Judging: beside the model's own time, and under fire",
    "wire": "What a request sends: two steps, one model call",
    "store": "The local store at size",
    "phoenix": "The local store beside Arize Phoenix",
}

_HELP = f"""Measure what the monitor costs, beside bare OpenTelemetry, promptflow and peers.

Benchmarks: {", ".join(BENCHMARKS)}. All of them take about half an hour, most of them in `memory` and `store`.

Each figure is the least of several rounds, or the median of pairs, in CPU time, and stands beside a baseline of the
same run: on another machine, or a busy one, figures differ and ratios hardly.
"""

_EPILOG = """Examples:

    python tests/benchmarks/run.py

    python tests/benchmarks/run.py decorated_call streams

    python tests/benchmarks/run.py decorated_call --peers-python peers/bin/python

    python tests/benchmarks/run.py store --spans 5000000 --spans 20000000 --stores ./stores

    python tests/benchmarks/run.py --json > figures.json"""


def main(
    names: Annotated[list[str] | None, typer.Argument(help="Which; all unless given.", metavar="[NAME]...")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    peers_python: Annotated[
        str,
        typer.Option(help="A Python in which peers are installed; most need a newer OpenTelemetry than promptflow."),
    ] = sys.executable,
    spans: Annotated[
        list[int] | None,
        typer.Option(help="How many spans `store` and `phoenix` ask about; 5,000,000 and 100,000 unless given."),
    ] = None,
    stores: Annotated[
        Path | None, typer.Option(help="Where `store` keeps what it makes, for the next time; nowhere unless given.")
    ] = None,
) -> None:
    """Run benchmarks; the exit status is 1 when a target is missed or one of them fails."""
    chosen = names or list(BENCHMARKS)
    if unknown := set(chosen) - set(BENCHMARKS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: choose from {', '.join(BENCHMARKS)}")
    options = {"python": sys.executable, "peers_python": peers_python, "spans": spans, "stores": stores}
    found: dict[str, list[Figure]] = {name: [] for name in chosen}
    notes: list[str] = []
    failures: list[str] = []
    progress = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with progress:
        for name in chosen:
            task = progress.add_task(BENCHMARKS[name])
            try:
                for told in importlib.import_module(name).benchmark(options):
                    if isinstance(told, Figure):
                        found[name].append(told)
                        progress.update(task, description=f"{BENCHMARKS[name]}: {escape(told.what)}")
                        if not progress.console.is_terminal:  # nobody sees the spinner
                            progress.console.print(f"{told.what}: {told.value:,.2f} {told.unit}", highlight=False)
                    else:
                        notes.append(told)
            except Exception as error:  # noqa: BLE001 - what the others found, and this one so far, has taken long
                failures.append(f"{name} failed: {type(error).__name__}: {error}")
            progress.remove_task(task)
    if as_json:
        told_all = {name: [{**asdict(f), "met": f.met} for f in figures] for name, figures in found.items()}
        told_whole = {"figures": told_all, "notes": notes, "failures": failures}
        print(json.dumps({"python": platform.python_version(), **told_whole}, indent=2))  # noqa: T201 - what the program is for
    else:
        _print(found, [*notes, *failures])
    if failures or any(figure.met is False for figures in found.values() for figure in figures):
        raise typer.Exit(1)


def _print(found: dict[str, list[Figure]], notes: list[str]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 118)
    for name, figures in found.items():
        table = Table(title=BENCHMARKS[name], title_justify="left", title_style="bold", header_style="", expand=True)
        table.add_column("", ratio=1)
        for header in ("", "of the baseline", "target", ""):
            table.add_column(header, justify="right", no_wrap=True)
        for figure in figures:
            verdict = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[figure.met]
            ratio = f"{figure.ratio:.2f}" if figure.ratio is not None else ""
            target = f"≤ {figure.target:g}" if figure.target is not None else ""
            table.add_row(escape(figure.what), f"{figure.value:,.2f} {figure.unit}", ratio, target, verdict)
        console.print(table)
    for note in notes:
        console.print(note, highlight=False, markup=False)
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    console.print(f"Python {platform.python_version()}, {os.cpu_count()} cores{load}.", highlight=False)


if __name__ == "__main__":
    app = typer.Typer(rich_markup_mode="markdown", add_completion=False)
    app.command(help=_HELP, epilog=_EPILOG)(main)
    app()
