"""The `pf-monitor` command: one file a sub-command, this one puts them together."""

from __future__ import annotations

import typer

from pf_monitor.cli.enable import disable, enable
from pf_monitor.cli.standin import stand_in

app = typer.Typer(
    name="pf-monitor",
    help="Tracing and monitoring for Microsoft prompt flow.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.command()(enable)
app.command()(disable)
app.command("stand-in")(stand_in)


@app.callback()
def _commands() -> None:
    """Keep sub-commands sub-commands, however few there are."""


def main() -> None:
    """Run the command line; the entry point of the `pf-monitor` script."""
    app()
