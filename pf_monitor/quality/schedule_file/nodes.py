"""What is read: YAML or plain Python values, each with its key and its line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pf_monitor.quality.schedule_file.problems import MonitorFileError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BYTES: Final = 1_000_000
_MOST_NODES: Final = 20_000
"""Far more than a monitor needs; aliases of aliases would make more of a few lines."""


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its place.

    Attributes:
        value: A scalar, a mapping of nodes, or a list of nodes.
        key: Its key, from the top.
        line: The line that it stands on, from 1; None when it did not come from a file.
    """

    value: Any
    key: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """The value as a message shows it, cut where it is long."""
        if isinstance(self.value, Mapping):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        if self.value is None:
            return "nothing"
        text = f'"{self.value}"' if isinstance(self.value, str) else str(self.value)
        return text if len(text) <= 60 else f"{text[:57]}..."


def parse(path: Path) -> Node:
    """Read a YAML file as Azure ML's tools do: version 1.1, where `yes` and `on` are true.

    Raises:
        MonitorFileError: It cannot be read, or is not YAML.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    source = str(path)
    yaml = YAML(typ="rt", pure=True)
    yaml.version = "1.1"
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise MonitorFileError(source, [Problem(f"it is larger than {_MOST_BYTES:,} bytes, which no monitor is")])
        content = yaml.load(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise MonitorFileError(
            source, [Problem("there is no such file. Write one with: pf-monitor monitor new FILE")]
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise MonitorFileError(source, [Problem(f"it cannot be read as UTF-8 text: {error}")]) from error
    except DuplicateKeyError as error:
        name = str(error.problem).partition('"')[2].partition('"')[0]
        line = error.problem_mark.line + 1
        message = f"{name} is there twice; Azure ML would silently take the last. Keep one"
        raise MonitorFileError(source, [Problem(message, line=line)]) from error
    except MarkedYAMLError as error:
        at = error.problem_mark.line + 1 if error.problem_mark else None
        raise MonitorFileError(source, [Problem(f"it is not YAML: {error.problem}", line=at)]) from error
    except (YAMLError, ValueError) as error:
        raise MonitorFileError(source, [Problem(f"it is not YAML: {' '.join(str(error).split())}")]) from error
    return _checked(source, content, 1)


def plain(source: str, content: Mapping[str, Any]) -> Node:
    """Return the nodes of a value that did not come from a file.

    Raises:
        MonitorFileError: It is far larger than a monitor.
    """
    return _checked(source, content, None)


def _checked(source: str, content: object, line: int | None) -> Node:
    budget = iter(range(_MOST_NODES))
    try:
        return _node(content, "", line, budget)
    except (StopIteration, RecursionError):
        raise MonitorFileError(source, [Problem(f"it has more than {_MOST_NODES:,} values, or is too deep")]) from None


def _node(value: object, key: str, line: int | None, budget: Iterator[int]) -> Node:
    next(budget)
    if isinstance(value, Mapping):
        lines = _lines(value)
        prefix = f"{key}." if key else ""
        return Node({str(k): _node(v, f"{prefix}{k}", lines.get(k, line), budget) for k, v in value.items()}, key, line)
    if isinstance(value, Sequence) and not isinstance(value, str):
        lines = _lines(value)
        return Node([_node(v, f"{key}[{n}]", lines.get(n, line), budget) for n, v in enumerate(value)], key, line)
    return Node(value, key, line)


def _lines(value: object) -> dict[Any, int]:
    """Return the line of each key of a mapping, or item of a list, where the parser noted it."""
    marks = getattr(getattr(value, "lc", None), "data", None) or {}
    return {key: mark[0] + 1 for key, mark in marks.items()}
