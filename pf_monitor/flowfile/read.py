"""Find a flow's file and read it: the one place that knows what such files are called and how they are laid out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

DEPLOYED_SWITCH = "app_insights_enabled"
"""The top-level key that switches telemetry on in a deployed flow; before that, promptflow refuses the file for it."""

PROMPTY = ".prompty"


class FlowKind(StrEnum):
    """The kinds of flow that promptflow runs."""

    FLEX = "flex flow"
    DAG = "DAG flow"
    PROMPTY = "prompty"


FLOW_FILES = {
    "flow.flex.yaml": FlowKind.FLEX,
    "flow.flex.yml": FlowKind.FLEX,
    "flow.dag.yaml": FlowKind.DAG,
    "flow.dag.yml": FlowKind.DAG,
}
"""What a flow's file is called in its folder, first choice first. A prompty is called as its author likes."""

_EXPECTED = "flow.flex.yaml, flow.dag.yaml or a .prompty"
# As tolerant as promptflow, which takes three dashes or more, and text before them.
_FRONT_MATTER = re.compile(r"^-{3,}[ \t]*\r?\n(?P<yaml>.*?)^-{3,}[ \t]*\r?$", re.DOTALL | re.MULTILINE)


class FlowFileError(Exception):
    """There is no flow file, or it cannot be used; the message names the file and says what to do."""


class BrokenFlowFileError(FlowFileError):
    """The file is not text or not YAML; the cause says where."""


@dataclass(frozen=True)
class FlowFile:
    """A flow's file.

    Attributes:
        path: Where it is.
        kind: What it describes.
        document: What it says.
    """

    path: Path
    kind: FlowKind
    document: Mapping[str, Any]

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a section that is a mapping; empty if it is not there or something else."""
        section = self.document.get(name)
        return section if isinstance(section, Mapping) else {}


def read(flow: Path | str) -> FlowFile:
    """Read a flow's file.

    Args:
        flow: The folder of the flow, or its file.

    Raises:
        FlowFileError: There is none, or several, or it cannot be used.
    """
    path = locate(flow)
    return FlowFile(path, _kind(path), load(read_text(path), path))


def flows_in(folder: Path) -> list[Path]:
    """Return the flow files of a folder; prompties count only where there is no other."""
    return [folder / name for name in FLOW_FILES if (folder / name).is_file()] or sorted(folder.glob(f"*{PROMPTY}"))


def locate(flow: Path | str) -> Path:
    """Return the file of a flow, given the file or its folder.

    Raises:
        FlowFileError: There is none, or several.
    """
    flow = Path(flow)
    if flow.is_file():
        if flow.suffix != PROMPTY and flow.name not in FLOW_FILES:
            raise FlowFileError(f"{flow} is not a flow file: expected {_EXPECTED}.")
        return flow
    if not flow.is_dir():
        raise FlowFileError(f"There is no folder {flow}. Name the folder that holds the flow's file.")
    found = flows_in(flow)
    if not found:
        raise FlowFileError(f"{flow} holds no flow: expected {_EXPECTED} in it.")
    if len(found) > 1:
        raise FlowFileError(f"{flow} holds several flows ({', '.join(path.name for path in found)}): name the file.")
    return found[0]


def read_text(path: Path) -> str:
    """Return a file's text with its line endings and byte order mark as they are.

    Raises:
        FlowFileError: It cannot be read, or is not UTF-8.
    """
    try:
        return path.read_bytes().decode("utf-8")
    except OSError as error:
        raise FlowFileError(f"{path} cannot be read: {error}.") from error
    except UnicodeDecodeError as error:
        raise BrokenFlowFileError(f"{path} cannot be read: {error}. promptflow needs it as UTF-8 text.") from error


def yaml_span(text: str, path: Path) -> tuple[int, int]:
    """Return from where to where in a flow's file there is YAML: all of it, or the front matter of a prompty.

    Raises:
        FlowFileError: A prompty without front matter.
    """
    start = len("\ufeff") if text.startswith("\ufeff") else 0
    if path.suffix != PROMPTY:
        return start, len(text)
    match = _FRONT_MATTER.search(text, start)
    if not match:
        raise FlowFileError(f"{path} has no front matter: it should start with a block between two lines of '---'.")
    return match.span("yaml")


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
        raise BrokenFlowFileError(f"{path} is not valid YAML: {where}. Correct it, then try again.") from error
    if not isinstance(content, dict):
        kind = "empty" if content is None else f"a {type(content).__name__}"
        raise FlowFileError(f"{path} is {kind} where a mapping is expected, with keys such as 'entry:' or 'nodes:'.")
    return content


def _kind(path: Path) -> FlowKind:
    return FlowKind.PROMPTY if path.suffix == PROMPTY else FLOW_FILES[path.name]
