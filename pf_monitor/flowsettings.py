"""What a flow file says about the monitor, read without promptflow and without a YAML library of our own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pf_monitor import notices
from pf_monitor.settings import CONNECTION_STRING, ENABLED, Settings, read_flag

FLOW_FILES = ("flow.flex.yaml", "flow.flex.yml", "flow.dag.yaml", "flow.dag.yml")
PROMPTY = ".prompty"
DEPLOYED_SWITCH = "app_insights_enabled"
"""How prompt flow's own workshop switches telemetry on. Legal only in a deployed flow: promptflow's tools refuse it."""

_LARGEST_FILE = 1_000_000


def from_flow_files(places: Iterable[Path]) -> Settings:
    """Return the defaults overridden by what the flow file of this process says.

    Looked at, in this order: the files and folders that promptflow named, the folder that its server is started for
    (`PROMPTFLOW_PROJECT_PATH`), the current one. The first flow file that says anything wins.
    """
    served = os.environ.get("PROMPTFLOW_PROJECT_PATH")
    for place in [*places, *([Path(served)] if served else []), Path()]:
        files = [place] if place.suffix else [place / name for name in FLOW_FILES]
        for file in files:
            if (settings := _read(file)) is not None:
                return settings
    return Settings()


def display_name(path: Path) -> str | None:
    """Return what a flow file calls its flow, or None when it does not say."""
    document = _load(path) or {}
    name = document.get("display_name")
    return name.strip() or None if isinstance(name, str) else None


def _read(path: Path) -> Settings | None:
    document = _load(path)
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


def _load(path: Path) -> Mapping[str, Any] | None:
    """Read a YAML mapping; None when there is none to be had, which is said once if the file is there."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST_FILE:
            return None
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError

        text = path.read_text(encoding="utf-8")
        try:
            document = YAML(typ="safe", pure=True).load(_front_matter(text) if path.suffix == PROMPTY else text)
        except (YAMLError, UnicodeDecodeError) as error:
            notices.say_once(f"flow-file {path}", "pf_monitor cannot read %s: %s", path, error)
            return None
    except OSError:
        return None
    return document if isinstance(document, Mapping) else None


def _front_matter(prompty: str) -> str:
    """Return the YAML at the top of a prompty, between two lines of dashes."""
    parts = re.split(r"^-{3,}\s*$", prompty, maxsplit=2, flags=re.MULTILINE)
    return parts[1] if len(parts) == 3 else ""


def _variable(value: object) -> str:
    """Write a YAML value as promptflow writes it into the environment."""
    return str(value).lower() if isinstance(value, bool) else str(value)
