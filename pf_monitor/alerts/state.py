"""What has to survive a restart: which rules fire, what was seen last, and what has not been delivered yet.

One small file in the data folder, written whole or not at all. It holds no addresses.
"""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from pf_monitor.notices import say_once

FILE_NAME: Final = "alerts-state.json"


@dataclass
class RuleState:
    """What is known of one rule."""

    firing: bool = False
    changed: datetime | None = None
    """When it started or ended last."""
    evaluated: datetime | None = None
    recent: list[bool] = field(default_factory=list)
    """Whether each of the last evaluations met the condition, the newest last."""
    value: float | None = None
    """The measure at the last evaluation."""
    problem: str | None = None
    """Why the last evaluation could not be made."""


@dataclass
class Pending:
    """A notification that is still to be delivered to one receiver."""

    receiver: str
    title: str
    body: str
    severity: int
    is_end: bool
    next_try: datetime
    attempts: int = 0


@dataclass
class State:
    """Everything that is kept."""

    rules: dict[str, RuleState] = field(default_factory=dict)
    pending: list[Pending] = field(default_factory=list)
    delivered: int = 0
    given_up: int = 0

    def of(self, name: str) -> RuleState:
        """Return a rule's state, new if it has none."""
        return self.rules.setdefault(name, RuleState())


def load(directory: Path) -> State:
    """Read the state that a folder holds; a file that cannot be read counts as none, and is said."""
    path = directory / FILE_NAME
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return State(
            rules={
                name: RuleState(**_moments(values, "changed", "evaluated")) for name, values in data["rules"].items()
            },
            pending=[Pending(**_moments(values, "next_try")) for values in data["pending"]],
            delivered=int(data["delivered"]),
            given_up=int(data["given_up"]),
        )
    except FileNotFoundError:
        return State()
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        say_once(
            f"alerts state {path}",
            "pf_monitor cannot read the alerts' state in %s (%s): the alerts start anew",
            path,
            type(error).__name__,
        )
        return State()


def save(state: State, directory: Path) -> None:
    """Write the state to a folder, whole or not at all.

    Raises:
        OSError: If it cannot be written.
    """
    descriptor, name = tempfile.mkstemp(dir=directory, prefix=f".{FILE_NAME}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(asdict(state), file, default=datetime.isoformat, indent=1)
        Path(name).replace(directory / FILE_NAME)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _moments(values: dict[str, Any], *names: str) -> dict[str, Any]:
    return values | {name: datetime.fromisoformat(values[name]) for name in names if values.get(name)}
