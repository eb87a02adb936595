"""The file of alert rules, as the commands find and read it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pf_monitor.cli._local import fail
from pf_monitor.local import default_directory

if TYPE_CHECKING:
    from pf_monitor.alerts.config import Config


def rules_file(directory: Path | None = None) -> Path:
    """Return where the file is unless a command says otherwise: beside the telemetry."""
    from pf_monitor.alerts.config import FILE_NAME

    return (directory or default_directory()) / FILE_NAME


def read_rules(path: Path, *, with_receivers: bool = True) -> Config:
    """Read the file; ends the command with a message if it cannot be used.

    Args:
        path: The file.
        with_receivers: Whether the addresses in it are to be used.
    """
    from pf_monitor.alerts.config import ConfigError, read

    try:
        return read(path, with_receivers=with_receivers)
    except ConfigError as error:
        fail(str(error))
    except ModuleNotFoundError as error:
        if error.name != "apprise":
            raise
        fail(f"'{error.name}' is not installed: pip install 'pf-monitor[alerts]'")


def counted(config: Config) -> str:
    """Return how much a file says, such as `6 rules, 1 receiver`."""
    numbers = {"rule": len(config.rules), "receiver": len(config.receivers)}
    return ", ".join(f"{number} {name}{'' if number == 1 else 's'}" for name, number in numbers.items())
