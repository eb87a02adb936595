"""A flow's file, read to be judged: whatever is wrong with it is said rather than passed over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from pf_monitor.flowsettings import FLOW_FILES


class FlowKind(StrEnum):
    """The kinds of flow that promptflow runs."""

    FLEX = "flex flow"
    DAG = "DAG flow"
    PROMPTY = "prompty"


class FlowFileError(ValueError):
    """There is no flow file, or it cannot be read; the message says which and why."""


@dataclass(frozen=True)
class FlowFile:
    """A flow file.

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


def find_flow_file(folder: Path) -> Path | None:
    """Return the flow file of a folder, or None if there is none."""
    named = next((folder / name for name in FLOW_FILES if (folder / name).is_file()), None)
    return named or next(iter(sorted(folder.glob("*.prompty"))), None)


def read_flow_file(folder: Path) -> FlowFile:
    """Read the flow file of a folder.

    Raises:
        FlowFileError: If there is none, or it cannot be read.
    """
    if not folder.is_dir():
        raise FlowFileError(f"{folder} is not a folder")
    path = find_flow_file(folder)
    if path is None:
        raise FlowFileError(f"{folder} has no flow.flex.yaml, flow.dag.yaml or .prompty file")
    try:
        text = path.read_text(encoding="utf-8")
        document = YAML(typ="safe", pure=True).load(_front_matter(text) if path.suffix == ".prompty" else text)
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise FlowFileError(f"{path.name} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(document, Mapping):
        raise FlowFileError(f"{path.name} is not a YAML mapping")
    return FlowFile(path, _kind(path), document)


def _kind(path: Path) -> FlowKind:
    if path.suffix == ".prompty":
        return FlowKind.PROMPTY
    return FlowKind.FLEX if ".flex." in path.name else FlowKind.DAG


def _front_matter(text: str) -> str:
    """The YAML of a prompty, which stands between its first two lines of dashes."""
    parts = text.split("---", 2)
    return parts[1] if len(parts) == 3 else ""
