"""The alert rules as scheduled query rules, with the action group that tells people."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from pf_monitor import queries
from pf_monitor.alerts.rules import Rule
from pf_monitor.azure.arm import LOCATION, Json, Place, parameter, resource_id_parameter, template, text
from pf_monitor.queries import Expression

_RULES_API: Final = "2023-12-01"
_GROUPS_API: Final = "2023-01-01"
_GROUP: Final = "Microsoft.Insights/actionGroups"
_GROUP_NAME: Final = "concat('pf-monitor-', uniqueString(parameters('resourceId')))"


def alerts_template(rules: Iterable[Rule], place: Place) -> Json:
    """Return the template of the alert rules and their action group.

    Args:
        rules: The rules, as the laptop evaluates them.
        place: What they watch.
    """
    rules = list(rules)
    parameters = {
        "resourceId": resource_id_parameter(place),
        "location": LOCATION,
        "emails": parameter("E-mail addresses that are told.", "array", defaultValue=[]),
        "webhookUri": parameter(
            "An https address that is told, with the common alert schema; empty for none.",
            "securestring",
            defaultValue="",
        ),
        **{
            _threshold(rule): parameter(
                f"{text(rule.means)} ({rule.measure} {rule.condition.comparison.sign} this number)",
                defaultValue=f"{rule.condition.threshold:.15g}",
            )
            for rule in rules
            if not rule.condition.is_absence
        },
    }
    return template(parameters, [_action_group(), *(_rule(rule, place) for rule in rules)])


def alert_query(rule: Rule, place: Place) -> str:
    """Return the query of a scheduled query rule: one row for each window that the rule looks back on.

    A rule that looks at several evaluations gets the numbers of as many windows, each with its time, by which Azure
    tells them apart.
    """
    if rule.failing.of == 1:
        return place.query(_measured(rule, f"ago({_kql(rule.window)})", "now()"))
    body = queries.load(rule.query).rstrip()
    windows = ",\n    ".join(
        f"(measured({_ago(number + 1, rule)}, {_ago(number, rule)}) | extend timestamp = {_middle(number, rule)})"
        for number in range(rule.failing.of)
    )
    return place.query(f"let measured = (since: datetime, until: datetime) {{\n{body}\n}};\nunion\n    {windows}")


def _measured(rule: Rule, since: str, until: str) -> str:
    return queries.load(rule.query, since=Expression(since), until=Expression(until))


def _ago(windows: int, rule: Rule) -> str:
    return f"ago({_kql(windows * rule.window)})" if windows else "now()"


def _middle(number: int, rule: Rule) -> str:
    """A time well inside a window, whichever way its edges are rounded."""
    return f"ago({_kql(number * rule.window + rule.window / 2)})"


def _kql(period: timedelta) -> str:
    return f"{period // timedelta(seconds=1)}s"


def _threshold(rule: Rule) -> str:
    """The name of the parameter that holds a rule's threshold: `errorRateThreshold`."""
    first, *rest = rule.name.replace("_", "-").split("-")
    return "".join((first.lower(), *(part.capitalize() for part in rest), "Threshold"))


def _action_group() -> Json:
    return {
        "type": _GROUP,
        "apiVersion": _GROUPS_API,
        "name": f"[{_GROUP_NAME}]",
        "location": "Global",
        "properties": {
            "groupShortName": "pf-monitor",
            "enabled": True,
            "copy": [
                {
                    "name": "emailReceivers",
                    "count": "[length(parameters('emails'))]",
                    "input": {
                        "name": "[concat('email-', string(copyIndex('emailReceivers')))]",
                        "emailAddress": "[parameters('emails')[copyIndex('emailReceivers')]]",
                        "useCommonAlertSchema": True,
                    },
                }
            ],
            "webhookReceivers": (
                "[if(empty(parameters('webhookUri')), createArray(), createArray(createObject('name', 'webhook',"
                " 'serviceUri', parameters('webhookUri'), 'useCommonAlertSchema', true())))]"
            ),
        },
    }


def _rule(rule: Rule, place: Place) -> Json:
    group = f"resourceId('{_GROUP}', {_GROUP_NAME})"
    return {
        "type": "Microsoft.Insights/scheduledQueryRules",
        "apiVersion": _RULES_API,
        "name": f"[concat('pf-monitor-{rule.name}-', uniqueString(parameters('resourceId')))]",
        "location": "[parameters('location')]",
        "kind": "LogAlert",
        "dependsOn": [f"[{group}]"],
        "properties": {
            "displayName": f"pf-monitor: {rule.name}",
            "description": text(f"{rule.means} Look at: {rule.look_at}" if rule.look_at else rule.means),
            "severity": int(rule.severity),
            "enabled": True,
            "scopes": ["[parameters('resourceId')]"],
            "evaluationFrequency": _iso(rule.every),
            "windowSize": _iso(rule.window),
            "criteria": {
                "allOf": [
                    {
                        "query": alert_query(rule, place),
                        "timeAggregation": "Maximum" if rule.condition.comparison.takes_greatest else "Minimum",
                        "metricMeasureColumn": rule.measure,
                        "operator": rule.condition.comparison.azure,
                        "threshold": 1 if rule.condition.is_absence else f"[json(parameters('{_threshold(rule)}'))]",
                        "failingPeriods": {
                            "numberOfEvaluationPeriods": rule.failing.of,
                            "minFailingPeriodsToAlert": rule.failing.least,
                        },
                    }
                ]
            },
            "autoMitigate": True,
            # A table that nothing has been written to yet is unknown on a new resource.
            "skipQueryValidation": True,
            "actions": {"actionGroups": [f"[{group}]"]},
        },
    }


def _iso(period: timedelta) -> str:
    hours, seconds = divmod(period // timedelta(seconds=1), 3600)
    if hours % 24 == 0 and not seconds and hours:
        return f"P{hours // 24}D"
    return f"PT{hours}H" if not seconds else f"PT{seconds // 60 + hours * 60}M"
