"""The four columns of a flow run: question, answer, context and ground truth, found by mapping or by usual name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pf_monitor import notices
from pf_monitor.instrument import content
from pf_monitor.model import names
from pf_monitor.model.mapping import MISSING, ColumnMapping, follow, has_members, parse_place, usual

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pf_monitor.model.step import FlowRun, Step

_OF_INPUTS = (names.QUESTION, names.GROUND_TRUTH, names.CONTEXT)
"""Columns that are looked for in the inputs where nothing is mapped."""

_OF_OUTPUTS = (names.ANSWER, names.CONTEXT)

_COLUMNS = (names.QUESTION, names.ANSWER, names.CONTEXT, names.GROUND_TRUTH)

_NONE = ColumnMapping()


def read_mapping(places: Mapping[str, str | None], where: str) -> ColumnMapping:
    """Read a column mapping; a column that cannot be read is said once, and looked for under its usual names.

    Args:
        places: The text of each column's place; None where none is given.
        where: What to correct, for the message.
    """
    parsed = {}
    for column, text in places.items():
        if text is None:
            continue
        try:
            parsed[column] = parse_place(text)
        except (ValueError, TypeError, AttributeError) as error:
            notices.say_once(f"mapping {where} {column}", "pf_monitor: the column %s in %s: %s", column, where, error)
    return ColumnMapping(parsed)


def mapping_from_environment() -> ColumnMapping | None:
    """Return the column mapping that the environment gives, for flows that have no function to decorate.

    `PF_MONITOR_QUESTION`, `PF_MONITOR_ANSWER`, `PF_MONITOR_CONTEXT` and `PF_MONITOR_GROUND_TRUTH` say what the
    arguments of `@pf_monitor.flow` say. They are written into the flow file, as environment variables.
    """
    places = {column: os.environ.get(f"PF_MONITOR_{column.upper()}") for column in _COLUMNS}
    if not any(places.values()):
        return None
    return read_mapping({column: text or None for column, text in places.items()}, "PF_MONITOR_* of the flow file")


def wanted_outputs(mapping: ColumnMapping | None) -> dict[str, list[tuple[str, tuple[str | int, ...]]]]:
    """Return, for each node that a mapping names, the columns and the paths into its output."""
    wanted: dict[str, list[tuple[str, tuple[str | int, ...]]]] = {}
    for column, place in (mapping or _NONE).places.items():
        if place.node is not None:
            wanted.setdefault(place.node, []).append((column, place.path))
    return wanted


def take_inputs(step: Step, inputs: Mapping[str, Any], mapping: ColumnMapping | None) -> None:
    """Fill the columns that come from a flow's inputs, and keep the other inputs as they are."""
    places = (mapping or _NONE).places
    carried: set[str] = set()
    for column, place in places.items():
        if place.root != "inputs":
            continue
        value = follow(inputs, place.path)
        if value is MISSING:
            _say_misplaced(step, column, place.text, "inputs", inputs)
            continue
        step.keep(column, content.to_text(value))
        if len(place.path) == 1:
            carried.add(str(place.path[0]))
    for column in _OF_INPUTS:
        if column not in places and column not in step.content and (found := usual(column, inputs)) is not None:
            step.keep(column, content.to_text(found[1]))
            carried.add(found[0])
    if rest := {name: value for name, value in inputs.items() if name not in carried}:
        content.keep(step, names.INPUTS, rest)


def take_node_output(flow: FlowRun, node: str, output: Any) -> None:
    """Fill the columns that come from a node's output."""
    for column, path in flow.wanted.get(node, ()):
        value = follow(output, path)
        if value is not MISSING:
            flow.columns[column] = content.to_text(value)


def take_output(step: Step, output: Any, mapping: ColumnMapping | None, *, ended_well: bool) -> None:
    """Fill the columns that come from a flow's output and its nodes, and keep the rest of the output as it is.

    Args:
        step: The flow.
        output: What it returned, or had yielded so far.
        mapping: Its column mapping.
        ended_well: Whether a column that is missing is worth a word; after an error it is not.
    """
    places = (mapping or _NONE).places
    flow = step.flow
    single = not has_members(output)
    carried: set[str] = set()
    whole = False
    if flow is not None:
        for column, text in flow.columns.items():
            step.keep(column, text)
    for column, place in places.items():
        if place.root == "outputs":
            value = output if single and len(place.path) <= 1 else follow(output, place.path)
            if value is MISSING:
                if ended_well:
                    _say_misplaced(step, column, place.text, "outputs", _members(output))
                continue
            if value is None and not ended_well:
                continue
            step.keep(column, content.to_text(value))
            whole = whole or value is output
            carried.update(str(part) for part in place.path[:1])
        elif place.node is not None and ended_well and column not in step.content:
            _say_not_run(step, column, place.text, flow.nodes if flow is not None else ())
    if single and names.ANSWER not in places and output is not None:
        step.keep(names.ANSWER, content.to_text(output))
        whole = True
    for column in _OF_OUTPUTS:
        if column not in places and not single and (found := usual(column, output)) is not None:
            step.keep(column, content.to_text(found[1]))
            carried.add(found[0])
    if names.CONTEXT not in step.content and names.CONTEXT not in places and flow is not None and flow.retrieved:
        step.keep(names.CONTEXT, flow.retrieved)
    _keep_rest(step, output, single=single, whole=whole, carried=carried)


def _keep_rest(step: Step, output: Any, *, single: bool, whole: bool, carried: set[str]) -> None:
    if whole or output is None:
        return
    if single:
        content.keep(step, names.OUTPUT, output)
    elif rest := {name: value for name, value in _members(output).items() if name not in carried}:
        content.keep(step, names.OUTPUT, rest)


def _members(output: Any) -> Mapping[str, Any]:
    if type(output) is dict or isinstance(output, Mapping):
        return output
    return {name: value for name, value in vars(output).items() if not name.startswith("_")}


def _say_misplaced(step: Step, column: str, place: str, where: str, members: Iterable[Any]) -> None:
    have = ", ".join(sorted(str(member) for member in members)) or "none"
    notices.say_once(
        f"column {step.name} {column}",
        "pf_monitor: the column %s of flow %s is mapped to %s, which is not there. Its %s are: %s. "
        "Correct it in @pf_monitor.flow(%s=...), or in PF_MONITOR_%s of the flow file.",
        column,
        step.name,
        place,
        where,
        have,
        column,
        column.upper(),
    )


def _say_not_run(step: Step, column: str, place: str, nodes: Iterable[str] | Sequence[str]) -> None:
    notices.say_once(
        f"column {step.name} {column}",
        "pf_monitor: the column %s of flow %s is mapped to %s, but no such node gave anything in this run. "
        "Nodes that ran: %s. Correct it in @pf_monitor.flow(%s=...), or decorate that step with @pf_monitor.node.",
        column,
        step.name,
        place,
        ", ".join(sorted(nodes)) or "none",
        column,
    )
