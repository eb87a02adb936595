"""What the rules are at: each with its value now, whether it fires, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

from pf_monitor.alerts import state as states
from pf_monitor.alerts.config import Config
from pf_monitor.alerts.evaluation import Measured, measure
from pf_monitor.alerts.rules import Rule, spelled
from pf_monitor.alerts.state import State
from pf_monitor.table import QueryError
from pf_monitor.views.source import Source


@dataclass(frozen=True)
class Watched:
    """The rules that are evaluated, and the folder that keeps their state."""

    config: Config
    directory: Path


class RuleStatus(TypedDict):
    """A rule and what it is at; `value` is measured now, the times are ISO-8601 in UTC."""

    name: str
    severity: str
    measure: str
    value: float | None
    of: str | None
    condition: str
    window: str
    every: str
    failing: str
    firing: bool
    changed: str | None
    evaluated: str | None
    problem: str | None
    means: str
    look_at: str


class Notifications(TypedDict):
    """What became of the notifications."""

    delivered: int
    waiting: int
    given_up: int


class Status(TypedDict):
    """All rules, those that fire first, and their notifications."""

    rules: Sequence[RuleStatus]
    notifications: Notifications


def status(watched: Watched, source: Source, now: datetime) -> Status:
    """Measure every rule.

    Args:
        watched: The rules.
        source: What answers queries.
        now: The end of their windows.
    """
    state = states.load(watched.directory)
    rules = [_of_rule(rule, source, state, now) for rule in watched.config.rules]
    counts = Notifications(delivered=state.delivered, waiting=len(state.pending), given_up=state.given_up)
    return Status(rules=sorted(rules, key=lambda rule: not rule["firing"]), notifications=counts)


def _of_rule(rule: Rule, source: Source, state: State, now: datetime) -> RuleStatus:
    known = state.of(rule.name)
    measured, problem = Measured(None), None
    try:
        measured = measure(source, rule, now)
    except QueryError as error:
        problem = error.message
    return RuleStatus(
        name=rule.name,
        severity=rule.severity.name.lower(),
        measure=rule.measure,
        value=measured.value,
        of=measured.of,
        condition=str(rule.condition),
        window=spelled(rule.window),
        every=spelled(rule.every),
        failing=str(rule.failing),
        firing=known.firing,
        changed=_iso(known.changed),
        evaluated=_iso(known.evaluated),
        problem=problem,
        means=rule.means,
        look_at=rule.look_at,
    )


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
