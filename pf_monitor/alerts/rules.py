"""What an alert rule is, and the rules that everybody starts from.

A rule's measure is a column of a query in `pf_monitor.queries`, one that the Overview shows too, so that an alert and a
screen never disagree. What a rule may say is what Azure's scheduled query rules can do as well: the same rule is
evaluated here and exported there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum
from operator import ge, gt, le, lt
from typing import Final, NamedTuple

_MINUTES: Final = (1, 5, 10, 15, 30, 45)
_HOURS: Final = (1, 2, 3, 4, 5, 6)

PERIODS: Final[Mapping[str, timedelta]] = {
    **{f"{count}m": timedelta(minutes=count) for count in _MINUTES},
    **{f"{count}h": timedelta(hours=count) for count in _HOURS},
    "1d": timedelta(days=1),
}
"""How often a rule may be evaluated; Azure takes these and no others."""

WINDOWS: Final[Mapping[str, timedelta]] = {
    **{name: period for name, period in PERIODS.items() if name != "1m"},
    "2d": timedelta(days=2),
}
"""How far back a rule may look; again what Azure takes."""

MOST_PERIODS: Final = 6
"""The most evaluations that a rule may look back on; Azure's limit."""


class Severity(IntEnum):
    """How bad it is, by Azure's numbers and names."""

    CRITICAL = 0
    ERROR = 1
    WARNING = 2
    INFORMATIONAL = 3
    VERBOSE = 4


class Comparison(NamedTuple):
    """A way to hold a measure against a threshold."""

    sign: str
    azure: str
    """Its name in a scheduled query rule."""
    test: Callable[[float, float], bool]
    takes_greatest: bool
    """Which of several rows is the worst: the greatest or the least."""


COMPARISONS: Final[Mapping[str, Comparison]] = {
    one.sign: one
    for one in (
        Comparison(">", "GreaterThan", gt, True),
        Comparison(">=", "GreaterThanOrEqual", ge, True),
        Comparison("<", "LessThan", lt, False),
        Comparison("<=", "LessThanOrEqual", le, False),
    )
}

NO_DATA: Final = "no data"
"""The condition of a rule that fires when its measure is null or 0."""


@dataclass(frozen=True)
class Condition:
    """When a rule is met."""

    comparison: Comparison
    threshold: float
    is_absence: bool = False
    """Whether a measure that is null meets it: only in a rule about missing data."""

    def is_met(self, value: float | None) -> bool:
        """Whether a measure meets the condition; null, which stands for no data, meets none but that of no data."""
        if value is None:
            return self.is_absence
        return self.comparison.test(value, self.threshold)

    def __str__(self) -> str:
        """The condition as it is written in the file."""
        return NO_DATA if self.is_absence else f"{self.comparison.sign} {self.threshold:.15g}"


ABSENCE: Final = Condition(COMPARISONS["<"], 1, is_absence=True)


def read_condition(text: str) -> Condition:
    """Read a condition such as `> 0.05`, or `no data`.

    Raises:
        ValueError: If it is neither.
    """
    if text.strip() == NO_DATA:
        return ABSENCE
    sign = text.strip().rstrip("0123456789.eE_+- ")
    number = text.strip()[len(sign) :].strip()
    try:
        return Condition(COMPARISONS[sign.strip()], _finite(number))
    except (KeyError, ValueError):
        raise ValueError(
            f"{text!r} is not a condition: write {', '.join(COMPARISONS)} and a number, such as '> 0.05',"
            f" or {NO_DATA!r}"
        ) from None


def _finite(text: str) -> float:
    number = float(text)
    if not abs(number) < float("inf"):
        raise ValueError(text)
    return number


class Failing(NamedTuple):
    """How many of the last evaluations have to meet a rule's condition before it fires."""

    least: int
    of: int

    def __str__(self) -> str:
        """As it is written in the file: `2 of 3`."""
        return f"{self.least} of {self.of}"


@dataclass(frozen=True)
class Rule:
    """One alert rule."""

    name: str
    query: str
    """The file in `pf_monitor.queries`, without `.kql`."""
    measure: str
    """The column that is compared; where the query has several rows, the worst counts."""
    condition: Condition
    window: timedelta
    """How far back the query looks."""
    every: timedelta
    """How often it is evaluated."""
    severity: Severity
    failing: Failing
    means: str
    """What it means when the rule fires."""
    look_at: str
    """What to look at then."""
    notify: tuple[str, ...] | None = None
    """Whom to tell, by their names in the file; None tells all."""


def _rule(
    name: str,
    measure: str,
    when: str,
    severity: Severity,
    window: str,
    every: str,
    failing: Failing,
    means: str,
    look_at: str,
    query: str = "summary",
) -> Rule:
    condition = read_condition(when)
    return Rule(name, query, measure, condition, WINDOWS[window], PERIODS[every], severity, failing, means, look_at)


_AT_ONCE: Final = Failing(1, 1)
_TWICE: Final = Failing(2, 3)

DEFAULTS: Final[Mapping[str, Rule]] = {
    rule.name: rule
    for rule in (
        _rule(
            "error-rate", "error_rate", "> 0.05", Severity.ERROR, "15m", "5m", _TWICE,
            "More than this share of requests failed.",
            "Operational, errors by type; open a failed request to see its exception.",
        ),
        _rule(
            "latency-p95", "p95_ms", "> 10000", Severity.WARNING, "15m", "5m", _TWICE,
            "One request in twenty took longer than this many milliseconds.",
            "Operational, latency by node: which step is slow, and whether model calls were throttled.",
        ),
        _rule(
            "tokens-per-day", "total_tokens", "> 1000000", Severity.WARNING, "1d", "1h", _AT_ONCE,
            "Model calls of the last 24 hours used more tokens than this.",
            "Token usage: the most expensive nodes, prompts and sessions.",
        ),
        _rule(
            "cost-per-day", "cost_usd", "> 10", Severity.WARNING, "1d", "1h", _AT_ONCE,
            "Model calls of the last 24 hours cost more US dollars than this; calls of unknown price are left out.",
            "Token usage: the most expensive nodes, prompts and sessions.",
        ),
        _rule(
            "quality-pass-rate", "pass_rate", "< 0.7", Severity.WARNING, "1d", "1h", _AT_ONCE,
            "Of the judged answers, less than this share passed, for at least one metric.",
            "Generation quality: the worst answers with their explanations.",
            query="quality_summary",
        ),
        _rule(
            "no-data", "requests", NO_DATA, Severity.WARNING, "1h", "15m", _AT_ONCE,
            "No flow run has arrived in this time.",
            "Whether the flow is up, and `pf-monitor doctor`: whether its telemetry gets here.",
        ),
    )
}  # fmt: skip
"""The rules that a new file has, and that a file's rules take from what they leave out."""


def spelled(period: timedelta) -> str:
    """Return a window or period as it is written in the file."""
    return next(name for name, known in {**WINDOWS, **PERIODS}.items() if known == period)
