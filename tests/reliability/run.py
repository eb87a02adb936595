"""Run the tests of reliability at size and print what they found; see docs/reliability.md."""

from __future__ import annotations

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.append(str(Path(__file__).parents[1] / "support"))

import ends
import faults
import outage
import overload
from injector import CLEAR, FAULTS, QUICK, REDIRECTS
from subjects import SUBJECTS

app = typer.Typer(add_completion=False, help=__doc__, no_args_is_help=True)
_console = Console()


@app.command("faults")
def run_faults(
    number: Annotated[int, typer.Argument(help="How many faults.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Which faults, in which order.")] = 1,
    subject: Annotated[str, typer.Option(help=f"{', '.join(SUBJECTS)}.")] = "pf_monitor",
) -> None:
    """Send through the fault injector; exit status 1 when something is lost or arrives twice that need not."""
    table = Table("faults", "injected", "recorded", "arrived", "dropped, counted", "lost", "twice", "twice, needlessly")
    failed = False
    for name, kinds, share in (
        ("after which one can know", CLEAR, number),
        ("quick", QUICK, number),
        ("slow too", tuple(FAULTS), number // 10),
    ):
        chosen = tuple(kind for kind in kinds if subject == "pf_monitor" or kind not in REDIRECTS)
        with _folder() as folder:
            outcome = faults.send(folder / "insights", share, seed, chosen, subject)
        row = (
            sum(outcome.ledger.faults.values()),
            len(outcome.recorded),
            len(outcome.stored),
            sum(outcome.dropped.values()),
            outcome.lost,
            len(outcome.twice),
            len(outcome.twice_knowingly),
        )
        table.add_row(name, *map(str, row))
        _console.print(f"{name}: {row}", highlight=False)
        failed = failed or bool(outcome.lost or outcome.twice_knowingly or outcome.ledger.strayed)
    _console.print(table)
    sys.exit(failed)


@app.command("ends")
def run_ends(
    runs: Annotated[int, typer.Option(help="How often each server is ended in each way.")] = 200,
    server: Annotated[list[str] | None, typer.Option(help="Which; all unless given.")] = None,
    how: Annotated[
        list[str] | None, typer.Option(help="SIGTERM, SIGINT, recycling, SIGKILL; all unless given.")
    ] = None,
    subject: Annotated[str, typer.Option(help=f"{', '.join(SUBJECTS)}.")] = "pf_monitor",
) -> None:
    """End servers under load; exit status 1 when a finished request is lost, or by SIGKILL more than a second's."""
    table = Table("server", "ended by", "runs", "workers", "finished", "lost", "oldest lost (s)", "twice", "stop (s)")
    failed = False
    with ends.store() as port:
        for name in server or ends.SERVERS:
            for kind in how or ends.ENDS:
                numbers = track(range(runs), f"{name}, {kind}", console=_console)
                found = [ends.end(name, kind, port, seed, subject) for seed in numbers]
                lost = sum(run.lost for run in found)
                last_s = max(run.last_s for run in found)
                row = (
                    len(found),
                    sum(run.workers for run in found),
                    sum(run.finished for run in found),
                    lost,
                    f"{last_s:.2f}",
                    sum(run.twice for run in found),
                    f"{sorted(run.stop_s for run in found)[len(found) // 2]:.1f}",
                )
                table.add_row(name, kind, *map(str, row))
                _console.print(f"{name}, {kind}: {row}", highlight=False)
                failed = failed or last_s > (ends.LAST_SECOND_S if kind == "SIGKILL" else 0.0)
    _console.print(table)
    sys.exit(failed)


@app.command("outage")
def run_outage(
    requests: Annotated[int, typer.Argument(help="How many are recorded meanwhile; three items each.")] = 18_000,
    hours: Annotated[float, typer.Option(help="The simulated time that they take.")] = 1.0,
) -> None:
    """Let the endpoint be away; exit status 1 when something is lost or twice, or takes over a minute to arrive."""
    with _folder() as folder:
        outcome = outage.endure(folder / "insights", requests, hours)
    table = Table("items", "lost", "twice", "dropped, counted", "drained (s)", "on disk (MB)", "memory grown by (MB)")
    table.add_row(
        *map(str, (outcome.recorded, outcome.lost, outcome.twice, sum(outcome.dropped.values()))),
        f"{outcome.drained_s:.1f}",
        f"{outcome.disk_mb:.1f}",
        f"{outcome.memory_mb:.1f}",
    )
    _console.print(table)
    sys.exit(bool(outcome.lost or outcome.twice or outcome.drained_s > 60))


@app.command("overload")
def run_overload(
    seconds: Annotated[float, typer.Argument(help="How long each load lasts.")] = 60,
    rounds: Annotated[int, typer.Option(help="How often, without the monitor and with it in turns.")] = 1,
    clients: Annotated[int, typer.Option(help="How many ask at a time.")] = overload.CLIENTS,
) -> None:
    """Offer more than can be prepared; exit status 1 when the metrics are not exact or something is not counted."""
    failed = False
    for _ in range(rounds):
        with _folder():
            number, *latencies = overload.unmonitored(seconds, clients)
            found = overload.offer(seconds, clients)
        table = Table("", "without the monitor", "with it")
        table.add_row("requests", f"{number:,}", f"{found.requests:,}")
        table.add_row("latency, p50 (ms)", f"{latencies[0] * 1e3:.1f}", f"{found.p50_s * 1e3:.1f}")
        table.add_row("latency, p99 (ms)", f"{latencies[1] * 1e3:.1f}", f"{found.p99_s * 1e3:.1f}")
        table.add_row("items", "", f"{found.items:,}")
        table.add_row("of these sent", "", f"{found.sent:,}")
        table.add_row("counted as shed", "", f"{found.shed:,}")
        table.add_row("failed requests", "", f"{found.errors:,}")
        table.add_row("of these sent", "", f"{found.errors_sent:,}")
        table.add_row("others sent in part", "", f"{found.cut:,}")
        table.add_row("requests, by the metric", "", f"{found.counted:,}")
        table.add_row("memory grown by (MB)", "", f"{found.memory_mb:.1f}")
        _console.print(table)
        failed = failed or found.counted != found.requests or found.sent + found.shed != found.items
    sys.exit(failed)


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """Make a temporary folder, in which is spooled too."""
    with tempfile.TemporaryDirectory(prefix="pf-monitor-") as folder:
        tempfile.tempdir, before = folder, tempfile.tempdir
        try:
            yield Path(folder)
        finally:
            tempfile.tempdir = before


if __name__ == "__main__":
    app()
