"""What is wrong with a monitor, where, and what is allowed there."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pf_monitor.quality.monitor import Monitor
    from pf_monitor.quality.schedule_file.nodes import Node


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is wrong with a monitor.

    Attributes:
        message: What is wrong and what is allowed.
        key: The key that it is about, from the top, such as `create_monitor.compute.runtime_version`; empty for the
            whole.
        line: The line of the file, from 1; None for a monitor that did not come from a file.
        is_warning: Whether the monitor can be used all the same.
    """

    message: str
    key: str = ""
    line: int | None = None
    is_warning: bool = False

    def located(self, source: str) -> str:
        """Return the problem as compilers say it: `FILE:LINE: KEY: MESSAGE`."""
        place = source if self.line is None else f"{source}:{self.line}"
        kind = "warning: " if self.is_warning else ""
        return f"{place}: {kind}{self.key}: {self.message}" if self.key else f"{place}: {kind}{self.message}"


class MonitorFileError(Exception):
    """A monitor cannot be used; the message has a line for each problem."""

    def __init__(self, source: str, problems: Iterable[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.located(source) for problem in self.problems))


@dataclass(frozen=True, slots=True)
class Reading:
    """What came of reading a monitor.

    Attributes:
        source: What was read: the path of the file, or the name of the object.
        monitor: The monitor; None when something is wrong with it.
        problems: Everything that was found, by line; with a monitor, these are warnings.
    """

    source: str
    monitor: Monitor | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """What keeps the monitor from being used."""
        return tuple(problem for problem in self.problems if not problem.is_warning)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What does not, but should be known."""
        return tuple(problem for problem in self.problems if problem.is_warning)


class Problems:
    """Collects what is found in one pass."""

    def __init__(self) -> None:
        self._found: list[Problem] = []

    def error(self, node: Node, message: str) -> None:
        """Note what keeps the monitor from being used."""
        self._found.append(Problem(message, node.key, node.line))

    def warn(self, node: Node, message: str) -> None:
        """Note what should be known."""
        self._found.append(Problem(message, node.key, node.line, is_warning=True))

    def in_order(self) -> tuple[Problem, ...]:
        """Return what was found, by line, each thing once."""
        return tuple(sorted(dict.fromkeys(self._found), key=lambda problem: problem.line or 0))

    def has_errors(self) -> bool:
        """Whether something keeps the monitor from being used."""
        return not all(problem.is_warning for problem in self._found)


def listed(names: Iterable[str]) -> str:
    """Return names as a sentence has them."""
    return ", ".join(names)


def meant(name: str, allowed: Iterable[str]) -> str:
    """Return a question with the name that was probably meant, to end a message with; empty if none is near."""
    near = difflib.get_close_matches(name.lower(), list(allowed), n=1, cutoff=0.7)
    return f" Did you mean {near[0]}?" if near else ""
