"""Asks for a rule's measure, and decides whether that starts or ends an alert."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from pf_monitor import queries
from pf_monitor.alerts.rules import Rule
from pf_monitor.alerts.state import RuleState
from pf_monitor.table import QueryError, Value
from pf_monitor.views.source import Source


class Change(Enum):
    """What an evaluation leads to."""

    STARTED = "started"
    ENDED = "ended"


@dataclass(frozen=True)
class Measured:
    """The measure of a rule, and the row that it comes from."""

    value: float | None
    of: str | None = None
    """What the worst of several rows is about, such as a metric's name."""


def measure(source: Source, rule: Rule, now: datetime) -> Measured:
    """Return a rule's measure over its window up to now: the worst where the query has several rows.

    Args:
        source: What answers queries.
        rule: The rule.
        now: The end of the window.

    Raises:
        QueryError: If the query cannot be answered, or has no column of the measure's name.
    """
    text = queries.load(rule.query, since=now - rule.window, until=now)
    table = source.query(text)
    names = [column.name for column in table.columns]
    if rule.measure not in names:
        raise QueryError(f"'{rule.measure}' is not a column of {rule.query}.kql, which has {', '.join(names)}")
    found = [
        (number, record) for record in table.records() if (number := _number(record[rule.measure], rule)) is not None
    ]
    if not found:
        return Measured(None)
    value, record = (max if rule.condition.comparison.takes_greatest else min)(found, key=lambda one: one[0])
    return Measured(value, _subject(record) if len(table.rows) > 1 else None)


def _number(value: Value, rule: Rule) -> float | None:
    """A cell as a number; a string stands for NaN and the infinities, which no threshold is held against."""
    if value is None or isinstance(value, str):
        if value in {None, "NaN", "Infinity", "-Infinity"}:
            return None
        raise QueryError(f"'{rule.measure}' of {rule.query}.kql is not a number")
    return float(value)


def _subject(record: dict[str, Value]) -> str | None:
    return next((value for value in record.values() if isinstance(value, str) and value), None)


def advance(state: RuleState, rule: Rule, value: float | None, now: datetime) -> Change | None:
    """Take a measure into a rule's state, and say whether the alert starts or ends by it.

    It starts when enough of the last evaluations met the condition, and ends when none of them did.

    Args:
        state: What is known of the rule; changed in place.
        rule: The rule.
        value: The measure; None where there is no data.
        now: The time of the evaluation.
    """
    if _has_gap(state, rule, now):
        state.recent = []
    state.recent = [*state.recent, rule.condition.is_met(value)][-rule.failing.of :]
    state.value, state.evaluated, state.problem = value, now, None
    if not state.firing and sum(state.recent) >= rule.failing.least:
        state.firing, state.changed = True, now
        return Change.STARTED
    if state.firing and len(state.recent) == rule.failing.of and not any(state.recent):
        state.firing, state.changed = False, now
        return Change.ENDED
    return None


def is_due(state: RuleState, rule: Rule, now: datetime) -> bool:
    """Whether a rule is to be evaluated; a clock that was set back makes it due."""
    return state.evaluated is None or not state.evaluated <= now < state.evaluated + rule.every


def _has_gap(state: RuleState, rule: Rule, now: datetime) -> bool:
    """Whether what was seen before is too old to count beside what is seen now, or the clock was set back."""
    return state.evaluated is not None and not state.evaluated <= now <= state.evaluated + 2 * rule.every
