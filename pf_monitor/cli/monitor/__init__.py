"""`pf-monitor monitor`: is the answer good? One file a group of sub-commands, this one puts them together."""

from __future__ import annotations

import typer

from pf_monitor.cli.monitor import files, history, run, schedule, submit

app = typer.Typer(help="Monitors of generation quality and token usage.", no_args_is_help=True)
for _command in (files.new, files.validate, run.run, schedule.schedule, history.history, submit.submit):
    app.command()(_command)
