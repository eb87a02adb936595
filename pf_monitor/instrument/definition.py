"""What is known about a decorated callable before it is ever called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pf_monitor.model.kinds import Kind
    from pf_monitor.model.mapping import ColumnMapping

ATTRIBUTE = "__pf_monitor__"
"""Where a decorated callable carries its definition, so that prompt flow's hooks can rename it."""

_RECEIVERS = ("self", "cls")


@dataclass(frozen=True, slots=True)
class Definition:
    """How a callable is recorded.

    Attributes:
        kind: What its steps are.
        name: What they are called.
        named: Whether the user chose that name; if not, prompt flow's own name for it wins.
        function: The callable itself, undecorated.
        parameters: Names of its positional parameters, in order, without the receiver of a method.
        skipped: How many leading arguments are not inputs: 1 for a method, else 0.
        defaults: Inputs that a call need not name.
        mapping: The column mapping of a flow.
        takes_iterators: Whether the caller only iterates over what it is given, whatever its type: promptflow does.
            An iterator in the output is then watched to its end; else only generators are, which can be replaced
            unnoticed.
        instead_of: A decorated function that is called beneath and recorded by this, so that it is not twice.
    """

    kind: Kind
    name: str
    named: bool
    function: Callable[..., Any]
    parameters: tuple[str, ...]
    skipped: int
    defaults: Mapping[str, Any]
    mapping: ColumnMapping | None = None
    takes_iterators: bool = False
    instead_of: Callable[..., Any] | None = None

    def renamed(self, name: str) -> Definition:
        """Return this definition under another name."""
        return replace(self, name=name)

    def inputs(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of a call by name, defaults included."""
        inputs = {**self.defaults}
        given = args[self.skipped :] if self.skipped else args
        inputs |= dict(zip(self.parameters, given))  # noqa: B905 - to say so would take as long as all of this
        if len(given) > len(self.parameters):
            inputs["args"] = list(given[len(self.parameters) :])
        if kwargs:
            inputs.update(kwargs)
        return inputs


def define(
    function: Callable[..., Any],
    kind: Kind,
    name: str | None,
    mapping: ColumnMapping | None = None,
    *,
    takes_iterators: bool = False,
    instead_of: Callable[..., Any] | None = None,
) -> Definition:
    """Look at a callable once, so that nothing needs to be looked at when it is called.

    Args:
        function: A function, coroutine function, generator function, method, partial or callable object.
        kind: What its steps shall be.
        name: What they shall be called; its own name if None.
        mapping: The column mapping of a flow.
        takes_iterators: See `Definition`.
        instead_of: See `Definition`.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):  # some builtins have no signature
        parameters = []
    skipped = 1 if parameters and parameters[0].name in _RECEIVERS else 0
    positional = tuple(p.name for p in parameters[skipped:] if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return Definition(
        kind,
        name or own_name(function),
        name is not None,
        function,
        positional,
        skipped,
        defaults,
        mapping,
        takes_iterators,
        instead_of,
    )


def own_name(function: Callable[..., Any]) -> str:
    """Return what a callable is called in the user's code; a class's `__call__` is called like the class."""
    if hasattr(function, "func"):  # functools.partial
        return own_name(function.func)
    name = getattr(function, "__name__", None)
    if name == "__call__":
        owner = getattr(function, "__qualname__", "").split(".")
        return owner[-2] if len(owner) > 1 else name
    return name if isinstance(name, str) else type(function).__name__
