"""The words of a notification."""

from __future__ import annotations

from datetime import datetime, timedelta

from pf_monitor.alerts.evaluation import Measured
from pf_monitor.alerts.rules import Rule, spelled
from pf_monitor.alerts.status import Notifications


def title(rule: Rule, measured: Measured, *, is_end: bool) -> str:
    """Return the one line that a phone shows."""
    now = f"{rule.measure} is {shown(rule.measure, measured.value)}"
    if is_end:
        return f"Ended: {rule.name}, {now}"
    about = f" ({measured.of})" if measured.of else ""
    return f"{rule.severity.name.capitalize()}: {rule.name}{about}, {now}"


def body(rule: Rule, measured: Measured, now: datetime) -> str:
    """Return what it means, from when it is, and what to look at."""
    lines = [
        rule.means,
        f"{rule.measure} of the last {spelled(rule.window)}: {shown(rule.measure, measured.value)}"
        + (f" for {measured.of}" if measured.of else "")
        + f". The rule: {rule.condition}, {rule.failing} evaluations.",
        f"Evaluated {now:%Y-%m-%d %H:%M:%S} UTC.",
        f"Look at: {rule.look_at}" if rule.look_at else "",
    ]
    return "\n".join(line for line in lines if line)


def shown(measure: str, value: float | None) -> str:
    """Return a measure in its unit, which its name tells."""
    if value is None:
        return "no data"
    if measure.endswith("_rate"):
        return f"{value:.1%}"
    if measure.endswith("_ms"):
        return f"{timedelta(milliseconds=value).total_seconds():,.2f} s" if value >= 1000 else f"{value:.0f} ms"
    return f"${value:,.2f}" if measure.endswith("_usd") else f"{value:,.10g}"


def outcome(notifications: Notifications) -> str:
    """Return what became of the notifications, such as `3 delivered, 0 to be tried again, 1 given up`."""
    return "{delivered:,} delivered, {waiting:,} to be tried again, {given_up:,} given up".format_map(notifications)
