"""Alerts: which rules there are, what each is at, and what became of the notifications."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from pf_monitor.alerts.messages import outcome, shown
from pf_monitor.alerts.status import Notifications, RuleStatus, Status, Watched, status
from pf_monitor.web.asked import Asked
from pf_monitor.web.page import Data, Page, Source

REFRESH_S: Final = 30
"""How often the page refreshes itself; the shortest period of a rule is a minute."""

_NOTHING: Final = Status(rules=(), notifications=Notifications(delivered=0, waiting=0, given_up=0))


def page(watched: Watched | None) -> Page:
    """Return the page about the rules that are evaluated, if any are."""

    def collect(source: Source, _: Asked) -> Data:
        return status(watched, source, datetime.now(UTC)) if watched else _NOTHING

    return Page(
        path="/alerts",
        title="Alerts",
        template="alerts.html",
        collect=collect,
        present=present,
        has_range=False,
        has_filters=False,
    )


def present(data: Status, _: Asked) -> Mapping[str, Any]:
    """Return each rule with its value in words, and what became of the notifications."""
    return {
        "refresh": REFRESH_S,
        "firing": sum(rule["firing"] for rule in data["rules"]),
        "rules": [(rule, shown(rule["measure"], rule["value"]), _state(rule)) for rule in data["rules"]],
        "outcome": outcome(data["notifications"]),
    }


def _state(rule: RuleStatus) -> tuple[str, str]:
    """Return the name and the words of a rule's badge."""
    if rule["problem"]:
        return "error", "✕ cannot be evaluated"
    if rule["firing"]:
        return "error", "! firing"
    return ("ok", "✓ ok") if rule["evaluated"] else ("", "◌ not evaluated yet")
