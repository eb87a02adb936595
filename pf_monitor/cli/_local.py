"""What the commands over local telemetry share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NoReturn

import typer


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Say what to install when a package that an extra of ours brings is missing."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("pf_monitor"):
            raise
        fail(f"'{error.name}' is not installed: pip install 'pf-monitor[{extra}]'")


def needs_local_extra() -> AbstractContextManager[None]:
    """Say what to install when a package that the local Application Insights needs is missing."""
    return needs_extra("local")


def fail(message: str) -> NoReturn:
    """Say why a command cannot go on, and end it with exit code 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)
