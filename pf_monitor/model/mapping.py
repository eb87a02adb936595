"""Column mapping: where question, answer, context and ground truth of a flow run are found."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

MISSING: Final = object()
"""What a look-up gives that finds nothing; None is a value."""

_PATH = re.compile(r"[^\W\d][\w-]*(\.[\w-]+|\[\d+\])*")
_PART = re.compile(r"\[(\d+)\]|([\w-]+)")

_USUAL = {
    "question": ("question", "query", "input"),
    "answer": ("answer", "output", "response"),
    "context": ("context", "documents"),
    "ground_truth": ("ground_truth",),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a flow run.

    Attributes:
        root: `inputs`, `outputs`, or the name of a node.
        path: Members to follow from there: mapping keys, attributes or list positions.
        text: As the user wrote it.
    """

    root: str
    path: tuple[str | int, ...]
    text: str

    @property
    def node(self) -> str | None:
        """The node whose output this is, or None."""
        return None if self.root in ("inputs", "outputs") else self.root


def parse_place(text: str) -> Place:
    """Read a place such as `inputs.question`, `outputs.answer`, `retrieve.output` or promptflow's `${inputs.question}`.

    Raises:
        ValueError: If the text is not a place; the message says what is.
    """
    bare = text.strip()
    if bare.startswith("${") and bare.endswith("}"):
        bare = bare[2:-1].strip()
    for prefix in ("flow.", "run."):
        bare = bare.removeprefix(prefix)
    if not _PATH.fullmatch(bare):
        raise ValueError(
            f"{text!r} is not a place in a flow. Write inputs.NAME, outputs.NAME or NODE.output, "
            "for example inputs.question or retrieve.output."
        )
    parts: list[str | int] = [int(m[1]) if m[1] else m[2] for m in _PART.finditer(bare)]
    root, *path = parts
    if root == "data":  # promptflow's name for the rows of a batch run, which are the inputs
        root = "inputs"
    if root not in ("inputs", "outputs") and (not path or path.pop(0) != "output"):
        raise ValueError(
            f"{text!r} names neither the flow's inputs nor its outputs nor a node's output. "
            f"If {root!s} is a node, write {root}.output."
        )
    return Place(str(root), tuple(path), text)


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """The places of the four columns; a column that is not in it is looked for under its usual names."""

    places: Mapping[str, Place] = field(default_factory=dict)

    @property
    def nodes(self) -> frozenset[str]:
        """Nodes whose outputs the mapping asks for."""
        return frozenset(place.node for place in self.places.values() if place.node is not None)


def follow(value: Any, path: tuple[str | int, ...]) -> Any:
    """Follow a path into a value.

    Returns:
        What is there, or `MISSING`.
    """
    for part in path:
        value = _member(value, part)
        if value is MISSING:
            return MISSING
    return value


def usual(column: str, members: Any) -> tuple[str, Any] | None:
    """Find a column under one of its usual names.

    Args:
        column: `question`, `answer`, `context` or `ground_truth`.
        members: A mapping or an object with attributes.

    Returns:
        The name it was found under and its value, or None.
    """
    for name in _USUAL[column]:
        value = _member(members, name)
        if value is not MISSING and value is not None:
            return name, value
    return None


def has_members(value: Any) -> bool:
    """Whether a value has named members (a mapping, a dataclass, a model), rather than being one value."""
    kind = type(value)  # never the value itself, whose answer may be an exception
    return (
        kind is dict
        or issubclass(kind, Mapping)
        or hasattr(kind, "__dataclass_fields__")
        or hasattr(kind, "model_fields")
    )


def _member(value: Any, part: str | int) -> Any:
    try:
        if type(value) is dict or isinstance(value, Mapping):
            return value.get(part, MISSING)
        if isinstance(part, int):
            return value[part] if isinstance(value, (list, tuple)) and part < len(value) else MISSING
        if isinstance(value, (str, bytes, list, tuple)) or not has_members(value):
            return MISSING
        return getattr(value, part, MISSING)
    except Exception:  # noqa: BLE001 - the user's own mapping or property may do anything
        return MISSING
