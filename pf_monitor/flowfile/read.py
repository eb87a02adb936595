"""Find a flow's file and read from it what concerns monitoring."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

SWITCH = "PF_MONITOR_ENABLED"
"""The environment variable that switches monitoring on."""

DEPLOYED_SWITCH = "app_insights_enabled"
"""The top-level key that does the same in a deployed flow; before deployment, promptflow refuses the file for it."""

Kind = Literal["flex", "dag", "prompty"]

_NAMES: dict[str, Kind] = {"flow.flex.yaml": "flex", "flow.dag.yaml": "dag"}
_FRONT_MATTER = re.compile(r"\A---[ \t]*\r?\n(?P<yaml>.*?)^---[ \t]*\r?$", re.DOTALL | re.MULTILINE)


class FlowFileError(Exception):
    """There is no flow file, or it cannot be used; the message names the file and says what to do."""


@dataclass(frozen=True)
class FlowFile:
    """What a flow's file says, as far as it can be read."""

    path: Path | None = None
    """The file; None where none was found."""
    kind: Kind | None = None
    enabled: bool = False
    """Whether the file switches monitoring on, in either form."""
    app_insights_enabled: bool | None = None
    """The deployed form, where the file has it."""
    environment_variables: Mapping[str, str] = field(default_factory=dict)
    display_name: str | None = None
    entry: str | None = None
    problem: str | None = None
    """Why the file could not be read; the other fields then have their defaults."""


def read_settings(flow: Path | str) -> FlowFile:
    """Read a flow's settings, from its folder or file. Never raises for a bad file: see `FlowFile.problem`.

    Args:
        flow: The folder of the flow, or its file.
    """
    path: Path | None = None
    try:
        path = locate(flow)
        content = load(read_text(path), path)
    except FlowFileError as error:
        return FlowFile(path=path, kind=kind_of(path) if path else None, problem=str(error))
    deployed = content.get(DEPLOYED_SWITCH)
    variables = content.get("environment_variables")
    variables = variables if isinstance(variables, Mapping) else {}
    return FlowFile(
        path=path,
        kind=kind_of(path),
        enabled=is_true(variables.get(SWITCH, deployed)),
        app_insights_enabled=None if deployed is None else is_true(deployed),
        environment_variables={str(name): _as_environment(value) for name, value in variables.items()},
        display_name=_text_or_none(content.get("display_name") or content.get("name")),
        entry=_text_or_none(content.get("entry")),
    )


def locate(flow: Path | str) -> Path:
    """Return the file of a flow, given the file or its folder.

    Raises:
        FlowFileError: There is none, or several.
    """
    flow = Path(flow)
    if flow.is_file():
        if kind_of(flow) is None:
            raise FlowFileError(f"{flow} is not a flow file: expected {', '.join(_NAMES)} or a .prompty.")
        return flow
    if not flow.is_dir():
        raise FlowFileError(f"There is no folder {flow}. Name the folder that holds the flow's file.")
    found = [flow / name for name in _NAMES if (flow / name).is_file()] or sorted(flow.glob("*.prompty"))
    if not found:
        raise FlowFileError(f"{flow} holds no flow: expected {', '.join(_NAMES)} or a .prompty in it.")
    if len(found) > 1:
        raise FlowFileError(f"{flow} holds several flows ({', '.join(path.name for path in found)}): name the file.")
    return found[0]


def kind_of(path: Path) -> Kind | None:
    """Return what kind of flow a file describes, by its name."""
    return "prompty" if path.suffix == ".prompty" else _NAMES.get(path.name)


def read_text(path: Path) -> str:
    """Return a file's text with its line endings and byte order mark as they are.

    Raises:
        FlowFileError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise FlowFileError(f"{path} cannot be read: {error}. promptflow needs it as UTF-8 text.") from error


def yaml_span(text: str, path: Path) -> tuple[int, int]:
    """Return from where to where in a flow's file there is YAML: all of it, or the front matter of a prompty.

    Raises:
        FlowFileError: A prompty without front matter.
    """
    start = len("\ufeff") if text.startswith("\ufeff") else 0
    if path.suffix != ".prompty":
        return start, len(text)
    match = _FRONT_MATTER.match(text[start:])
    if not match:
        raise FlowFileError(f"{path} has no front matter: it should start with a block between two lines of '---'.")
    return start + match.start("yaml"), start + match.end("yaml")


def load(text: str, path: Path) -> dict[str, Any]:
    """Return the content of a flow's file.

    Raises:
        FlowFileError: It is not YAML, or not a mapping.
    """
    # Late: a monitored process that only looks for its flow's file should not pay for a YAML parser at import.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    start, end = yaml_span(text, path)
    try:
        content = YAML(typ="safe", pure=True).load(text[start:end])
    except (YAMLError, ValueError) as error:
        where = " ".join(str(error).split())
        raise FlowFileError(f"{path} is not valid YAML: {where}. Correct it, then try again.") from error
    if not isinstance(content, dict):
        kind = "empty" if content is None else f"a {type(content).__name__}"
        raise FlowFileError(f"{path} is {kind} where a mapping is expected, with keys such as 'entry:' or 'nodes:'.")
    return content


def is_true(value: object) -> bool:
    """Whether a setting, as YAML or an environment variable has it, means yes."""
    return str(value).strip().lower() in {"true", "1", "yes", "on"}


def _as_environment(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
