"""The `pf-monitor` command: one file a sub-command, this one puts them together."""

from __future__ import annotations

import typer

# They import what they need when they are run: `pf-monitor --help` is there at once.
from pf_monitor.cli import alerts, azure, demo, doctor, enable, forget, monitor, query, report, standin, up

app = typer.Typer(
    name="pf-monitor",
    help="Tracing and monitoring for Microsoft prompt flow.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (
    demo.demo,
    enable.enable,
    enable.disable,
    doctor.doctor,
    up.up,
    query.query,
    forget.forget,
    report.report,
    standin.stand_in,
):
    app.command()(_command)
app.add_typer(alerts.app, name="alerts")
app.add_typer(azure.app, name="azure")
app.add_typer(monitor.app, name="monitor")


def main() -> None:
    """Run the command line; the entry point of the `pf-monitor` script."""
    app()
