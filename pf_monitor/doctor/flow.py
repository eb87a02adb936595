"""A flow: what kind it is, whether its entry is there, and where its columns come from."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from pf_monitor.doctor.check import Check, fail, ok, warn
from pf_monitor.doctor.source_code import Entry, SourceError, read_entry, step_names
from pf_monitor.flowfile.read import FlowFile, FlowKind
from pf_monitor.model.mapping import parse_place, usual

_COLUMNS = ("question", "answer", "context", "ground_truth")


def examine_flow(flow: FlowFile) -> Iterator[Check]:
    """Look at a flow's file and code."""
    yield ok("flow", f"a {flow.kind}, {flow.path.name}")
    if flow.kind is FlowKind.FLEX:
        yield from _examine_flex(flow)
        return
    recorded = "each node is recorded by itself" if flow.kind is FlowKind.DAG else "each call is recorded by itself"
    yield ok("decorated", f"not needed: {recorded}")
    yield _usual_question(flow.section("inputs"), "Name the input question, query or input")


def _examine_flex(flow: FlowFile) -> Iterator[Check]:
    folder = flow.path.parent / str(flow.document.get("code") or ".")
    try:
        entry = read_entry(folder, str(flow.document.get("entry") or ""))
    except SourceError as error:
        yield fail("entry", str(error), f"Correct entry: in {flow.path.name}")
        return
    yield ok("entry", f"{flow.document['entry']}, which takes {', '.join(entry.parameters) or 'no inputs'}")
    if entry.decoration is None:
        yield warn(
            "decorated",
            "the entry is not: it is recorded all the same where the monitor loads by itself, with columns found by "
            "their usual names",
            "Put @pf_monitor.flow above it, with question=, answer= and context= where their names are unusual",
        )
    else:
        yield ok("decorated", "with @pf_monitor.flow")
    yield from _examine_mapping(entry, folder)


def _examine_mapping(entry: Entry, folder: Path) -> Iterator[Check]:
    mapping = entry.decoration.arguments if entry.decoration is not None else {}
    for column in _COLUMNS:
        if column in mapping:
            yield _mapped(column, mapping[column], entry, folder)
    if "question" not in mapping and not entry.takes_any:
        inputs = dict.fromkeys(entry.parameters, "")
        yield _usual_question(inputs, 'Say which input it is: @pf_monitor.flow(question="inputs.NAME")')


def _mapped(column: str, text: str, entry: Entry, folder: Path) -> Check:
    name = f"column {column}"
    try:
        place = parse_place(text)
    except ValueError as error:
        return fail(name, str(error), f"Correct @pf_monitor.flow({column}=...)")
    if place.root == "inputs" and place.path and not entry.takes_any:
        return _known(name, text, str(place.path[0]), entry.parameters, f"Correct @pf_monitor.flow({column}=...)")
    if place.node is not None:
        remedy = f"Correct @pf_monitor.flow({column}=...), or decorate that step with @pf_monitor.node or .retrieval"
        return _known(name, text, place.node, step_names(folder), remedy)
    return ok(name, text)


def _known(name: str, text: str, wanted: str, names: Collection[str], remedy: str) -> Check:
    if wanted in names:
        return ok(name, text)
    return fail(name, f"{text} is not there. There are: {', '.join(sorted(names)) or 'none'}", remedy)


def _usual_question(inputs: Mapping[str, object], remedy: str) -> Check:
    found = usual("question", dict.fromkeys(inputs, ""))
    if found is not None:
        return ok("column question", f"inputs.{found[0]}, by its usual name")
    given = ", ".join(inputs) or "none"
    return warn("column question", f"no input has a usual name for it. Inputs: {given}", remedy)
