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

# Each registers its command with the app above. They import what they need when they are run.
from pf_monitor.cli import demo as demo  # noqa: E402
from pf_monitor.cli import doctor as doctor  # noqa: E402
from pf_monitor.cli import query as query  # noqa: E402
from pf_monitor.cli import report as report  # noqa: E402
from pf_monitor.cli import up as up  # noqa: E402

app.command()(enable)
app.command()(disable)
app.command("stand-in")(stand_in)


@app.callback()
def _commands() -> None:
    """Keep sub-commands sub-commands, however few there are."""


def main() -> None:
    """Run the command line; the entry point of the `pf-monitor` script."""
    app()
