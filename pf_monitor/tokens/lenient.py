"""Read from things whose shape nobody promised: answers of any server, objects of any SDK, whatever users hand in."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from numbers import Integral
from typing import Any

_MOST_TOKENS = 10**12
"""No call has more tokens than this; a larger number is some other kind of number."""

_COMPUTED = (property, cached_property)


def member(container: Any, name: str) -> Any:
    """Return a mapping's value or an object's attribute; None where there is none or reading it fails."""
    try:
        cls: type = type(container)
        if cls is dict:
            return container.get(name)
        # A pydantic model, which most SDKs' answers are, takes ten times as long to say that it has no such field.
        if _is_model(cls) and not _has(cls, name):
            fields = container.__dict__
            return fields[name] if name in fields else (container.__pydantic_extra__ or {}).get(name)
        return container.get(name) if isinstance(container, Mapping) else getattr(container, name, None)
    except Exception:  # noqa: BLE001 - a property of a stranger may raise anything
        return None


def members(container: Any) -> Any:
    """Return something from which several members are to be read: a model that only has fields as their dict."""
    cls: type = type(container)
    if cls is dict:
        return container
    try:
        if _has_fields_only(cls):
            extra = container.__pydantic_extra__
            return {**container.__dict__, **extra} if extra else container.__dict__
    except Exception:  # noqa: BLE001 - a stranger may raise anything
        return container
    return container


@lru_cache(maxsize=256)
def _has_fields_only(cls: type) -> bool:
    """Whether a class is a pydantic model without properties, but for pydantic's own."""
    own = (base for base in cls.__mro__ if not base.__module__.startswith("pydantic"))
    return _is_model(cls) and not any(isinstance(thing, _COMPUTED) for base in own for thing in vars(base).values())


@lru_cache(maxsize=256)
def _is_model(cls: type) -> bool:
    return hasattr(cls, "__pydantic_fields__") and hasattr(cls, "__pydantic_extra__")


@lru_cache(maxsize=1024)
def _has(cls: type, name: str) -> bool:
    """Whether a class itself, not its objects, has something of that name, such as a property."""
    return any(name in vars(base) for base in cls.__mro__)


def first(container: Any, *names: str) -> Any:
    """Return the first of the named members that is there and not None."""
    if container is None:
        return None
    for name in names:
        value = member(container, name)
        if value is not None:
            return value
    return None


def count(value: Any) -> int | None:
    """Return a token count, or None for anything that is not one: negative, fractional, a bool, a text."""
    if type(value) is int:
        return value if 0 <= value <= _MOST_TOKENS else None
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, float):  # some clients decode every JSON number to a float
        return int(value) if 0 <= value <= _MOST_TOKENS and value.is_integer() else None
    if not isinstance(value, Integral):
        return None
    number = int(value)
    return number if 0 <= number <= _MOST_TOKENS else None


def items(value: Any) -> list[Any]:
    """Return the items of a list or a tuple; none of anything else."""
    return list(value) if isinstance(value, (list, tuple)) else []


def text(value: Any) -> str:
    """Return a text; an empty one for anything else."""
    return value if isinstance(value, str) else ""
