"""Which requests a page counts, as KQL.

A filter selects requests. Those by model and by node in addition narrow what is counted of these requests: model calls
to those of the model, model calls, nodes and errors to those of the node. What a filter can ask of an item itself is a
plain `where` on it; what only another item of the same request knows is asked by `operation_Id`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from pf_monitor.queries.literals import Choice, literal

_LEAVES: Final = ("Runs", "Calls", "Nodes", "Errors", "Evaluations")


@dataclass(frozen=True)
class Filters:
    """What the requests that are counted have in common. None, or nothing, does not filter.

    Attributes:
        flow: The flow's name.
        deployment: The deployment of the flow (`pf_monitor.deployment`).
        model: A model that was called. In Azure OpenAI, whoever is asked by the name of a deployment answers with the
            name of the model, which counts.
        node: A node that ran.
        outcome: How the flow run ended: `ok`, `error`, `cancelled` or `abandoned`.
        dimensions: Custom dimensions, by key, that an item of the request has.
    """

    flow: str | None = None
    deployment: str | None = None
    model: str | None = None
    node: str | None = None
    outcome: str | None = None
    dimensions: tuple[tuple[str, str], ...] = ()


class Selection(NamedTuple):
    """The KQL of some filters."""

    lets: Sequence[str]
    """Statements that select operations, to stand behind the one that defines `Spans`."""
    conditions: Mapping[str, Sequence[str]]
    """What to ask of each table of the prelude, by its name."""


def selection(filters: Filters) -> Selection:
    """Return the KQL of some filters; without filters, none."""
    lets: list[str] = []
    conditions: defaultdict[str, list[str]] = defaultdict(list)
    for one in _wanted(filters):
        for table in one.asked_of:
            conditions[table].append(one.unless_open(one.condition))
        if others := [table for table in one.by_operation if table not in one.asked_of]:
            lets.append(f"let {one.name} = Spans | where {one.unless_open(one.selects)} | distinct operation_Id;")
            for table in others:
                conditions[table].append(one.unless_open(f"operation_Id in ({one.name})"))
    return Selection(lets, conditions)


class _Filter(NamedTuple):
    value: str
    name: str
    """What the operations that it selects are called."""
    condition: str
    asked_of: tuple[str, ...]
    """The tables whose items know the answer."""
    selects: str
    """What an item has whose operation is selected."""
    by_operation: tuple[str, ...] = _LEAVES

    def unless_open(self, condition: str) -> str:
        """The condition, or none where the value is left to a reader who picks everything."""
        return f'{self.value} == "*" or {condition}' if isinstance(self.value, Choice) else condition


def _wanted(filters: Filters) -> Iterator[_Filter]:
    if filters.flow is not None:
        condition = f"flow == {literal(filters.flow)}"
        asked_of = ("Spans", "Errors", "Verdicts")  # a monitor of all flows says nothing of this one
        yield _Filter(filters.flow, "OfFlow", condition, asked_of, condition, ("Evaluations",))
    if filters.deployment is not None:
        condition = f"deployment == {literal(filters.deployment)}"
        yield _Filter(filters.deployment, "OfDeployment", condition, ("Spans",), condition, ("Errors", "Evaluations"))
    if filters.outcome is not None:
        condition = f"outcome == {literal(filters.outcome)}"
        yield _Filter(filters.outcome, "WithOutcome", condition, ("Runs",), f'item_kind == "flow" and {condition}')
    if filters.model is not None:
        condition = f"model == {literal(filters.model)}"
        yield _Filter(filters.model, "WithModel", condition, ("Calls",), _called(filters.model))
    if filters.node is not None:
        condition = f"node == {literal(filters.node)}"
        own_name = f'(isempty(node) and item_kind in ("node", "retrieval") and name == {literal(filters.node)})'
        yield _Filter(filters.node, "WithNode", condition, ("Calls", "Nodes", "Errors"), f"{condition} or {own_name}")
    for number, (key, value) in enumerate(filters.dimensions, start=1):
        condition = _has_dimension(key, value)
        yield _Filter(value, f"WithDimension{number}", condition, (), condition)


def _called(model: str) -> str:
    answered, asked = (f'tostring(customDimensions["gen_ai.{side}.model"])' for side in ("response", "request"))
    return f"{answered} == {literal(model)} or (isempty({answered}) and {asked} == {literal(model)})"


def _has_dimension(key: str, value: str) -> str:
    condition = f"tostring(customDimensions[{literal(key)}]) == {literal(value)}"
    # Newer exporters move it to the column.
    return f"{condition} or session_Id == {literal(value)}" if key == "session.id" else condition
