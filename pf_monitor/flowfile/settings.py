"""What a flow's file tells the monitor, for the monitored process: whatever is wrong with a file, the flow runs."""

from __future__ import annotations

import functools
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pf_monitor import notices
from pf_monitor.flowfile.read import (
    DEPLOYED_SWITCH,
    FLOW_FILES,
    BrokenFlowFileError,
    FlowFileError,
    load,
    read_text,
)
from pf_monitor.settings import CONNECTION_STRING, ENABLED, Settings, read_flag

_LARGEST_FILE = 1_000_000
_MOST_FILES = 128


def from_flow_files(places: Iterable[Path]) -> Settings:
    """Return the defaults overridden by what the flow file of this process says.

    Looked at, in this order: the files and folders that promptflow named, the folder that its server is started for
    (`PROMPTFLOW_PROJECT_PATH`), the current one. The first flow file that says anything wins.
    """
    for place in _searched(places):
        files = [place / name for name in FLOW_FILES] if place.is_dir() else [place]
        for file in files:
            if (settings := _settings(file)) is not None:
                return settings
    return Settings()


def beside(file: str, places: Iterable[Path]) -> str:
    """Find a file that a setting names: a relative path may be meant from the flow's folder, or from the current one.

    Args:
        file: Its path, as it was set.
        places: The files and folders that promptflow named.

    Returns:
        Where it is; the path as it was set, if it is nowhere.
    """
    folders = (place if place.is_dir() else place.parent for place in _searched(places))
    return next((str(folder / file) for folder in folders if (folder / file).is_file()), file)


def display_name(path: Path) -> str | None:
    """Return what a flow file calls its flow, or None when it does not say."""
    document = _document(path) or {}
    name = document.get("display_name")
    return name.strip() or None if isinstance(name, str) else None


def _searched(places: Iterable[Path]) -> list[Path]:
    served = os.environ.get("PROMPTFLOW_PROJECT_PATH")
    return [*places, *([Path(served)] if served else []), Path()]


def _settings(path: Path) -> Settings | None:
    return None if (state := _state(path)) is None else _settings_in(path, state)


@functools.lru_cache(maxsize=_MOST_FILES)
def _settings_in(path: Path, state: tuple[int, int, int]) -> Settings | None:
    """Read a file, once as long as its state is the same: where the monitor stays off, it is asked for often."""
    document = _read(path, state)
    if document is None:
        return None
    variables = document.get("environment_variables")
    environment = {
        str(name): _variable(value)
        for name, value in (variables if isinstance(variables, Mapping) else {}).items()
        if "${" not in str(value)  # promptflow resolves references to connections; we cannot
    }
    switched_on = document.get(DEPLOYED_SWITCH)
    if ENABLED not in environment and isinstance(switched_on, (bool, str)):
        environment[ENABLED] = _variable(switched_on)
    if read_flag(environment.get(ENABLED)) is None and CONNECTION_STRING not in environment:
        return None
    return Settings().with_environment(environment)


def _document(path: Path) -> Mapping[str, Any] | None:
    """Return what is in a flow's file; None when there is nothing to be had."""
    return None if (state := _state(path)) is None else _read(path, state)


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file does; None where there is none that could be a flow's."""
    try:
        status = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_FILE:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


@functools.lru_cache(maxsize=_MOST_FILES)
def _read(path: Path, _state: tuple[int, int, int]) -> Mapping[str, Any] | None:
    """Read a file, once as long as its state is the same."""
    try:
        return load(read_text(path), path)
    except BrokenFlowFileError as error:
        notices.say_once(f"flow-file {path}", "pf_monitor cannot read %s: %s", path, error.__cause__)
    except (OSError, FlowFileError):
        pass
    return None


def _variable(value: object) -> str:
    """Write a YAML value as promptflow writes it into the environment."""
    return str(value).lower() if isinstance(value, bool) else str(value)
