"""Reads the values of one mapping: each is checked for its kind, and what nobody asked for is noted in the end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Final, TypeVar

from pf_monitor.quality.schedule_file.nodes import Node
from pf_monitor.quality.schedule_file.problems import Problems, listed, meant

_Choice = TypeVar("_Choice", bound=StrEnum)

_FLAGS: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


class Section:
    """A mapping of the file.

    A value that is not what it should be is noted, and counts as not there: one pass finds everything.
    """

    def __init__(self, node: Node, problems: Problems) -> None:
        self.node = node
        self.problems = problems
        self._asked: set[str] = set()
        if node.value is not None and not isinstance(node.value, Mapping):
            problems.error(node, f"{node} stands where a mapping is expected")
        self._values: Mapping[str, Node] = node.value if isinstance(node.value, Mapping) else {}

    def __iter__(self) -> Iterator[str]:
        """The keys."""
        return iter(self._values)

    def __contains__(self, key: str) -> bool:
        """Whether a key is there with a value."""
        return key in self._values and self._values[key].value is not None

    def place(self, key: str) -> Node:
        """Return the node of a key, or the mapping's own where the key is missing, to say a problem of."""
        missing = Node(None, f"{self.node.key}.{key}" if self.node.key else key, self.node.line)
        return self._values.get(key, missing)

    def take(self, key: str, *, required: str | None = None) -> Node | None:
        """Return the node of a key, None if it has no value.

        Args:
            key: The key.
            required: Makes it a problem that the key is missing: what is allowed.
        """
        self._asked.add(key)
        if key in self:
            return self._values[key]
        if required is not None:
            self.problems.error(self.place(key), f"is missing: {required}")
        return None

    def section(self, key: str, *, required: str | None = None) -> Section:
        """Return a mapping within; an empty one if it is not there."""
        return Section(
            self.take(key, required=required) or Node({}, self.place(key).key, self.place(key).line), self.problems
        )

    def items(self, key: str) -> list[Node]:
        """Return the items of a list; none if it is not there."""
        node = self.take(key)
        if node is None:
            return []
        if not isinstance(node.value, list):
            self.problems.error(node, f"{node} stands where a list is expected: put '- ' before its first key")
            return []
        return node.value

    def text(self, key: str, *, required: str | None = None) -> str | None:
        """Return a text."""
        node = self.take(key, required=required)
        if node is None:
            return None
        if not isinstance(node.value, str):
            self.problems.error(node, f"{node} is not text: Azure ML refuses it without quotes")
            return None
        if required is not None and not node.value.strip():
            self.problems.error(node, f"is empty: {required}")
        return node.value.strip() or None

    def number(self, key: str, allowed: str, lowest: float, highest: float = math.inf) -> float | None:
        """Return a number within bounds, both included; `allowed` says in words what is."""
        node = self.take(key)
        if node is None:
            return None
        number = as_number(node)
        if number is None or not lowest <= number <= highest:
            self.problems.error(node, f"{node} is not {allowed}{_percent(number, highest)}")
            return None
        return number

    def whole(self, key: str, allowed: str, lowest: int, highest: float = math.inf) -> int | None:
        """Return a whole number within bounds, both included."""
        node = self.take(key)
        if node is None:
            return None
        number = as_number(node)
        if number is None or not number.is_integer() or not lowest <= number <= highest:
            self.problems.error(node, f"{node} is not {allowed}")
            return None
        return int(number)

    def flag(self, key: str) -> bool | None:
        """Return true or false."""
        node = self.take(key)
        if node is None:
            return None
        if isinstance(node.value, bool):
            return node.value
        flag = _FLAGS.get(str(node.value).strip().lower())
        if flag is None:
            self.problems.error(node, f"{node} is neither true nor false")
        return flag

    def choice(self, key: str, choices: type[_Choice], *, required: bool = False) -> _Choice | None:
        """Return one of a few words, however they are capitalised."""
        words = [choice.value for choice in choices]
        node = self.take(key, required=f"allowed are {listed(words)}" if required else None)
        if node is None:
            return None
        word = str(node.value).strip().lower()
        if word not in words:
            self.problems.error(node, f"{node} is not one of {listed(words)}.{meant(word, words)}")
            return None
        return choices(word)

    def close(self, renamed: Mapping[str, str] | None = None, also: Iterable[str] = ()) -> None:
        """Note the keys that nobody asked for.

        Args:
            renamed: What some keys are called that people take from elsewhere.
            also: Keys that are allowed and not looked at.
        """
        allowed = self._asked | set(also)
        for key, node in self._values.items():
            if key not in allowed:
                hint = f" It is called {renamed[key]} here." if renamed and key in renamed else meant(key, allowed)
                self.problems.error(node, f"is not a key here.{hint} Allowed are {listed(sorted(allowed))}")


class Properties(Section):
    """A mapping of which Azure ML takes text only: numbers are read out of the text."""

    def __init__(self, node: Node, problems: Problems) -> None:
        super().__init__(node, problems)
        for value in self._values.values():
            if value.value is not None and not isinstance(value.value, str):
                problems.error(value, f'{value} is not text, which is all that Azure ML takes here: write "{value}"')

    def close(self, renamed: Mapping[str, str] | None = None, also: Iterable[str] = ()) -> None:
        """Note the keys that begin with ours and that nobody asked for; others belong to Azure ML, or to somebody."""
        allowed = {key for key in self._asked | set(also) if key.startswith(PREFIX)}
        for key, node in self._values.items():
            if key.startswith(PREFIX) and key not in allowed:
                hint = meant(key, allowed)
                self.problems.error(
                    node, f"is not a property of pf-monitor.{hint} Allowed are {listed(sorted(allowed))}"
                )


PREFIX: Final = "pf_monitor."
"""What our properties begin with."""


def as_number(node: Node) -> float | None:
    """Return a number, also one that is written as text, which Azure ML takes too; None if it is not one."""
    if isinstance(node.value, bool) or not isinstance(node.value, (int, float, str)):
        return None
    try:
        number = float(node.value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _percent(number: float | None, highest: float) -> str:
    """Return what to write instead of a percentage, to end a message with."""
    if number is None or highest != 1 or not 1 < number <= 100:
        return ""
    return f". For {number:g} % write {number / 100:g}"
