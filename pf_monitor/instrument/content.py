"""Turn any value into text that can be sent: bounded, safe, without ever running the value's own code for printing.

A flow's arguments may be hostile (a `__repr__` that raises), endless (a generator), huge (50 MB) or circular.
Nothing here raises, consumes an iterator, or takes longer than the budget allows.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import pathlib
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from pf_monitor.model.cutting import beginning
from pf_monitor.model.step import Text, qualified_name

if TYPE_CHECKING:
    from pf_monitor.model.step import Step

BUDGET = 60_000
"""Characters kept of one value: what an item of Application Insights can hold (64 KB)."""

_MOST_ELEMENTS = 5_000
_DEEPEST = 32
_SMALL, _FEW = 2_000, 20
"""Characters of a short text, and members of a dict or list that is small if all of them are short."""
_SCALARS = frozenset({int, float, bool, type(None)})
_LARGE = object()
"""Stands for a copy of what is not small."""
_MODEST = 20_000
"""Characters of a value of plain types that needs no walk: far from any limit, whatever it consists of."""
_CONTAINER, _ELEMENT = 500, 5
"""What a container and each of its elements count for among those: at most 40 within each other, and 4,000 in all."""
_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS | orjson.OPT_PASSTHROUGH_DATACLASS
_AS_TEXT = (dt.date, dt.time, dt.timedelta, decimal.Decimal, uuid.UUID, pathlib.PurePath)


def to_text(value: Any) -> Text:
    """Return a value as people want to read it: text as it is, anything else as JSON.

    Args:
        value: Any object at all.
    """
    if type(value) is str:
        return Text(clean(beginning(value, BUDGET)), len(value))
    return to_json(value)


def to_json(value: Any) -> Text:
    """Return a value as JSON text.

    What JSON has no word for becomes its class in angle brackets, such as `<generator>`; NaN becomes null.

    Args:
        value: Any object at all.
    """
    try:
        if _room_after(value, _MODEST) >= 0:
            text = orjson.dumps(value, option=_OPTIONS).decode()
            return Text(text, len(text))
    except (TypeError, ValueError, RuntimeError):
        pass  # surrogates, integers beyond 64 bits, a dict that another thread changes: the long way can tell them
    budget = Budget()
    text = orjson.dumps(_plain(value, budget, 0), option=_OPTIONS).decode()
    return Text(text, len(text) + budget.left_out)


def keep(step: Step, name: str, value: Any) -> None:
    """Keep a value on a step as JSON. A small one is written later, away from the user's path.

    Args:
        step: The step.
        name: Its attribute.
        value: Any object at all; it may change from now on.
    """
    small = _small_copy(value)
    if small is _LARGE:
        step.keep(name, to_json(value))
        return
    if step.unwritten is None:
        step.unwritten = {}
        step.unfinished = _write
    step.unwritten[name] = small


def _write(step: Step) -> None:
    for name, value in (step.unwritten or {}).items():
        step.keep(name, to_json(value))
    step.unwritten = None


def copied(value: Any, budget: Budget) -> Any:
    """Return a value made of JSON's types alone, which shares nothing with it that could change or be kept alive.

    Args:
        value: Any object at all.
        budget: What may be spent on it, and on others with it.
    """
    small = _small_copy(value)
    return _plain(value, budget, 0) if small is _LARGE else small


def clean(text: str) -> str:
    """Replace lone surrogates, which no encoding can carry."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


class Budget:
    """What may still be spent on a value, or on several that belong together."""

    __slots__ = ("characters", "elements", "left_out", "open")

    def __init__(self) -> None:
        self.characters = BUDGET
        self.elements = _MOST_ELEMENTS
        self.left_out = 0
        self.open: set[int] = set()
        """Ids of the containers that are being read, to notice a cycle."""

    def take(self, text: str) -> str:
        """Return as much of a text as fits, and count the rest."""
        kept = beginning(text, max(0, self.characters))
        self.left_out += len(text) - len(kept)
        self.characters = self.characters - len(kept) if len(kept) == len(text) else 0
        return clean(kept)

    @property
    def spent(self) -> bool:
        """Whether nothing more can be taken."""
        return self.characters <= 0 or self.elements <= 0


def _small_copy(value: Any) -> Any:
    """Return a short scalar, or a copy of a flat dict or list of a few; `_LARGE` for what needs a walk."""
    kind = type(value)
    if kind is not dict and kind is not list:
        return value if (len(value) <= _SMALL if kind is str else kind in _SCALARS) else _LARGE
    if len(value) > _FEW:
        return _LARGE
    copy = value.copy()  # first, since another thread may change what was looked at
    members: Sequence[Any] = (*copy, *copy.values()) if kind is dict else copy
    for member in members:
        kind = type(member)
        if not (len(member) <= _SMALL if kind is str else kind in _SCALARS):
            return _LARGE
    return copy


def _room_after(value: Any, room: int) -> int:
    """Return how much of a number of characters a value leaves; less than none unless it is of JSON's own types."""
    kind = type(value)
    if kind is str:
        return room - len(value)
    if value is None or kind is int or kind is float or kind is bool:
        return room
    room -= _CONTAINER
    if kind is dict:
        for key, member in value.items():
            if room < 0 or type(key) is not str:
                return -1
            room -= len(key) + _ELEMENT
            room = room - len(member) if type(member) is str else _room_after(member, room)
    elif kind is list or kind is tuple:
        for member in value:
            if room < 0:
                return -1
            room -= _ELEMENT
            room = room - len(member) if type(member) is str else _room_after(member, room)
    else:
        return -1
    return room


def _plain(value: Any, budget: Budget, depth: int) -> Any:
    """Return a value made of JSON's types alone, within the budget."""
    budget.elements -= 1
    kind = type(value)
    if kind is str:
        return budget.take(value)
    if value is None or kind is bool:
        return value
    if kind is int:
        return value if -(2**63) <= value < 2**63 else budget.take(f"<int of {value.bit_length()} bits>")
    if kind is float:
        return value if math.isfinite(value) else None
    if depth >= _DEEPEST or budget.spent:
        return "…"
    try:
        return _plain_object(value, budget, depth)
    except Exception:  # noqa: BLE001 - the value's own code may do anything
        return f"<unreadable {_safe_name(kind)}>"


def _plain_object(value: Any, budget: Budget, depth: int) -> Any:
    if id(value) in budget.open:
        return "<cycle>"
    budget.open.add(id(value))
    try:
        if type(value) is dict or isinstance(value, Mapping):
            return _plain_mapping(value, budget, depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            return _plain_sequence(value, budget, depth)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {f.name: getattr(value, f.name, None) for f in dataclasses.fields(value)}
            return _plain_mapping(fields, budget, depth)
        if _is_pydantic(value):
            return _plain_mapping(vars(value), budget, depth)
    finally:
        budget.open.discard(id(value))
    return _plain_scalar(value, budget, depth)


def _plain_scalar(value: Any, budget: Budget, depth: int) -> Any:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return f"<{type(value).__name__} of {len(value)} bytes>"
    if isinstance(value, enum.Enum):
        return _plain(value.value, budget, depth + 1)
    if isinstance(value, str):
        return budget.take(str.__str__(value))
    if isinstance(value, _AS_TEXT):
        return budget.take(str(value))
    return f"<{_safe_name(type(value))}>"


def _plain_mapping(value: Mapping[Any, Any], budget: Budget, depth: int) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, member in value.items():
        if budget.spent:
            budget.left_out += 1
            plain["…"] = f"{len(value) - len(plain)} more"
            break
        name = key if type(key) is str else str(_plain(key, budget, depth + 1))
        plain[budget.take(name)] = _plain(member, budget, depth + 1)
    return plain


def _plain_sequence(value: Any, budget: Budget, depth: int) -> list[Any]:
    plain: list[Any] = []
    for member in value:
        if budget.spent:
            budget.left_out += 1
            plain.append(f"… {len(value) - len(plain)} more")
            break
        plain.append(_plain(member, budget, depth + 1))
    return plain


def _is_pydantic(value: Any) -> bool:
    """Whether a value is a pydantic model, which openai's and LangChain's objects are; without importing pydantic."""
    return any(base.__module__.startswith("pydantic") for base in type(value).__mro__[1:])


def _safe_name(cls: type) -> str:
    try:
        return qualified_name(cls)
    except Exception:  # noqa: BLE001 - a metaclass may do anything
        return "object"
