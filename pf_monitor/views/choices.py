"""What there is to filter by."""

from __future__ import annotations

from typing import TypedDict

from pf_monitor.views.scope import OUTCOMES, Scope
from pf_monitor.views.source import Source, ask


class Choices(TypedDict):
    """The names that were seen in a range, each list in alphabetical order."""

    flows: list[str]
    deployments: list[str]
    models: list[str]
    nodes: list[str]
    outcomes: list[str]


def choices(source: Source, scope: Scope) -> Choices:
    """Return what there is to filter by in the range of a scope, whatever its filters."""
    seen = ask(source, "choices", scope.everything())

    def names(column: str) -> list[str]:
        return sorted({row[column] for row in seen if row[column]})

    return Choices(
        flows=names("flow"),
        deployments=names("deployment"),
        models=names("model"),
        nodes=names("node"),
        outcomes=list(OUTCOMES),
    )
