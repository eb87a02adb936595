"""A flow's Python code, read without running it: what is decorated, how, and what it is called with."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PACKAGE = "pf_monitor"
_STEPS = ("node", "retrieval")

Function = ast.FunctionDef | ast.AsyncFunctionDef
Definition = Function | ast.ClassDef


@dataclass(frozen=True)
class Decoration:
    """How one of the monitor's decorators was applied.

    Attributes:
        kind: `flow`, `node` or `retrieval`.
        arguments: Its keyword arguments that are plain text.
    """

    kind: str
    arguments: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """The function or class that a flex flow starts with.

    Attributes:
        decoration: How it is decorated with `@pf_monitor.flow`; None if it is not.
        parameters: Names of the inputs that it takes.
        takes_any: Whether it takes inputs of any name besides.
    """

    decoration: Decoration | None
    parameters: tuple[str, ...]
    takes_any: bool


class SourceError(ValueError):
    """The entry cannot be found; the message says why."""


def read_entry(folder: Path, entry: str) -> Entry:
    """Read what a flow file names as its entry.

    Args:
        folder: Where the code is.
        entry: As in the flow file: `module:function` or `package.module:Class`.

    Raises:
        SourceError: If it is not there.
    """
    module, colon, name = entry.partition(":")
    if not colon or not module or not name:
        raise SourceError(f"the entry {entry!r} is not of the form module:name")
    path = folder.joinpath(*module.split(".")).with_suffix(".py")
    if not path.is_file():
        raise SourceError(f"the entry's file {path.relative_to(folder)} is not there")
    tree = _parse(path)
    definition = next((one for one in _definitions(tree.body) if one.name == name), None)
    if definition is None:
        names = ", ".join(one.name for one in _definitions(tree.body)) or "nothing"
        raise SourceError(f"{path.name} does not define {name}; it defines {names}")
    aliases = _aliases(tree)
    decorations = [*_decorations(definition, aliases)]
    function = _called(definition)
    if function is not definition:
        decorations += _decorations(function, aliases)
    arguments = function.args
    inputs = [one.arg for one in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)]
    return Entry(
        next((one for one in decorations if one.kind == "flow"), None),
        tuple(inputs[1:] if inputs[:1] == ["self"] else inputs),
        arguments.kwarg is not None,
    )


def step_names(folder: Path) -> set[str]:
    """Return the names of all steps that are decorated in a folder's code; files that cannot be parsed are skipped."""
    names = set()
    for path in folder.rglob("*.py"):
        try:
            tree = _parse(path)
        except SourceError:
            continue
        aliases = _aliases(tree)
        for definition in (one for one in ast.walk(tree) if isinstance(one, Definition)):
            for decoration in _decorations(definition, aliases):
                if decoration.kind in _STEPS:
                    names.add(decoration.arguments.get("name", definition.name))
    return names


def _called(definition: Definition) -> Function:
    """The function that runs when the entry is called: of a class, its `__call__`."""
    if not isinstance(definition, ast.ClassDef):
        return definition
    for member in _definitions(definition.body):
        if member.name == "__call__" and isinstance(member, Function):
            return member
    raise SourceError(f"the class {definition.name} has no __call__")


def _parse(path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes(), path.name)
    except (SyntaxError, ValueError, OSError) as error:
        raise SourceError(f"{path.name} cannot be parsed: {error}") from error


def _definitions(body: list[ast.stmt]) -> Iterator[Definition]:
    return (statement for statement in body if isinstance(statement, Definition))


def _aliases(tree: ast.Module) -> dict[str, str]:
    """Return what names in a module stand for: `pf_monitor`, or one of its decorators such as `pf_monitor.flow`."""
    aliases: dict[str, str] = {}
    for statement in ast.walk(tree):
        if isinstance(statement, ast.Import):
            aliases |= {one.asname or one.name: _PACKAGE for one in statement.names if one.name == _PACKAGE}
        elif isinstance(statement, ast.ImportFrom) and statement.module == _PACKAGE:
            aliases |= {one.asname or one.name: f"{_PACKAGE}.{one.name}" for one in statement.names}
    return aliases


def _decorations(definition: Definition, aliases: Mapping[str, str]) -> Iterator[Decoration]:
    for decorator in definition.decorator_list:
        call = decorator if isinstance(decorator, ast.Call) else None
        package, _, kind = _full_name(call.func if call else decorator, aliases).partition(".")
        if package == _PACKAGE and kind in ("flow", *_STEPS):
            yield Decoration(kind, _texts(call.keywords) if call else {})


def _full_name(node: ast.expr, aliases: Mapping[str, str]) -> str:
    if isinstance(node, ast.Name):
        return aliases.get(node.id, node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        return f"{aliases.get(node.value.id, node.value.id)}.{node.attr}"
    return ""


def _texts(keywords: list[ast.keyword]) -> dict[str, str]:
    return {
        one.arg: one.value.value
        for one in keywords
        if one.arg is not None and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str)
    }
